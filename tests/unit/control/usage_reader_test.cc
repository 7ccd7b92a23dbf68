#include <gtest/gtest.h>

#include "../store/sqlite_folder.h"
#include "sim_clock.h"
#include "usage_file.h"
#include "usage_records.h"

namespace sluice::control {
namespace {

using Names = std::vector<std::string>;

class UsageReaderTest : public testing::Test {
 protected:
  UsageReaderTest() {
    file_ = std::move(*UsageFile::open(folder_.file()));
    reader_ = std::move(*UsageReader::open(folder_.file()));
    usage::SpendRecord other = usage_record(86'400);  // A day later.
    other.key = "batch";
    other.tenant = "";
    other.organisation = "org_1";
    other.team = "team_1";
    other.user = "user_1";
    other.model = "large";
    other.upstream = "west";
    other.cost_micro_dollars = 1'000;
    other.cached_tokens = 4;
    other.reasoning_tokens = 2;
    usage::SpendRecord failed = usage_record(86'401);
    failed.status = 503;
    failed.source = usage::SpendSource::kUnknown;
    failed.input_tokens.reset();
    failed.output_tokens.reset();
    failed.cost_micro_dollars = 0;
    usage::SpendRecord broken = usage_record(86'402);
    broken.error = ErrorCode::kUpstreamLost;
    broken.source = usage::SpendSource::kEstimated;
    add({usage_record(0), usage_record(1), other, failed, broken});
  }
  void add(const std::vector<usage::SpendRecord>& records) {
    std::vector<std::string> bytes;
    for (const usage::SpendRecord& record : records) bytes.push_back(usage_bytes(record));
    ASSERT_TRUE(file_->add(bytes));
  }
  UsageSums sums(UsageBy by, UsageFilter filter = {}) {
    auto sums = reader_->sums({by, std::move(filter)}, clock_, Deadline::never());
    EXPECT_TRUE(sums) << sums.error();
    return sums.value_or(UsageSums());
  }
  Names names(UsageBy by, UsageFilter filter = {}) {
    Names names;
    for (const UsageLine& line : sums(by, std::move(filter)).lines) names.push_back(line.name);
    return names;
  }
  UsagePage page(UsagePageQuestion question) {
    auto page = reader_->page(question, clock_, Deadline::never());
    EXPECT_TRUE(page) << page.error();
    return page.value_or(UsagePage());
  }

  store::SqliteFolder folder_;
  support::SimClock clock_;
  std::unique_ptr<UsageFile> file_;
  std::unique_ptr<UsageReader> reader_;
};

TEST_F(UsageReaderTest, sums_are_of_what_is_known_the_most_expensive_first) {
  const UsageSums by_key = sums(UsageBy::kKey);
  ASSERT_EQ(by_key.lines.size(), 2u);
  EXPECT_EQ(by_key.lines[0], (UsageLine{.name = "batch",
                                        .requests = 1,
                                        .input_tokens = 10,
                                        .output_tokens = 5,
                                        .cached_tokens = 4,
                                        .reasoning_tokens = 2,
                                        .micro_dollars = 1'000}));
  EXPECT_EQ(by_key.lines[1], (UsageLine{.name = "app",
                                        .requests = 4,
                                        .input_tokens = 30,
                                        .output_tokens = 15,
                                        .micro_dollars = 300,
                                        .errors = 2,
                                        .unknown = 2}));
  EXPECT_FALSE(by_key.has_more);
}

TEST_F(UsageReaderTest, sums_are_by_whatever_is_asked_for) {
  EXPECT_EQ(names(UsageBy::kTenant), (Names{"", "acme"}));
  EXPECT_EQ(names(UsageBy::kOrganisation), (Names{"org_1", ""}));
  EXPECT_EQ(names(UsageBy::kTeam), (Names{"team_1", ""}));
  EXPECT_EQ(names(UsageBy::kUser), (Names{"user_1", ""}));
  EXPECT_EQ(names(UsageBy::kModel), (Names{"large", "small"}));
  EXPECT_EQ(names(UsageBy::kDeployment), (Names{"west", "east"}));
  EXPECT_EQ(names(UsageBy::kDay), (Names{"2026-11-28", "2026-11-27"}));
}

TEST_F(UsageReaderTest, every_condition_holds) {
  EXPECT_EQ(names(UsageBy::kKey, {.key = "app"}), (Names{"app"}));
  EXPECT_EQ(names(UsageBy::kKey, {.tenant = "acme"}), (Names{"app"}));
  EXPECT_EQ(names(UsageBy::kKey, {.organisation = "org_1"}), (Names{"batch"}));
  EXPECT_EQ(names(UsageBy::kKey, {.team = "team_1"}), (Names{"batch"}));
  EXPECT_EQ(names(UsageBy::kKey, {.user = "user_1"}), (Names{"batch"}));
  EXPECT_EQ(names(UsageBy::kKey, {.model = "small"}), (Names{"app"}));
  EXPECT_EQ(names(UsageBy::kKey, {.key = "app", .model = "large"}), Names());
  EXPECT_EQ(names(UsageBy::kKey, {.key = "app' OR '1'='1"}), Names());
  const WallTime second{kUsageEpoch + kUsageSecond};
  EXPECT_EQ(sums(UsageBy::kKey, {.to = second}).lines.at(0).requests, 1u);
  EXPECT_EQ(sums(UsageBy::kTenant, {.from = second}).lines.at(1).requests, 3u);
}

TEST_F(UsageReaderTest, d004_what_is_out_of_scope_is_not_there_whatever_is_asked) {
  EXPECT_EQ(names(UsageBy::kKey, {.scope_organisation = "org_1"}), (Names{"batch"}));
  EXPECT_EQ(names(UsageBy::kKey, {.organisation = "org_1", .scope_organisation = "org_2"}),
            Names());
  EXPECT_EQ(names(UsageBy::kKey, {.team = "team_1", .scope_team = "team_2"}), Names());
  EXPECT_EQ(page({.filter = {.scope_team = "team_1"}}).rows.size(), 1u);
}

TEST_F(UsageReaderTest, pages_show_each_record_once_newest_first) {
  Names seen;
  UsagePageQuestion question{.most = 2};
  for (;;) {
    const UsagePage found = page(question);
    for (const UsageRow& row : found.rows) seen.push_back(row.request_id);
    if (!found.next) break;
    ASSERT_EQ(found.rows.size(), 2u);
    question.before = *found.next;
    add({usage_record(90'000 + seen.size())});  // Newer ones do not disturb.
  }
  EXPECT_EQ(seen, (Names{"req_86402", "req_86401", "req_86400", "req_1", "req_0"}));
}

TEST_F(UsageReaderTest, page_of_one_moment_is_complete) {
  std::vector<usage::SpendRecord> same;
  for (uint64_t number = 200'000; number < 200'005; ++number) {
    usage::SpendRecord record = usage_record(number);
    record.at = WallTime{kUsageEpoch + 10 * kUsageDay};
    same.push_back(record);
  }
  add(same);
  size_t count = 0;
  UsagePageQuestion question{.filter = {.from = same[0].at}, .most = 2};
  for (;;) {
    const UsagePage found = page(question);
    count += found.rows.size();
    if (!found.next) break;
    question.before = *found.next;
  }
  EXPECT_EQ(count, 5u);
}

TEST_F(UsageReaderTest, page_behind_a_record_that_is_gone_is_the_last) {
  const UsagePage first = page({.most = 3});
  ASSERT_TRUE(first.next);
  ASSERT_TRUE(file_->trim(WallTime{INT64_MAX}, UINT64_MAX, 0));
  EXPECT_TRUE(page({.before = *first.next}).rows.empty());
}

TEST_F(UsageReaderTest, more_lines_than_are_told_are_admitted) {
  std::vector<usage::SpendRecord> many;
  for (uint64_t number = 0; number < UsageSums::kLinesMost + 1; ++number) {
    usage::SpendRecord record = usage_record(300'000 + number);
    record.key = "key-" + std::to_string(number);
    many.push_back(record);
  }
  add(many);
  const UsageSums by_key = sums(UsageBy::kKey);
  EXPECT_EQ(by_key.lines.size(), UsageSums::kLinesMost);
  EXPECT_TRUE(by_key.has_more);
}

TEST_F(UsageReaderTest, question_that_takes_too_long_is_told_so_and_the_next_one_is_answered) {
  std::vector<usage::SpendRecord> many;
  for (uint64_t number = 0; number < 5'000; ++number)
    many.push_back(usage_record(300'000 + number));
  add(many);
  const auto late = reader_->sums({}, clock_, Deadline{clock_.now()});
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().contains("did not answer in time")) << late.error();
  EXPECT_EQ(names(UsageBy::kModel), (Names{"small", "large"}));
}

}  // namespace
}  // namespace sluice::control
