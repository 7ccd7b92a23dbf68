#include <sluice/control/stats_reconciler.h>

#include <gtest/gtest.h>

#include "sim_world.h"

namespace sluice::control {
namespace {

class FakeBoard final : public StatsBoard {
 public:
  explicit FakeBoard(io::Ring& ring) : ring_(ring) {}

  Task<Result<std::vector<GatewayText>>> swap(std::string own, Deadline deadline) override {
    written.push_back(std::move(own));
    if (is_lost) {
      io::Timer timer(ring_.ready(), ring_.timers());
      timer.set(deadline);
      co_await io::first_of(&timer);
      co_return fail(ErrorCode::kUpstreamTimeout, Side::kSelf, "it took too long");
    }
    co_return others;
  }

  std::vector<std::string> written;
  std::vector<GatewayText> others;
  bool is_lost = false;

 private:
  io::Ring& ring_;
};

class StatsReconcilerTest : public testing::Test {
 protected:
  StatsReconcilerTest() {
    config::Snapshot snapshot;
    snapshot.upstreams.emplace_back().name = "a";
    (void)registry_.bind({}, std::vector<std::string_view>{"a"});
    book_.follow(snapshot);
    reconciler_.start();
  }
  ~StatsReconcilerTest() override {
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }
  Task<void> end(bool* is_over) {
    co_await reconciler_.end();
    *is_over = true;
  }
  void pass(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  metrics::UpstreamCells& cells() { return *registry_.upstreams().find("a").by_shard[0]; }
  // What the first shard was told last.
  upstream::DeploymentNews news() {
    const auto updates = book_.merge(ring_.now());
    if (!updates.empty()) news_ = updates[0].news.at(0);
    return news_;
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 64}};
  metrics::Registry registry_{2};
  NullLogger log_;
  DeploymentBook book_{registry_, log_};
  FakeBoard board_{ring_};
  io::Event hurried_{ring_.ready()};
  upstream::DeploymentNews news_;
  StatsReconciler reconciler_{{ring_, board_, book_, hurried_}};
};

TEST_F(StatsReconcilerTest, d034_two_periods_and_two_calls_stay_below_a_second) {
  static_assert(2 * StatsReconciler::kPeriod + milliseconds(200) <= seconds(1));
  pass(seconds(4));
  EXPECT_GE(board_.written.size(), 10u);
  EXPECT_LE(board_.written.size(), 11u);
}

TEST_F(StatsReconcilerTest, ours_is_told_and_what_others_say_is_heard_but_not_told_on) {
  cells().in_flight.add();
  board_.others = {{"x", {}, encode_stats({{"a", {.in_flight = 5}}})}};
  pass(2 * StatsReconciler::kPeriod);
  EXPECT_TRUE(hurried_.is_ready());
  EXPECT_EQ(news().in_flight, 5u);
  pass(2 * StatsReconciler::kPeriod);
  EXPECT_EQ(board_.written.back(), encode_stats({{"a", {.in_flight = 1}}}));
}

TEST_F(StatsReconcilerTest, d034_without_the_board_the_others_are_dropped_after_three_seconds) {
  board_.others = {{"x", {}, encode_stats({{"a", {.in_flight = 5}}})}};
  pass(2 * StatsReconciler::kPeriod);
  ASSERT_EQ(news().in_flight, 5u);
  board_.is_lost = true;
  pass(seconds(2));
  EXPECT_EQ(news().in_flight, 5u);
  pass(milliseconds(1900));
  EXPECT_EQ(news().in_flight, 0u);
  board_.is_lost = false;
  pass(2 * StatsReconciler::kPeriod);
  EXPECT_EQ(news().in_flight, 5u);
}

}  // namespace
}  // namespace sluice::control
