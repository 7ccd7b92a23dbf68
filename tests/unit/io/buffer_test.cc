#include <sluice/io/buffer.h>

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <utility>
#include <vector>

namespace sluice::io {
namespace {

// Takes note of what is provided; waits for nothing.
class ProvidingKernel final : public Kernel {
 public:
  void submit(const Submission&) override {}
  size_t wait(std::optional<Duration>, std::span<KernelCompletion>) override { return 0; }
  void provide_buffer(uint16_t id, char* address, uint32_t length) override {
    EXPECT_TRUE(ids.insert(id).second) << "provided twice: " << id;
    lengths.insert(length);
    lowest = std::min(lowest, address);
    ++waiting;
  }
  void commit_buffers() override {
    committed += std::exchange(waiting, 0);
    ++commits;
  }
  KernelFigures figures() const override { return {}; }

  // The kernel fills the lowest id.
  uint16_t consume() {
    const uint16_t id = *ids.begin();
    ids.erase(ids.begin());
    --committed;
    return id;
  }

  std::set<uint16_t> ids;
  std::set<uint32_t> lengths;
  char* lowest = reinterpret_cast<char*>(UINTPTR_MAX);
  uint32_t waiting = 0, committed = 0, commits = 0;
};

TEST(BufferPool, provides_the_hot_buffers_64_bytes_short) {
  ProvidingKernel kernel;
  const BufferPool pool(kernel, {.hot = 256, .most = 4096});
  EXPECT_EQ(kernel.committed, 256u);
  EXPECT_EQ(kernel.lengths, std::set<uint32_t>{16 * 1024 - 64});
  EXPECT_EQ(pool.available(), 256u);
}

TEST(BufferPool, a_dead_buffer_goes_back_at_the_next_commit) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  const uint16_t id = kernel.consume();
  {
    const Buffer buffer = pool.adopt(id, 100);
    EXPECT_EQ(buffer.bytes().size(), 100u);
    EXPECT_EQ(pool.in_use(), 1u);
    EXPECT_EQ(pool.available(), 63u);
  }
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(pool.available(), 63u);
  pool.commit();
  EXPECT_EQ(pool.available(), 64u);
  EXPECT_EQ(kernel.committed, 64u);
}

TEST(BufferPool, commit_without_anything_to_give_back_calls_nobody) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  const uint32_t commits = kernel.commits;
  pool.commit();
  EXPECT_EQ(kernel.commits, commits);
}

TEST(BufferPool, moving_hands_the_ownership_on_exactly_once) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  Buffer first = pool.adopt(kernel.consume(), 10);
  Buffer second = pool.adopt(kernel.consume(), 20);
  Buffer moved = std::move(first);
  EXPECT_FALSE(first.is_held());
  EXPECT_TRUE(first.is_empty());
  moved = std::move(second);  // Gives the first one back.
  EXPECT_EQ(pool.in_use(), 1u);
  EXPECT_EQ(moved.bytes().size(), 20u);
  Buffer& same = moved;
  moved = std::move(same);
  EXPECT_EQ(pool.in_use(), 1u);
  moved.release();
  moved.release();
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(BufferPool, narrowing_keeps_the_memory_held) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  Buffer buffer = pool.adopt(kernel.consume(), 10);
  buffer.remove_prefix(10);
  EXPECT_TRUE(buffer.is_empty());
  EXPECT_TRUE(buffer.is_held());
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST(BufferPool, grows_by_slabs_up_to_the_ceiling_and_no_further) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 128, .most = 512});
  uint32_t grown = 0;
  while (pool.grow()) ++grown;
  pool.commit();
  EXPECT_EQ(grown, 3u);
  EXPECT_EQ(pool.total(), 512u);
  EXPECT_EQ(kernel.committed, 512u);
  EXPECT_FALSE(pool.grow());
}

TEST(BufferPool, a_ceiling_below_one_slab_holds) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 8, .most = 8});
  EXPECT_EQ(kernel.committed, 8u);
  EXPECT_FALSE(pool.grow());
  EXPECT_EQ(pool.total(), 8u);
}

TEST(BufferPool, sixty_four_bytes_behind_the_end_are_readable) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  const Buffer full = pool.adopt(kernel.consume(), BufferPool::kUsableBytes);
  std::vector<char> copy(full.bytes().size() + BufferPool::kOverread);
  std::memcpy(copy.data(), full.bytes().data(), copy.size());  // The sanitizer looks on.
  EXPECT_EQ(copy.size(), BufferPool::kBufferBytes);
}

TEST(BufferPool, spares_are_used_again_and_counted_apart) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  Buffer spare = pool.take_spare();
  ASSERT_TRUE(spare.is_held());
  char* const memory = spare.spare_data();
  std::memset(memory, 'x', BufferPool::kSpareUsableBytes);
  spare.set_spare_length(BufferPool::kSpareUsableBytes);
  spare.remove_prefix(BufferPool::kSpareUsableBytes - 1);
  EXPECT_EQ(pool.in_use(), 0u);
  spare.release();
  Buffer again = pool.take_spare();
  EXPECT_EQ(again.spare_data(), memory);
  EXPECT_TRUE(again.is_empty());
}

TEST(BufferPool, many_spares_make_buffers_scarce) {
  ProvidingKernel kernel;
  BufferPool pool(kernel, {.hot = 64, .most = 64});
  std::vector<Buffer> spares;
  for (int i = 0; i < 16; ++i) spares.push_back(pool.take_spare());
  EXPECT_FALSE(pool.is_scarce());
  spares.push_back(pool.take_spare());
  EXPECT_TRUE(pool.is_scarce());
  spares.pop_back();
  EXPECT_FALSE(pool.is_scarce());
}

}  // namespace
}  // namespace sluice::io
