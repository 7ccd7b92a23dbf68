#include <sluice/io/block_pool.h>

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

namespace sluice::io {
namespace {

TEST(BlockPool, a_taken_block_counts_in_the_budget_until_the_cache_is_dropped) {
  ByteBudget budget(1 << 20);
  BlockPool pool(budget);
  {
    Block block = pool.take(100);
    ASSERT_TRUE(block.is_held());
    EXPECT_EQ(block.capacity(), 4096u);
    EXPECT_EQ(budget.used(), 4096u);
  }
  EXPECT_EQ(budget.used(), 4096u);
  pool.drop_cache();
  EXPECT_EQ(budget.used(), 0u);
}

TEST(BlockPool, a_block_given_back_is_taken_again) {
  ByteBudget budget(1 << 20);
  BlockPool pool(budget);
  const char* first = pool.take(5000).data();
  Block second = pool.take(16 * 1024);
  EXPECT_EQ(second.data(), first);
  EXPECT_EQ(budget.used(), 16u * 1024);
}

TEST(BlockPool, refuses_what_the_budget_refuses_after_trying_its_cache) {
  ByteBudget budget(20 * 1024);
  BlockPool pool(budget);
  pool.take(4096).release();  // Cached, and in the way of the next one.
  const Block large = pool.take(20 * 1024 - 1);
  EXPECT_FALSE(large.is_held());  // A size class of 64 KiB does not fit at all.
  Block fits = pool.take(16 * 1024);
  EXPECT_TRUE(fits.is_held());
  pool.take(4096).release();
  EXPECT_FALSE(pool.take(8 * 1024).is_held());
  fits.release();
  EXPECT_TRUE(pool.take(8 * 1024).is_held());
}

TEST(BlockPool, blocks_above_the_largest_size_are_exact_and_not_kept) {
  ByteBudget budget(8 << 20);
  BlockPool pool(budget);
  {
    const Block block = pool.take((1 << 20) + 1);
    EXPECT_EQ(block.capacity(), (1u << 20) + 1);
    EXPECT_EQ(budget.used(), (1u << 20) + 1);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(BlockPool, growing_keeps_the_bytes_and_failing_changes_nothing) {
  ByteBudget budget(80 * 1024);
  BlockPool pool(budget);
  Block block = pool.take(4096);
  std::memcpy(block.data(), "kept", 4);
  ASSERT_TRUE(pool.grow(block, 4, 60'000));
  EXPECT_EQ(block.capacity(), 64u * 1024);
  EXPECT_EQ(std::memcmp(block.data(), "kept", 4), 0);
  const char* before = block.data();
  EXPECT_FALSE(pool.grow(block, 4, 200'000));
  EXPECT_EQ(block.data(), before);
  EXPECT_EQ(std::memcmp(block.data(), "kept", 4), 0);
}

TEST(BlockPool, sixty_four_bytes_behind_the_end_are_readable) {
  ByteBudget budget(1 << 20);
  BlockPool pool(budget);
  for (int round = 0; round < 2; ++round) {  // Fresh, then from the cache.
    Block block = pool.take(4096);
    std::memset(block.data(), 'x', block.capacity());
    std::vector<char> copy(block.capacity());
    std::memcpy(copy.data(), block.data() + BlockPool::kOverread, copy.size());
    EXPECT_EQ(copy.front(), 'x');
  }
}

}  // namespace
}  // namespace sluice::io
