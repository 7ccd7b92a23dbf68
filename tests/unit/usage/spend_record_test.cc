#include <sluice/usage/spend_record.h>

#include <gtest/gtest.h>

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
}

TEST(SpendRecord, cut_longer_or_foreign_bytes_are_refused) {
  std::string bytes;
  append_spend(bytes, full_record());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(read_spend(bytes.substr(0, i))) << i;
  EXPECT_FALSE(read_spend(bytes + "x"));
  for (const auto& [at, value] : {std::pair{0, 0}, {0, 3}, {1, 3}, {2, 0x40}, {19, 65}}) {
    std::string damaged = bytes;
    damaged[static_cast<size_t>(at)] = static_cast<char>(value);
    EXPECT_FALSE(read_spend(damaged)) << at;
  }
}

}  // namespace
}  // namespace sluice::usage
