#include <sluice/base/byte_budget.h>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ByteBudget, refuses_what_would_pass_the_ceiling_and_takes_nothing) {
  ByteBudget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_EQ(budget.used(), 60u);
  EXPECT_TRUE(budget.take(40));
}

TEST(BudgetShare, gives_back_when_it_dies_and_moves_once) {
  ByteBudget budget(100);
  {
    BudgetShare share(budget);
    ASSERT_TRUE(share.try_resize(80));
    BudgetShare moved = std::move(share);
    EXPECT_EQ(budget.used(), 80u);
    EXPECT_FALSE(moved.try_resize(101));
    EXPECT_EQ(moved.bytes(), 80u);
    moved.resize(30);
    EXPECT_EQ(budget.used(), 30u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(ByteBudget, a_lower_ceiling_refuses_until_enough_came_back) {
  ByteBudget budget(100);
  ASSERT_TRUE(budget.take(90));
  budget.set_ceiling(50);
  EXPECT_FALSE(budget.take(1));
  budget.give_back(60);
  EXPECT_TRUE(budget.take(20));
}

}  // namespace
}  // namespace sluice
