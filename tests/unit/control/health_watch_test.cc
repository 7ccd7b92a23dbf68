#include <sluice/control/health_watch.h>

#include <gtest/gtest.h>

#include <sluice/control/run_to_end.h>

#include "sim_world.h"

namespace sluice::control {
namespace {

using metrics::HealthOutcome;
using support::sim_address;
using support::SimPeer;

class HealthWatchTest : public testing::Test {
 protected:
  static constexpr const char* kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

  HealthWatchTest() {
    world_.serve(address(), [this]() -> SimPeer& {
      SimPeer& peer = world_.adopt();
      peer.when_bytes = [this, &peer](std::string_view bytes) {
        request_ += bytes;
        if (!answer_.empty()) peer.send(answer_);
      };
      peer.when_ended = [&peer] { peer.close(); };
      ++connections_;
      return peer;
    });
    config::Upstream& upstream = snapshot_.upstreams.emplace_back();
    upstream.name = "one";
    upstream.endpoint = {.host = "10.0.1.1", .port = 8000, .authority = "10.0.1.1:8000"};
    upstream.credential = {"authorization", "Bearer s"};
    upstream.private_addresses = true;
    upstream.health = config::HealthCheck{
        .interval = seconds(10), .timeout = seconds(1), .unhealthy_after = 2, .healthy_after = 2};
    const std::vector<std::string_view> names = {"one"};
    cells_ = registry_.bind({}, names);
  }
  ~HealthWatchTest() override {
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
    EXPECT_EQ(watch_.running_count(), 0u);
  }
  static net::Address address() { return sim_address("10.0.1.1", 8000); }
  Task<void> end(bool* is_over) {
    co_await watch_.end();
    *is_over = true;
  }
  void follow() {
    book_.follow(snapshot_);
    watch_.follow(snapshot_, {{address()}}, {});
  }
  // As the control thread's loop does.
  void pass(Duration duration) {
    for (const MonoTime until = ring_.now() + duration; ring_.now() < until;) {
      watch_.tick();
      ASSERT_TRUE(world_.run_for(ring_, milliseconds(100)));
    }
  }
  uint64_t count(HealthOutcome outcome) {
    return registry_.upstream_watch("one").health_checks[outcome].value();
  }
  bool is_down() { return book_.orders("one")->is_down; }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  config::Snapshot snapshot_;
  metrics::Registry registry_{1};
  NullLogger log_;
  DeploymentBook book_{registry_, log_};
  HealthWatch watch_{ring_, registry_, book_, log_};
  std::vector<metrics::SnapshotCells> cells_;
  std::string answer_ = kOk;
  std::string request_;
  int connections_ = 0;
};

TEST_F(HealthWatchTest, checks_come_once_in_an_interval_and_keep_a_good_server_up) {
  follow();
  pass(seconds(60));
  EXPECT_GE(count(HealthOutcome::kPassed), 5u);
  EXPECT_LE(count(HealthOutcome::kPassed), 7u);
  EXPECT_FALSE(is_down());
  EXPECT_TRUE(request_.starts_with("GET /health HTTP/1.1\r\nhost: 10.0.1.1:8000\r\n")) << request_;
  EXPECT_TRUE(request_.contains("authorization: Bearer s\r\n"));
}

TEST_F(HealthWatchTest, refusals_take_it_down_and_passed_checks_bring_it_back) {
  answer_ = "HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n";
  follow();
  pass(seconds(5));
  EXPECT_EQ(count(HealthOutcome::kRefused), 1u);
  EXPECT_FALSE(is_down());
  pass(seconds(10));
  EXPECT_TRUE(is_down());
  EXPECT_EQ(registry_.upstream_watch("one").is_down.value(), 1);
  answer_ = kOk;
  pass(seconds(23));
  EXPECT_FALSE(is_down());
  EXPECT_EQ(registry_.upstream_watch("one").is_down.value(), 0);
}

TEST_F(HealthWatchTest, silence_and_a_body_that_does_not_end_are_timeouts) {
  answer_.clear();
  follow();
  pass(seconds(5));
  EXPECT_EQ(count(HealthOutcome::kTimeout), 1u);
  answer_ = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}";
  pass(seconds(10));
  EXPECT_EQ(count(HealthOutcome::kTimeout), 2u);
  EXPECT_TRUE(is_down());
}

TEST_F(HealthWatchTest, no_address_a_lost_connection_and_nonsense_are_unreachable) {
  follow();
  watch_.set_addresses("one", {});
  pass(seconds(5));
  EXPECT_EQ(count(HealthOutcome::kUnreachable), 1u);
  watch_.set_addresses("one", {address()});
  answer_ = "SSH-2.0-x\r\n";
  pass(seconds(11));
  EXPECT_EQ(count(HealthOutcome::kUnreachable), 2u);
  EXPECT_TRUE(is_down());
}

TEST_F(HealthWatchTest, an_answer_without_bounds_passes_by_its_head) {
  answer_ = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  follow();
  pass(seconds(5));
  answer_ = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
  pass(seconds(10));
  EXPECT_EQ(count(HealthOutcome::kPassed), 2u);
  answer_ = "HTTP/1.1 200 OK\r\nx: " + std::string(20'000, 'a') + "\r\n\r\n";
  pass(seconds(10));
  EXPECT_EQ(count(HealthOutcome::kUnreachable), 1u);
}

TEST_F(HealthWatchTest, a_model_is_asked_for_one_token) {
  snapshot_.upstreams[0].health->model = "small";
  snapshot_.upstreams[0].endpoint.base_path = "/proxy/v1";
  snapshot_.upstreams[0].endpoint.has_version = true;
  follow();
  pass(seconds(5));
  EXPECT_TRUE(request_.starts_with("POST /proxy/v1/chat/completions HTTP/1.1\r\n")) << request_;
  EXPECT_TRUE(request_.contains("{\"model\":\"small\",")) << request_;
  EXPECT_TRUE(request_.ends_with("\"max_tokens\":1}")) << request_;
  EXPECT_EQ(count(HealthOutcome::kPassed), 1u);
}

TEST_F(HealthWatchTest, traffic_that_goes_well_takes_the_place_of_checks) {
  follow();
  for (int second = 0; second < 60; ++second) {
    cells_[0].upstreams[0]->attempts[metrics::AttemptOutcome::kOk].add();
    pass(seconds(1));
  }
  EXPECT_LE(connections_, 1) << "the first may come before any traffic was seen";
  for (int second = 0; second < 60; ++second) {
    cells_[0].upstreams[0]->attempts[metrics::AttemptOutcome::kOk].add();
    cells_[0].upstreams[0]->attempts[metrics::AttemptOutcome::kTimeout].add();
    pass(seconds(1));
  }
  EXPECT_GE(connections_, 5);
}

TEST_F(HealthWatchTest, state_survives_a_reload_to_the_same_place_only) {
  answer_ = "HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n";
  follow();
  pass(seconds(15));
  ASSERT_TRUE(is_down());
  follow();
  EXPECT_TRUE(is_down());
  snapshot_.upstreams[0].endpoint.port = 8001;
  follow();
  EXPECT_FALSE(is_down());
  pass(seconds(15));
  ASSERT_TRUE(is_down());
  snapshot_.upstreams[0].health.reset();
  follow();
  EXPECT_FALSE(is_down());
}

TEST_F(HealthWatchTest, ending_cuts_a_check_that_runs) {
  answer_.clear();
  follow();
  pass(seconds(1));
  watch_.tick();
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(100)));
  // The destructor waits for the end; nothing may be counted after it.
}

TEST_F(HealthWatchTest, only_so_many_run_at_once) {
  answer_.clear();
  const config::Upstream first = snapshot_.upstreams[0];
  snapshot_.upstreams.clear();
  std::vector<std::vector<net::Address>> addresses;
  for (int i = 0; i < 100; ++i) {
    snapshot_.upstreams.push_back(first);
    snapshot_.upstreams.back().name = "u" + std::to_string(i);
    snapshot_.upstreams.back().health->timeout = seconds(5);
    addresses.push_back({address()});
  }
  book_.follow(snapshot_);
  watch_.follow(snapshot_, addresses, {});
  pass(milliseconds(1500));
  EXPECT_EQ(watch_.running_count(), HealthWatch::kChecksAtOnce);
  EXPECT_EQ(connections_, static_cast<int>(HealthWatch::kChecksAtOnce));
}

}  // namespace
}  // namespace sluice::control
