#include <sluice/control/budget_seed.h>

#include <gtest/gtest.h>

#include <sluice/limit/subjects.h>

#include "sim_clock.h"

namespace sluice::control {
namespace {

constexpr WallTime kWall{1'700'000'000'000'000};
constexpr MonoTime kNow{seconds(50)};

config::Snapshot make_snapshot() {
  config::Snapshot snapshot;
  snapshot.limit_rules = {{.name = "day",
                           .measure = config::LimitMeasure::kMicroDollars,
                           .most = 1'000'000,
                           .window = config::LimitWindow::kDay},
                          {.name = "requests", .most = 5, .length = seconds(60)}};
  snapshot.tenants = {{.name = "default"}};
  snapshot.keys.resize(2);
  snapshot.keys[0].name = "spent";
  snapshot.keys[0].limits = {LimitId{0}, LimitId{1}};
  snapshot.keys[1].name = "fresh";
  snapshot.keys[1].limits = {LimitId{0}};
  return snapshot;
}

TEST(BudgetSeed, a_budget_begins_with_what_was_spent_and_once_only) {
  const config::Snapshot snapshot = make_snapshot();
  const auto banks =
      std::move(*limit::BankTable::make({.subjects_max = 64, .now = kNow, .wall = kWall}));
  SpendBook book;
  book.follow(snapshot.tenants);
  usage::SpendRecord record{.at = kWall, .kind = usage::SpendKind::kSettled};
  record.key.assign("spent");
  record.tenant.assign("default");
  record.cost_micro_dollars = 300'000;
  book.add(record);
  seed_budgets(snapshot, book, *banks, kWall, kNow);
  seed_budgets(snapshot, book, *banks, kWall, kNow);
  limit::Bank* const bank = banks->find(limit::key_of(snapshot.limit_rules[0], "spent"));
  ASSERT_NE(bank, nullptr);
  EXPECT_EQ(bank->room(banks->clock().at(kNow)), 700'000);
  EXPECT_EQ(banks->find(limit::key_of(snapshot.limit_rules[0], "fresh")), nullptr);
  EXPECT_EQ(banks->find(limit::key_of(snapshot.limit_rules[1], "spent")), nullptr);
  EXPECT_EQ(banks->in_use(), 1u);
}

TEST(BudgetSeed, keys_of_the_store_and_their_owners_begin_with_what_they_spent) {
  const config::LimitRule day{.name = "key/budget_per_day",
                              .measure = config::LimitMeasure::kMicroDollars,
                              .most = 1'000'000,
                              .window = config::LimitWindow::kDay};
  support::SimClock clock;
  const auto banks = std::move(
      *limit::BankTable::make({.subjects_max = 64, .now = clock.now(), .wall = clock.wall()}));
  SpendBook book;
  usage::SpendRecord record{.at = clock.wall(), .kind = usage::SpendKind::kSettled};
  record.key.assign("key_1");
  record.tenant.assign("team_1");
  record.team.assign("team_1");
  record.organisation.assign("org_1");
  record.cost_micro_dollars = 300'000;
  book.add(record);

  auth::KeyRecord key;
  key.id = "key_1";
  key.team = "team_1";
  key.limits = {day};
  auth::Owner organisation{.level = auth::OwnerLevel::kOrganisation, .id = "org_1"};
  organisation.limits = {day};
  auth::DirectoryBuilder builder;
  builder.add(organisation);
  builder.add(key);
  const auth::IndexPtr index = builder.finish();
  StoredBudgetSeed seed(book, *banks, clock);
  const auto room = [&](std::string_view subject) {
    limit::Bank* const bank = banks->find(limit::key_of(day, subject));
    return bank == nullptr ? -1 : bank->room(banks->clock().at(clock.now()));
  };
  seed.seed_all(auth::Directory(index.get(), nullptr, 1));
  EXPECT_EQ(room("key_1"), 700'000);
  EXPECT_EQ(room("org_1"), 700'000);
  EXPECT_EQ(room("team_1"), -1);
  // A budget that a change brings begins with what was spent, too.
  auth::Owner team{.id = "team_1"};
  team.limits = {day};
  seed.before_change({.owners = {team}});
  EXPECT_EQ(room("team_1"), 700'000);
}

}  // namespace
}  // namespace sluice::control
