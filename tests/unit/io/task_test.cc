#include <sluice/io/task.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include <sluice/io/event.h>

#include "counted_new.h"

namespace sluice::io {
namespace {

using support::allocations;

Task<int> give(int value) { co_return value; }

Task<int> add(int a, int b) {
  const int left = co_await give(a);
  const int right = co_await give(b);
  co_return left + right;
}

Task<void> store(int* result) { *result = co_await add(40, 2); }

TEST(Task, values_pass_through_nested_tasks) {
  int result = 0;
  start_detached(store(&result));
  EXPECT_EQ(result, 42);
}

Task<void> mark(bool* started) {
  *started = true;
  co_return;
}

TEST(Task, does_not_start_before_it_is_awaited) {
  bool started = false;
  {
    const Task<void> never_awaited = mark(&started);
  }
  EXPECT_FALSE(started);
}

Task<std::unique_ptr<std::string>> make_text() { co_return std::make_unique<std::string>("text"); }

Task<void> take_text(std::string* text) {
  const std::unique_ptr<std::string> made = co_await make_text();
  *text = *made;
}

TEST(Task, move_only_values_are_moved_out) {
  std::string text;
  start_detached(take_text(&text));
  EXPECT_EQ(text, "text");
}

Task<void> wait_then(Event* event, int* steps) {
  ++*steps;
  co_await first_of(event);
  ++*steps;
}

Task<void> wait_nested(Event* event, int* steps) {
  co_await wait_then(event, steps);
  ++*steps;
}

TEST(Task, an_inner_suspension_suspends_the_whole_chain) {
  ReadyQueue ready;
  Event event(ready);
  int steps = 0;
  start_detached(wait_nested(&event, &steps));
  EXPECT_EQ(steps, 1);
  event.trigger();
  EXPECT_EQ(steps, 1);
  EXPECT_FALSE(ready.run(10));
  EXPECT_EQ(steps, 3);
}

Task<void> loop(uint64_t rounds, uint64_t* sum, uintptr_t* lowest, uintptr_t* highest) {
  for (uint64_t i = 0; i < rounds; ++i) {
    const int value = co_await give(1);
    *sum += static_cast<uint64_t>(value);
    const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    *lowest = std::min(*lowest, here);
    *highest = std::max(*highest, here);
  }
}

TEST(Task, a_million_awaits_in_a_loop_do_not_grow_the_stack) {
  uint64_t sum = 0;
  uintptr_t lowest = UINTPTR_MAX, highest = 0;
  start_detached(loop(1'000'000, &sum, &lowest, &highest));
  EXPECT_EQ(sum, 1'000'000u);
  EXPECT_LT(highest - lowest, 4096u);
}

Task<int> countdown(int depth) {
  if (depth == 0) co_return 0;
  const int below = co_await countdown(depth - 1);
  co_return below + 1;
}

Task<void> run_countdown(int depth, int* result) { *result = co_await countdown(depth); }

TEST(Task, a_chain_a_hundred_thousand_deep_unwinds_by_symmetric_transfer) {
  int result = 0;
  start_detached(run_countdown(100'000, &result));
  EXPECT_EQ(result, 100'000);
}

TEST(Task, frames_are_reused_so_that_a_warm_chain_allocates_nothing) {
  ReadyQueue ready;
  const auto run_once = [&ready] {
    Event event(ready);
    int steps = 0, result = 0;
    start_detached(wait_nested(&event, &steps));
    start_detached(store(&result));
    event.trigger();
    ready.run(10);
    return steps + result;
  };
  EXPECT_EQ(run_once(), 45);
  const uint64_t before = allocations;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(run_once(), 45);
  EXPECT_EQ(allocations - before, 0u);
}

TEST(FramePool, frames_above_the_largest_class_come_from_the_heap_and_go_back) {
  const uint64_t before = allocations;
  void* large = FramePool::allocate(1 << 20);
  EXPECT_EQ(allocations - before, 1u);
  FramePool::release(large, 1 << 20);
  void* small = FramePool::allocate(100);
  FramePool::release(small, 100);
  void* same_class = FramePool::allocate(128);
  EXPECT_EQ(small, same_class);
  FramePool::release(same_class, 128);
}

}  // namespace
}  // namespace sluice::io
