#include <sluice/upstream/pool.h>

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "sim_world.h"

namespace sluice::upstream {
namespace {

using support::sim_address;
using support::SimPeer;

class PoolTest : public testing::Test {
 protected:
  static net::Address address() { return sim_address("10.0.1.1", 8000); }

  PoolTest() {
    world_.serve(address(), [this]() -> SimPeer& {
      SimPeer& peer = world_.adopt();
      peer.when_ended = [&peer] { peer.close(); };
      peers_.push_back(&peer);
      return peer;
    });
  }
  ~PoolTest() override {
    held_.clear();
    pool().close();
    EXPECT_TRUE(world_.run_until(ring_, [this] { return pool().is_empty(); }));
    EXPECT_EQ(cells_.connections_open.value(), 0);
    EXPECT_EQ(cells_.connections_idle.value(), 0);
  }

  Pool& pool() {
    if (!pool_) {
      pool_.emplace(ring_, limits_, cells_, reach_);
      pool_->set_addresses({address()});
    }
    return *pool_;
  }
  Task<void> dial(io::Event* gone) {
    Result<Lease> lease = co_await pool().dial(Deadline::after(ring_.now(), seconds(1)), gone);
    outcome_ = lease ? std::nullopt : std::optional(lease.error());
    if (lease) held_.push_back(std::move(*lease));
    is_dialled_ = true;
  }
  bool dial_one(io::Event* gone = nullptr) {
    is_dialled_ = false;
    io::start_detached(dial(gone));
    EXPECT_TRUE(world_.run_until(ring_, [this] { return is_dialled_; }));
    return !outcome_.has_value();
  }
  // Checks all in, in the order in which they were dialled.
  void give_all_back() {
    for (Lease& lease : held_) lease.check_in();
    held_.clear();
  }
  void pass(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  metrics::UpstreamCells cells_;
  config::PoolLimits limits_{
      .idle_max = 2, .idle_timeout = seconds(10), .age_max = seconds(60), .connections_max = 3};
  Reach reach_{.host = "upstream.test", .port = 8000, .private_addresses = true, .proxy = {}};
  std::optional<Pool> pool_;
  std::vector<SimPeer*> peers_;
  std::vector<Lease> held_;
  std::optional<Error> outcome_;
  bool is_dialled_ = false;
};

TEST_F(PoolTest, the_one_given_back_last_is_taken_first) {
  ASSERT_TRUE(dial_one() && dial_one());
  Connection* const second = &*held_[1];
  give_all_back();
  EXPECT_EQ(pool().idle_count(), 2u);
  Lease lease = pool().take_idle();
  ASSERT_TRUE(lease.is_held());
  EXPECT_EQ(&*lease, second);
  EXPECT_TRUE(lease->is_reused());
  EXPECT_EQ(pool().idle_count(), 1u);
  held_.push_back(std::move(lease));
}

TEST_F(PoolTest, a_fresh_connection_is_not_reused) {
  EXPECT_FALSE(pool().take_idle().is_held());
  ASSERT_TRUE(dial_one());
  EXPECT_FALSE(held_[0]->is_reused());
  EXPECT_EQ(cells_.connections_opened.value(), 1u);
}

TEST_F(PoolTest, above_idle_max_the_one_idle_for_longest_is_closed) {
  ASSERT_TRUE(dial_one() && dial_one() && dial_one());
  give_all_back();
  pass(milliseconds(10));
  EXPECT_EQ(pool().idle_count(), 2u);
  EXPECT_EQ(pool().open_count(), 2u);
  EXPECT_TRUE(peers_[0]->saw_end());
  EXPECT_FALSE(peers_[1]->saw_end() || peers_[2]->saw_end());
  EXPECT_EQ(cells_.idle_closed.value(), 1u);
}

TEST_F(PoolTest, with_idle_max_zero_none_is_kept) {
  limits_.idle_max = 0;
  ASSERT_TRUE(dial_one());
  give_all_back();
  pass(milliseconds(10));
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolTest, an_idle_connection_is_closed_after_idle_timeout) {
  ASSERT_TRUE(dial_one());
  give_all_back();
  pass(seconds(10) - milliseconds(5));
  EXPECT_EQ(pool().idle_count(), 1u);
  pass(milliseconds(20));
  EXPECT_EQ(pool().idle_count(), 0u);
  EXPECT_EQ(pool().open_count(), 0u);
  EXPECT_TRUE(peers_[0]->saw_end());
}

TEST_F(PoolTest, one_that_is_used_is_not_idle) {
  ASSERT_TRUE(dial_one());
  for (int i = 0; i < 5; ++i) {
    give_all_back();
    pass(seconds(8));
    Lease lease = pool().take_idle();
    ASSERT_TRUE(lease.is_held()) << i;
    held_.push_back(std::move(lease));
  }
}

TEST_F(PoolTest, above_age_max_a_connection_is_not_used_again) {
  ASSERT_TRUE(dial_one());
  pass(seconds(59));
  give_all_back();
  EXPECT_EQ(pool().idle_count(), 1u);
  pass(seconds(2));
  EXPECT_FALSE(pool().take_idle().is_held());
  ASSERT_TRUE(dial_one());
  pass(seconds(61));
  give_all_back();
  EXPECT_EQ(pool().idle_count(), 0u);
}

TEST_F(PoolTest, a_fin_takes_an_idle_connection_out) {
  ASSERT_TRUE(dial_one());
  give_all_back();
  peers_[0]->close();
  pass(milliseconds(10));
  EXPECT_EQ(pool().idle_count(), 0u);
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolTest, stray_bytes_take_an_idle_connection_out) {
  ASSERT_TRUE(dial_one());
  give_all_back();
  peers_[0]->send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  pass(milliseconds(10));
  EXPECT_FALSE(pool().take_idle().is_held());
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolTest, bytes_that_came_before_check_in_keep_a_connection_out) {
  ASSERT_TRUE(dial_one());
  peers_[0]->send("x");
  pass(milliseconds(10));
  give_all_back();
  EXPECT_EQ(pool().idle_count(), 0u);
  pass(milliseconds(10));
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolTest, at_connections_max_no_more_is_dialled) {
  ASSERT_TRUE(dial_one() && dial_one() && dial_one());
  EXPECT_FALSE(dial_one());
  EXPECT_EQ(outcome_->code, ErrorCode::kUpstreamConnect);
  EXPECT_EQ(outcome_->side, Side::kSelf);
  held_.pop_back();
  pass(milliseconds(10));
  EXPECT_TRUE(dial_one());
}

TEST_F(PoolTest, a_lease_that_is_dropped_cuts_its_connection) {
  ASSERT_TRUE(dial_one());
  held_.clear();
  pass(milliseconds(1));
  EXPECT_TRUE(peers_[0]->saw_end());
  EXPECT_EQ(pool().open_count(), 0u);
}

TEST_F(PoolTest, a_failed_dial_leaves_nothing_open) {
  pool().set_addresses({sim_address("10.0.1.9", 1)});
  EXPECT_FALSE(dial_one());
  EXPECT_EQ(outcome_->code, ErrorCode::kUpstreamConnect);
  pool().set_addresses({});
  EXPECT_FALSE(dial_one());
  EXPECT_EQ(pool().open_count(), 0u);
  EXPECT_EQ(cells_.connections_opened.value(), 0u);
}

TEST_F(PoolTest, d61_a_private_address_is_refused_at_connect_unless_allowed) {
  reach_.private_addresses = false;
  EXPECT_FALSE(dial_one());
  EXPECT_EQ(outcome_->code, ErrorCode::kUpstreamConnect);
  EXPECT_EQ(outcome_->side, Side::kSelf);
  EXPECT_EQ(outcome_->retry, Retry::kYes);
  EXPECT_EQ(outcome_->detail, "address not allowed");
  EXPECT_EQ(pool().open_count(), 0u);
  EXPECT_TRUE(peers_.empty());
}

TEST_F(PoolTest, d61_a_name_that_moves_to_metadata_is_refused_whatever_is_allowed) {
  ASSERT_TRUE(dial_one());
  pool().set_addresses({sim_address("169.254.169.254", 8000)});
  EXPECT_FALSE(dial_one());
  EXPECT_EQ(outcome_->detail, "address not allowed");
  // An address that may be dialled is, whatever else the name says.
  pool().set_addresses({sim_address("169.254.169.254", 8000), address()});
  EXPECT_TRUE(dial_one());
}

TEST_F(PoolTest, all_addresses_get_their_turn) {
  const net::Address other = sim_address("10.0.1.2", 8000);
  std::vector<SimPeer*> others;
  world_.serve(other, [&]() -> SimPeer& {
    SimPeer& peer = world_.adopt();
    peer.when_ended = [&peer] { peer.close(); };
    others.push_back(&peer);
    return peer;
  });
  limits_.connections_max = 10;
  pool().set_addresses({address(), other});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(dial_one());
  EXPECT_EQ(peers_.size(), 2u);
  EXPECT_EQ(others.size(), 2u);
}

TEST_F(PoolTest, closing_ends_idle_ones_and_those_that_come_back) {
  ASSERT_TRUE(dial_one() && dial_one());
  held_[0].check_in();
  held_.erase(held_.begin());
  pool().close();
  pass(milliseconds(10));
  EXPECT_TRUE(peers_[0]->saw_end());
  EXPECT_FALSE(peers_[1]->saw_end());
  EXPECT_FALSE(pool().is_empty());
  EXPECT_FALSE(dial_one());
  give_all_back();
  pass(milliseconds(10));
  EXPECT_TRUE(pool().is_empty());
}

TEST_F(PoolTest, a_stricter_reload_applies_to_the_next_check_in) {
  ASSERT_TRUE(dial_one() && dial_one());
  limits_.idle_max = 1;
  pool().set_limits(limits_);
  give_all_back();
  EXPECT_EQ(pool().idle_count(), 1u);
}

}  // namespace
}  // namespace sluice::upstream
