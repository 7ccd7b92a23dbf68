#include "usage_file.h"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "../store/sqlite_folder.h"
#include "usage_records.h"

namespace sluice::control {
namespace {

class UsageFileTest : public testing::Test {
 protected:
  UsageFileTest() { open(); }
  void open() {
    file_.reset();
    auto opened = UsageFile::open(folder_.file());
    ASSERT_TRUE(opened) << opened.error();
    file_ = std::move(*opened);
  }
  uint64_t add(const std::vector<usage::SpendRecord>& records) {
    std::vector<std::string> bytes;
    for (const usage::SpendRecord& record : records) bytes.push_back(usage_bytes(record));
    const auto added = file_->add(bytes);
    EXPECT_TRUE(added) << added.error();
    return added.value_or(0);
  }
  uint64_t add(uint64_t from, uint64_t to) {
    std::vector<usage::SpendRecord> records;
    for (uint64_t number = from; number < to; ++number) records.push_back(usage_record(number));
    return add(records);
  }
  std::vector<UsageRow> rows(uint64_t after = 0, uint32_t most = 10'000) {
    auto rows = file_->rows_after(after, most);
    EXPECT_TRUE(rows) << rows.error();
    return rows.value_or(std::vector<UsageRow>());
  }
  UsageFile::Trimmed trim(WallTime oldest, uint64_t bytes_max, uint64_t told = UINT64_MAX) {
    auto trimmed = file_->trim(oldest, bytes_max, told);
    EXPECT_TRUE(trimmed) << trimmed.error();
    return trimmed.value_or(UsageFile::Trimmed());
  }

