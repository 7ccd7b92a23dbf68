#include <sluice/usage/spend_record.h>

#include <gtest/gtest.h>

#include <sluice/base/byte_fields.h>

namespace sluice::usage {
namespace {

SpendRecord full_record() {
  SpendRecord record;
  record.exchange = SpendRecord::make_exchange(3, 77);
  record.at = WallTime{1'763'648'700'123'456};
  record.kind = SpendKind::kSettled;
  record.source = SpendSource::kCounted;
  record.is_partial = true;
  record.key = "app";
  record.tenant = std::string(64, 't');
  record.model = "small";
  record.input_tokens = 812;
  record.output_tokens = 0;
  record.reasoning_tokens = UINT64_MAX;
  record.cost_micro_dollars = 512;
  record.run = 0xfeed'0000'0000'0001;
  record.began = WallTime{1'763'648'699'000'000};
  record.is_stream = true;
  record.endpoint = metrics::Endpoint::kResponses;
  record.status = 200;
  record.error = ErrorCode::kUpstreamLost;
  record.request_id = std::string(128, 'r');
  record.organisation = "org";
  record.team = std::string(64, 'm');
  record.user = "ann";
  record.served_model = "large";
  record.upstream = "east";
  record.duration_us = 1'123'456;
  record.ttft_us = 80'000;
  return record;
}

TEST(SpendRecord, exchange_numbers_of_shards_do_not_meet) {
  EXPECT_EQ(SpendRecord::make_exchange(1, 0), uint64_t{1} << 48);
  EXPECT_EQ(SpendRecord::make_exchange(0xffff, UINT64_MAX), UINT64_MAX);
}

TEST(SpendRecord, all_of_it_comes_back_and_absent_stays_absent) {
  const SpendRecord record = full_record();
  std::string bytes;
  append_spend(bytes, record);
  EXPECT_LE(bytes.size(), kSpendBytesMax);
  const auto read = read_spend(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->exchange, record.exchange);
  EXPECT_EQ(read->at.unix_us, record.at.unix_us);
  EXPECT_EQ(read->kind, record.kind);
  EXPECT_EQ(read->source, record.source);
  EXPECT_TRUE(read->is_partial);
  EXPECT_EQ(read->key.view(), "app");
  EXPECT_EQ(read->tenant.view(), record.tenant.view());
  EXPECT_EQ(read->model.view(), "small");
  EXPECT_EQ(read->input_tokens, 812u);
  EXPECT_EQ(read->output_tokens, 0u);
  EXPECT_EQ(read->cached_tokens, std::nullopt);
  EXPECT_EQ(read->reasoning_tokens, UINT64_MAX);
  EXPECT_EQ(read->cost_micro_dollars, 512u);
  EXPECT_EQ(read->run, record.run);
  EXPECT_EQ(read->began.unix_us, record.began.unix_us);
  EXPECT_TRUE(read->is_stream);
  EXPECT_EQ(read->endpoint, metrics::Endpoint::kResponses);
  EXPECT_EQ(read->status, 200);
  EXPECT_EQ(read->error, ErrorCode::kUpstreamLost);
  EXPECT_EQ(read->request_id.view(), record.request_id.view());
  EXPECT_EQ(read->organisation.view(), "org");
  EXPECT_EQ(read->team.view(), record.team.view());
  EXPECT_EQ(read->user.view(), "ann");
  EXPECT_EQ(read->served_model.view(), "large");
  EXPECT_EQ(read->upstream.view(), "east");
  EXPECT_EQ(read->duration_us, 1'123'456u);
  EXPECT_EQ(read->ttft_us, 80'000u);
  std::string again;
  append_spend(again, *read);
  EXPECT_EQ(again, bytes);
}

TEST(SpendRecord, longest_record_keeps_its_bound) {
  SpendRecord record = full_record();
  for (auto* name : {&record.key, &record.tenant, &record.organisation, &record.team, &record.user,
                     &record.model, &record.served_model, &record.upstream}) {
    *name = std::string(64, 'n');
  }
  record.cached_tokens = 1;
  for (size_t i = 0; i < metrics::kEndpointNames.size(); ++i) {
    for (int code = 0; code <= static_cast<int>(ErrorCode::kConfig); ++code) {
      record.endpoint = static_cast<metrics::Endpoint>(i);
      record.error = static_cast<ErrorCode>(code);
      std::string bytes;
      append_spend(bytes, record);
      ASSERT_LE(bytes.size(), kSpendBytesMax);
      const auto read = read_spend(bytes);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->endpoint, record.endpoint);
      EXPECT_EQ(read->error, record.error);
    }
  }
}

TEST(SpendRecord, all_sources_come_back) {
  for (const auto source : {SpendSource::kReported, SpendSource::kCounted, SpendSource::kUnknown,
                            SpendSource::kEstimated}) {
    SpendRecord record;
    record.source = source;
    std::string bytes;
    append_spend(bytes, record);
    ASSERT_TRUE(read_spend(bytes));
    EXPECT_EQ(read_spend(bytes)->source, source);
    EXPECT_EQ(read_spend(bytes)->error, std::nullopt);
  }
  EXPECT_EQ(to_string(SpendSource::kUnknown), "unknown");
  EXPECT_EQ(to_string(SpendSource::kEstimated), "estimated");
}

// As the first version wrote it: kind, source, flags, exchange, time, three names, five numbers.
std::string first_version() {
  std::string bytes = {2, 1, static_cast<char>(0x80 | 1 | 1u << 4)};
  append_number(bytes, SpendRecord::make_exchange(3, 77));
  append_number(bytes, uint64_t{1'763'648'700'123'456});
  append_short_text(bytes, "app");
  append_short_text(bytes, std::string(64, 't'));
  append_short_text(bytes, "small");
  append_number(bytes, uint64_t{812});
  append_number(bytes, uint64_t{512});
  return bytes;
}

TEST(SpendRecord, first_version_is_read_without_a_run) {
  const auto read = read_spend(first_version());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->run, 0u);
  EXPECT_EQ(read->kind, SpendKind::kSettled);
  EXPECT_EQ(read->source, SpendSource::kCounted);
  EXPECT_TRUE(read->is_partial);
  EXPECT_EQ(read->exchange, SpendRecord::make_exchange(3, 77));
  EXPECT_EQ(read->at.unix_us, 1'763'648'700'123'456);
  EXPECT_EQ(read->key.view(), "app");
  EXPECT_EQ(read->tenant.view(), std::string(64, 't'));
  EXPECT_EQ(read->model.view(), "small");
  EXPECT_EQ(read->input_tokens, 812u);
  EXPECT_EQ(read->output_tokens, std::nullopt);
  EXPECT_EQ(read->cost_micro_dollars, 512u);
  EXPECT_TRUE(read->upstream.empty());
}

TEST(SpendRecord, cut_longer_or_foreign_bytes_of_the_first_version_are_refused) {
  const std::string bytes = first_version();
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(read_spend(bytes.substr(0, i))) << i;
  EXPECT_FALSE(read_spend(bytes + "x"));
  for (const auto& [at, value] : {std::pair{0, 0}, {0, 3}, {1, 3}, {2, 0x40}, {19, 65}}) {
    std::string damaged = bytes;
    damaged[static_cast<size_t>(at)] = static_cast<char>(value);
    EXPECT_FALSE(read_spend(damaged)) << at;
  }
}

TEST(SpendRecord, cut_longer_or_foreign_bytes_are_refused) {
  std::string bytes;
  append_spend(bytes, full_record());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(read_spend(bytes.substr(0, i))) << i;
  EXPECT_FALSE(read_spend(bytes + "x"));
  // Version, kind, source, flags.
  for (const auto& [at, value] :
       {std::pair{0, 6}, {1, 1}, {1, 3}, {2, 0}, {2, 3}, {3, 4}, {5, 2}}) {
    std::string damaged = bytes;
    damaged[static_cast<size_t>(at)] = static_cast<char>(value);
    EXPECT_FALSE(read_spend(damaged)) << at;
  }
}

}  // namespace
}  // namespace sluice::usage
