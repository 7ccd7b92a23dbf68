#include <sluice/io/offload.h>

#include <gtest/gtest.h>

#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/io/uring_kernel.h>

namespace sluice::io {
namespace {

class ReturnsHook final : public TurnHook {
 public:
  explicit ReturnsHook(OffloadReturns& returns) noexcept : returns_(returns) {}
  [[nodiscard]] bool has_work() const noexcept override { return returns_.has_work(); }
  void run() override { returns_.run(); }

 private:
  OffloadReturns& returns_;
};

struct OffloadTest : ::testing::Test {
  OffloadTest() { ring.set_hook(hook); }

  SystemSyscalls syscalls;
  SystemClock clock;
  std::unique_ptr<Kernel> kernel =
      open_uring_kernel({.submissions = 8, .completions = 64, .buffers_most = 64}).value();
  Ring ring{*kernel, syscalls, clock, {.hot = 64, .most = 64}};
  OffloadReturns returns{ring};
  ReturnsHook hook{returns};
};

struct Outcome {
  std::optional<std::string> value;
  std::thread::id job_thread, resumed_on;
  bool is_done = false;
};

Task<void> call(Lane* lane, OffloadReturns* returns, Outcome* outcome) {
  auto job = [outcome] {
    outcome->job_thread = std::this_thread::get_id();
    return std::string("from the lane");
  };
  outcome->value = co_await offload(*lane, *returns, job);
  outcome->resumed_on = std::this_thread::get_id();
  outcome->is_done = true;
  returns->ring().stop();
}

TEST_F(OffloadTest, the_job_runs_on_the_lane_and_the_caller_goes_on_on_its_ring) {
  Lane lane;
  Outcome outcome;
  start_detached(call(&lane, &returns, &outcome));
  EXPECT_FALSE(outcome.is_done);
  ring.run();
  ASSERT_TRUE(outcome.is_done);
  EXPECT_EQ(outcome.value, "from the lane");
  EXPECT_EQ(outcome.resumed_on, std::this_thread::get_id());
  EXPECT_NE(outcome.job_thread, std::this_thread::get_id());
}

TEST_F(OffloadTest, a_hanging_lane_stops_neither_the_ring_nor_another_lane) {
  std::binary_semaphore release(0);
  Lane hanging, other;
  ASSERT_TRUE(hanging.post([&release] { release.acquire(); }));
  Outcome stuck, quick;
  start_detached(call(&hanging, &returns, &stuck));
  start_detached(call(&other, &returns, &quick));
  ring.run();
  ASSERT_TRUE(quick.is_done);
  EXPECT_FALSE(stuck.is_done);
  release.release();
  ring.run();
  ASSERT_TRUE(stuck.is_done);
  EXPECT_EQ(stuck.value, "from the lane");
}

TEST_F(OffloadTest, a_full_lane_refuses_and_the_job_does_not_run) {
  std::binary_semaphore started(0), release(0);
  Lane lane;
  ASSERT_TRUE(lane.post([&] {
    started.release();
    release.acquire();
  }));
  started.acquire();
  for (size_t i = 0; i < Lane::kJobsMax; ++i) ASSERT_TRUE(lane.post([] {}));
  EXPECT_EQ(lane.waiting(), Lane::kJobsMax);
  Outcome outcome;
  start_detached(call(&lane, &returns, &outcome));
  EXPECT_TRUE(outcome.is_done);
  EXPECT_FALSE(outcome.value.has_value());
  EXPECT_EQ(outcome.job_thread, std::thread::id());
  release.release();
}

TEST(Lane, jobs_run_in_order_and_those_that_wait_are_finished_at_the_end) {
  std::vector<int> order;
  {
    Lane lane;
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(lane.post([&order, i] { order.push_back(i); }));
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace sluice::io