  store::SqliteFolder folder_;
  std::unique_ptr<UsageFile> file_;
};

TEST_F(UsageFileTest, all_of_a_record_comes_back_and_absent_stays_absent) {
  usage::SpendRecord record = usage_record(3);
  record.source = usage::SpendSource::kCounted;
  record.is_stream = true;
  record.is_partial = true;
  record.error = ErrorCode::kUpstreamLost;
  record.organisation = "org_1";
  record.team = "team_1";
  record.user = "user_1";
  record.served_model = "large";
  record.cached_tokens = 0;
  record.ttft_us = 80'000;
  EXPECT_EQ(add({record}), 1u);
  ASSERT_EQ(rows().size(), 1u);
  const UsageRow row = rows()[0];
  EXPECT_EQ(row.number, 1u);
  EXPECT_EQ(row.id, "0000000000000007-1000000000003");
  EXPECT_EQ(row.began, record.began);
  EXPECT_EQ(row.at, record.at);
  EXPECT_EQ(row.request_id, "req_3");
  EXPECT_EQ(row.key, "app");
  EXPECT_EQ(row.tenant, "acme");
  EXPECT_EQ(row.organisation, "org_1");
  EXPECT_EQ(row.team, "team_1");
  EXPECT_EQ(row.user, "user_1");
  EXPECT_EQ(row.model, "small");
  EXPECT_EQ(row.served_model, "large");
  EXPECT_EQ(row.deployment, "east");
  EXPECT_EQ(row.endpoint, "/v1/chat/completions");
  EXPECT_EQ(row.status, 200);
  EXPECT_EQ(row.error, "upstream_lost");
  EXPECT_TRUE(row.is_stream);
  EXPECT_TRUE(row.is_partial);
  EXPECT_EQ(row.source, "counted");
  EXPECT_EQ(row.input_tokens, 10u);
  EXPECT_EQ(row.output_tokens, 5u);
  EXPECT_EQ(row.cached_tokens, 0u);
  EXPECT_EQ(row.reasoning_tokens, std::nullopt);
  EXPECT_EQ(row.micro_dollars, 100u);
  EXPECT_EQ(row.duration_us, 250'000u);
  EXPECT_EQ(row.ttft_us, 80'000u);
}

TEST_F(UsageFileTest, an_exchange_is_in_the_file_once_however_often_it_is_added) {
  EXPECT_EQ(add(1, 4), 3u);
  EXPECT_EQ(add(2, 6), 2u);
  open();
  EXPECT_EQ(add(1, 6), 0u);
  usage::SpendRecord other_run = usage_record(1);
  other_run.run = UINT64_MAX;
  EXPECT_EQ(add({other_run}), 1u);
  const auto found = rows();
  ASSERT_EQ(found.size(), 6u);
  for (size_t i = 1; i < found.size(); ++i) EXPECT_GT(found[i].number, found[i - 1].number);
  EXPECT_EQ(found.back().id, "ffffffffffffffff-1000000000001");
  EXPECT_EQ(file_->last_number(), found.back().number);
}

TEST_F(UsageFileTest, what_has_no_run_or_is_no_record_is_passed_over) {
  usage::SpendRecord old = usage_record(1);
  old.run = 0;
  const std::vector<std::string> bytes = {usage_bytes(old), "nonsense",
                                          usage_bytes(usage_record(2))};
  EXPECT_EQ(file_->add(bytes), 1u);
}

TEST_F(UsageFileTest, nonsense_of_an_upstream_is_cut_so_that_sums_fit) {
  usage::SpendRecord record = usage_record(1);
  record.input_tokens = UINT64_MAX;
  add({record});
  EXPECT_EQ(rows()[0].input_tokens, UsageFile::kNumberMost);
}

TEST_F(UsageFileTest, file_is_for_its_owner_alone_and_for_one_process) {
  struct stat status{};
  ASSERT_EQ(::stat(folder_.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  const auto second = UsageFile::open(folder_.file());
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().contains("in use by the process")) << second.error();
}

TEST_F(UsageFileTest, file_of_a_later_version_or_of_something_else_is_refused) {
  file_.reset();
  {
    auto db = store::SqliteDb::open(folder_.file(), {});
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->run_all("PRAGMA user_version = 2"));
  }
  auto opened = UsageFile::open(folder_.file());
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().contains("later version")) << opened.error();
  const std::string other = folder_.directory() + "/other.db";
  {
    auto db = store::SqliteDb::open(other, {});
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->run_all("CREATE TABLE things (id)"));
  }
  opened = UsageFile::open(other);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().contains("something else")) << opened.error();
}

TEST_F(UsageFileTest, what_is_too_old_goes_a_portion_at_a_time) {
  add(0, 2'500);
  const WallTime oldest{kUsageEpoch + 2'100 * kUsageSecond};
  const auto first = trim(oldest, UINT64_MAX);
  EXPECT_EQ(first.removed, UsageFile::kTrimMost);
  EXPECT_TRUE(first.has_more);
  trim(oldest, UINT64_MAX);
  const auto last = trim(oldest, UINT64_MAX);
  EXPECT_EQ(last.removed, 100u);
  EXPECT_EQ(rows().size(), 400u);
  EXPECT_EQ(rows().front().at, oldest);
  EXPECT_EQ(trim(oldest, UINT64_MAX).removed, 0u);
}

TEST_F(UsageFileTest, file_above_its_bound_loses_the_oldest_and_gets_smaller) {
  add(0, 20'000);
  const uint64_t bytes = *file_->bytes();
  const uint64_t bound = bytes / 2;
  int calls = 0;
  while (trim({}, bound).has_more && ++calls < 100) {
  }
  EXPECT_LT(*file_->bytes(), bound + bound / 10);
  const auto left = rows(0, 100'000);
  EXPECT_GT(left.size(), 6'000u);
  EXPECT_EQ(left.back().request_id, "req_19999");
  EXPECT_EQ(left.size(), 20'000 - left.front().number + 1);
}

TEST_F(UsageFileTest, numbers_are_never_used_twice) {
  add(0, 10);
  trim(WallTime{INT64_MAX}, UINT64_MAX);
  EXPECT_TRUE(rows().empty());
  open();
  EXPECT_EQ(file_->last_number(), 10u);
  add(20, 21);
  EXPECT_EQ(rows().front().number, 11u);
}

TEST_F(UsageFileTest, what_goes_untold_is_counted) {
  add(0, 10);
  EXPECT_EQ(trim(WallTime{kUsageEpoch + 4 * kUsageSecond}, UINT64_MAX, 3).untold, 1u);
  EXPECT_EQ(trim(WallTime{INT64_MAX}, UINT64_MAX).untold, 0u);
}

TEST_F(UsageFileTest, new_reporter_begins_with_what_comes_from_now_on) {
  EXPECT_EQ(file_->told("first"), 0u);
  add(0, 5);
  EXPECT_EQ(file_->told("first"), 0u);
  EXPECT_EQ(file_->told("second"), 5u);
  ASSERT_TRUE(file_->set_told("first", 3));
  open();
  EXPECT_EQ(file_->told("first"), 3u);
  EXPECT_EQ(rows(3, 1).front().number, 4u);
}

TEST_F(UsageFileTest, locked_file_says_so_and_takes_the_records_later) {
  auto other = store::SqliteDb::open(folder_.file(), {.is_exclusive = false});
  ASSERT_TRUE(other);
  {
    auto transaction = (*other)->begin();
    ASSERT_TRUE(transaction);
    const std::vector<std::string> bytes = {usage_bytes(usage_record(1))};
    const auto added = file_->add(bytes);
    ASSERT_FALSE(added);
    EXPECT_TRUE(added.error().contains("locked by another program")) << added.error();
  }
  EXPECT_EQ(add(1, 2), 1u);
}

}  // namespace
}  // namespace sluice::control
