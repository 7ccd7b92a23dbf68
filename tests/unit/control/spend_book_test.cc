#include <sluice/control/spend_book.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using config::LimitWindow;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
// Thursday, 20 November 2025, noon UTC.
constexpr WallTime kNow{1'763'640'000'000'000};

WallTime days_ago(int days) { return {kNow.unix_us - days * kDayUs}; }

usage::SpendRecord settled(WallTime at, uint64_t cost, std::string_view key = "app",
                           std::string_view tenant = "acme") {
  usage::SpendRecord record;
  record.kind = usage::SpendKind::kSettled;
  record.source = usage::SpendSource::kReported;
  record.at = at;
  record.key = key;
  record.tenant = tenant;
  record.model = "small";
  record.input_tokens = 10;
  record.output_tokens = 20;
  record.cost_micro_dollars = cost;
  return record;
}

TEST(SpendBook, one_record_counts_for_key_tenant_and_model) {
  SpendBook book;
  book.add(settled(kNow, 7));
  const SpendSums expected{
      .requests = 1, .input_tokens = 10, .output_tokens = 20, .micro_dollars = 7};
  EXPECT_EQ(book.sums(SpendSubject::kKey, "app", LimitWindow::kDay, kNow), expected);
  EXPECT_EQ(book.sums(SpendSubject::kTenant, "acme", LimitWindow::kDay, kNow), expected);
  EXPECT_EQ(book.sums(SpendSubject::kModel, "small", LimitWindow::kDay, kNow), expected);
  EXPECT_EQ(book.sums(SpendSubject::kKey, "acme", LimitWindow::kDay, kNow), SpendSums{});
}

TEST(SpendBook, windows_follow_the_calendar) {
  SpendBook book;
  book.add(settled(kNow, 1));
  book.add(settled(days_ago(3), 10));     // Monday.
  book.add(settled(days_ago(4), 100));    // Sunday.
  book.add(settled(days_ago(19), 1000));  // The first of the month.
  book.add(settled(days_ago(20), 10000));
  const auto spent = [&book](LimitWindow window) {
    return book.spent(SpendSubject::kKey, "app", window, kNow);
  };
  EXPECT_EQ(spent(LimitWindow::kDay), 1u);
  EXPECT_EQ(spent(LimitWindow::kWeek), 11u);
  EXPECT_EQ(spent(LimitWindow::kMonth), 1111u);
  EXPECT_EQ(spent(LimitWindow::kTotal), 11111u);
}

TEST(SpendBook, d101_unpriced_and_unknown_requests_are_counted) {
  SpendBook book;
  usage::SpendRecord record = settled(kNow, 0);
  record.cost_micro_dollars.reset();
  record.source = usage::SpendSource::kUnknown;
  book.add(record);
  const SpendSums sums = book.sums(SpendSubject::kKey, "app", LimitWindow::kDay, kNow);
  EXPECT_EQ(sums.unpriced, 1u);
  EXPECT_EQ(sums.unknown, 1u);
}

TEST(SpendBook, tenants_count_those_below_them_whenever_they_spent) {
  SpendBook book;
  book.add(settled(kNow, 1, "a", "org"));
  book.add(settled(kNow, 10, "b", "team"));
  book.add(settled(kNow, 100, "c", "user"));
  book.add(settled(kNow, 1000, "d", "elsewhere"));
  const std::vector<config::Tenant> tenants = {{.name = "default"},
                                               {.name = "org"},
                                               {.name = "team", .parent = TenantId{1}},
                                               {.name = "user", .parent = TenantId{2}},
                                               {.name = "elsewhere"}};
  book.follow(tenants);
  const auto spent = [&book](std::string_view tenant) {
    return book.spent(SpendSubject::kTenant, tenant, LimitWindow::kMonth, kNow);
  };
  EXPECT_EQ(spent("org"), 111u);
  EXPECT_EQ(spent("team"), 110u);
  EXPECT_EQ(spent("user"), 100u);
  size_t left_out = 9;
  const auto lines = book.lines(SpendSubject::kTenant, LimitWindow::kMonth, kNow, 3, &left_out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].name, "elsewhere");
  EXPECT_EQ(lines[1].name, "org");
  EXPECT_EQ(lines[1].sums.micro_dollars, 111u);
  EXPECT_EQ(left_out, 1u);
}

TEST(SpendBook, days_are_bounded_and_the_total_is_not) {
  SpendBook book;
  for (int day = 200; day >= 0; --day) book.add(settled(days_ago(day), 1));
  book.add(settled(days_ago(150), 1));  // Older than all that are kept.
  EXPECT_EQ(book.spent(SpendSubject::kKey, "app", LimitWindow::kTotal, kNow), 202u);
  EXPECT_EQ(book.spent(SpendSubject::kKey, "app", LimitWindow::kMonth, kNow), 20u);
  std::vector<std::string> rows;
  book.write_rows(&rows);
  EXPECT_EQ(rows.size(), 3 * (1 + SpendBook::kDaysMost));
}

TEST(SpendBook, names_beyond_the_bound_share_one_line) {
  SpendBook book;
  for (size_t i = 0; i < SpendBook::kSubjectsMost + 10; ++i) {
    book.add(settled(kNow, 1, "key" + std::to_string(i)));
  }
  EXPECT_LE(book.size(), SpendBook::kSubjectsMost + 3);
  EXPECT_EQ(book.spent(SpendSubject::kKey, SpendBook::kOtherName, LimitWindow::kTotal, kNow), 12u);
}

TEST(SpendBook, sums_stay_at_their_greatest_value) {
  SpendBook book;
  book.add(settled(kNow, UINT64_MAX));
  book.add(settled(kNow, 5));
  EXPECT_EQ(book.spent(SpendSubject::kKey, "app", LimitWindow::kDay, kNow), UINT64_MAX);
  book.add(settled({INT64_MIN}, 5));
  book.add(settled({INT64_MAX}, 5));
}

TEST(SpendBook, rows_bring_all_of_it_back) {
  SpendBook book;
  book.add(settled(kNow, 1, "a", "org"));
  book.add(settled(days_ago(3), 10, "b", "team"));
  std::vector<std::string> rows;
  book.write_rows(&rows);
  SpendBook other;
  for (const std::string& row : rows) {
    EXPECT_TRUE(other.restore(row));
    EXPECT_FALSE(SpendBook().restore(row.substr(1)));
    EXPECT_FALSE(SpendBook().restore(row + "x"));
  }
  for (const auto window : {LimitWindow::kDay, LimitWindow::kWeek, LimitWindow::kTotal}) {
    EXPECT_EQ(other.sums(SpendSubject::kModel, "small", window, kNow),
              book.sums(SpendSubject::kModel, "small", window, kNow));
    EXPECT_EQ(other.sums(SpendSubject::kKey, "b", window, kNow),
              book.sums(SpendSubject::kKey, "b", window, kNow));
  }
}

}  // namespace
}  // namespace sluice::control
