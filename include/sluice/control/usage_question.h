// What the usage log can be asked, and what it answers.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/io/task.h>
#include <sluice/json/writer.h>

namespace sluice::control {

// One exchange as the file has it. What is absent is unknown, never zero.
struct UsageRow {
  uint64_t number = 0;  // Its place in the file; rises, is never used twice.
  std::string id;       // The same wherever the exchange is told of, and over restarts.
  WallTime began;
  WallTime at;             // When it ended.
  std::string request_id;  // As the access log and the client have it.
  std::string key;         // Name or id; never a secret. "" for anonymous requests.
  std::string tenant;
  std::string organisation;
  std::string team;
  std::string user;
  std::string model;         // That was asked for.
  std::string served_model;  // When another one answered, by fallback; else "".
  std::string deployment;
  std::string endpoint;
  uint16_t status = 0;
  std::string error;  // A code, "" for a good end.
  bool is_stream = false;
  bool is_partial = false;  // The answer broke off.
  std::string source;       // "reported", "counted", "estimated" or "unknown".
  std::optional<uint64_t> input_tokens;
  std::optional<uint64_t> output_tokens;
  std::optional<uint64_t> cached_tokens;
  std::optional<uint64_t> reasoning_tokens;
  std::optional<uint64_t> micro_dollars;
  std::optional<uint64_t> duration_us;
  std::optional<uint64_t> ttft_us;  // Of an event stream.
};

// As one JSON object: a record of `GET /v1/usage/records` and of a webhook's call (docs/usage.md).
void write_usage_row(json::Writer& writer, const UsageRow& row);

// All that are given must hold; "" is any.
struct UsageFilter {
  std::string key;
  std::string tenant;
  std::string organisation;
  std::string team;
  std::string user;
  std::string model;
  std::optional<WallTime> from;  // By `at`: from it on, up to but without `to`.
  std::optional<WallTime> to;
  // What a management key may see (D4); "" is all.
  std::string scope_organisation;
  std::string scope_team;
};

enum class UsageBy : uint8_t {
  kKey,
  kTenant,
  kOrganisation,
  kTeam,
  kUser,
  kModel,
  kDeployment,
  kDay,  // Of UTC, "2026-11-27".
};
inline constexpr std::array<std::string_view, 8> kUsageByNames = {
    "key", "tenant", "organisation", "team", "user", "model", "deployment", "day"};

struct UsageQuestion {
  UsageBy by = UsageBy::kKey;
  UsageFilter filter;
};

// Sums of what is known; `unknown` says of how many requests something is estimated or not known.
struct UsageLine {
  std::string name;  // "" of those without one.
  uint64_t requests = 0;
  uint64_t input_tokens = 0;
  uint64_t output_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t reasoning_tokens = 0;
  uint64_t micro_dollars = 0;
  uint64_t errors = 0;
  uint64_t unknown = 0;
  bool operator==(const UsageLine&) const = default;
};

struct UsageSums {
  static constexpr size_t kLinesMost = 1'000;
  std::vector<UsageLine> lines;  // The most expensive first; days from the latest on.
  bool has_more = false;         // There were more than kLinesMost.
};

// Newest first.
struct UsagePageQuestion {
  UsageFilter filter;
  uint32_t most = 100;  // 1-1000.
  uint64_t before = 0;  // `next` of the page before; 0 begins with the newest.
};

struct UsagePage {
  std::vector<UsageRow> rows;
  std::optional<uint64_t> next;  // Absent on the last page.
};

// Implemented by UsageLog. Control thread only; answers come from a lane. The error is a sentence
// with cause and remedy: the file fails, or the question takes too long. Both suspend.
class UsageAnswers {
 public:
  virtual ~UsageAnswers() = default;
  virtual Task<std::expected<UsageSums, std::string>> sums(UsageQuestion question) = 0;
  virtual Task<std::expected<UsagePage, std::string>> records(UsagePageQuestion question) = 0;
};

}  // namespace sluice::control
