// Wakes from other threads, on the real kernel.
#include <sluice/io/ring.h>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <sluice/base/clock.h>
#include <sluice/io/uring_kernel.h>

namespace sluice::io {
namespace {

// Counts what it was sent and answers each by its number.
class AnsweringHook final : public TurnHook {
 public:
  [[nodiscard]] bool has_work() const noexcept override {
    return sent.load(std::memory_order_acquire) != answered.load(std::memory_order_relaxed);
  }
  void run() override {
    answered.store(sent.load(std::memory_order_acquire), std::memory_order_release);
    answered.notify_one();
    if (answered.load(std::memory_order_relaxed) == last) ring->stop();
  }

  std::atomic<uint32_t> sent{0}, answered{0};
  uint32_t last = 0;
  Ring* ring = nullptr;
};

// Each round is sent only after the last was answered, so the loop falls asleep at ever other
// moments around the wake. A lost wake hangs the test.
void run_rounds(uint32_t rounds, uint32_t spins) {
  AnsweringHook hook;
  hook.last = rounds;
  std::atomic<Ring*> published{nullptr};
  std::thread loop([&] {
    auto kernel = open_uring_kernel({.submissions = 8, .completions = 64, .buffers_most = 64});
    ASSERT_TRUE(kernel.has_value()) << kernel.error();
    SystemSyscalls syscalls;
    SystemClock clock;
    Ring ring(**kernel, syscalls, clock, {.hot = 64, .most = 64});
    hook.ring = &ring;
    ring.set_hook(hook);
    published.store(&ring);
    published.notify_one();
    ring.run();
    ring.clear_hook();
    // The sender may still be inside wake() of the last round; it says when it is not.
    published.wait(&ring);
  });
  published.wait(nullptr);
  Ring& ring = *published.load();
  for (uint32_t round = 1; round <= rounds; ++round) {
    // Not a wait for anything: it moves the wake to another moment of the loop's turn.
    for (uint32_t i = 0; i < (spins == 0 ? 0 : round % spins); ++i) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    hook.sent.store(round, std::memory_order_release);
    ring.wake();
    for (uint32_t seen = hook.answered.load(); seen != round; seen = hook.answered.load()) {
      hook.answered.wait(seen);
    }
  }
  published.store(nullptr);
  published.notify_one();
  loop.join();
  EXPECT_EQ(hook.answered.load(), rounds);
}

TEST(RingWake, no_wake_of_another_thread_is_lost_in_ten_thousand_rounds) { run_rounds(10'000, 0); }

TEST(RingWake, no_wake_is_lost_when_it_comes_while_the_loop_falls_asleep) {
  run_rounds(10'000, 20'000);
}

TEST(Ring, a_loop_without_work_sleeps_until_its_timer) {
  auto kernel = open_uring_kernel({.submissions = 8, .completions = 64, .buffers_most = 64});
  ASSERT_TRUE(kernel.has_value()) << kernel.error();
  SystemSyscalls syscalls;
  SystemClock clock;
  Ring ring(**kernel, syscalls, clock, {.hot = 64, .most = 64});
  Timer timer(ring.ready(), ring.timers());
  const MonoTime deadline = ring.now() + milliseconds(20);
  timer.set({deadline});
  while (!timer.is_ready()) ring.turn();
  EXPECT_GE(clock.now(), deadline);
  EXPECT_LE(ring.figures().turns, 4u);
}

}  // namespace
}  // namespace sluice::io
