// Records for tests of the usage log.
#pragma once

#include <string>

#include <sluice/usage/spend_record.h>

namespace sluice::control {

inline constexpr int64_t kUsageSecond = 1'000'000;
inline constexpr int64_t kUsageDay = 86'400 * kUsageSecond;
// 2026-11-27T00:00:00Z.
inline constexpr int64_t kUsageEpoch = 1'795'737'600 * kUsageSecond;

// A whole answer; the number makes the exchange and the second in which it ended.
inline usage::SpendRecord usage_record(uint64_t number) {
  usage::SpendRecord record;
  record.exchange = usage::SpendRecord::make_exchange(1, number);
  record.run = 7;
  record.at = WallTime{kUsageEpoch + static_cast<int64_t>(number) * kUsageSecond};
  record.began = WallTime{record.at.unix_us - 250'000};
  record.kind = usage::SpendKind::kSettled;
  record.source = usage::SpendSource::kReported;
  record.endpoint = metrics::Endpoint::kChatCompletions;
  record.status = 200;
  record.request_id = "req_" + std::to_string(number);
  record.key = "app";
  record.tenant = "acme";
  record.model = "small";
  record.upstream = "east";
  record.input_tokens = 10;
  record.output_tokens = 5;
  record.cost_micro_dollars = 100;
  record.duration_us = 250'000;
  return record;
}

inline std::string usage_bytes(const usage::SpendRecord& record) {
  std::string bytes;
  usage::append_spend(bytes, record);
  return bytes;
}

}  // namespace sluice::control
