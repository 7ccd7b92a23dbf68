#include "door.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::server {
namespace {

using metrics::AcceptPause;
using metrics::RefusedConnection;

Ipv6Bytes address(uint8_t last) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last};
}

class DoorTest : public ::testing::Test {
 protected:
  DoorTest() {
    config_.limits.connections_per_address = 2;
    config_.tls.emplace().handshakes_per_address = 3;
  }

  Arrival peer(uint8_t last) {
    return Arrival{.pass = {}, .peer = address(last), .has_asked_peer = true};
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {}};
  ByteBudget budget_{1'000'000};
  io::BlockPool blocks_{budget_};
  metrics::ShardCells cells_;
  support::KeptLines log_;
  net::AddressCounts addresses_;
  config::Snapshot config_;
  Door door_{{.ring = ring_,
              .blocks = blocks_,
              .budget = budget_,
              .cells = cells_,
              .log = log_,
              .addresses = &addresses_,
              .descriptors_max = 1'000}};
};

TEST_F(DoorTest, an_address_keeps_its_limit_until_a_connection_ends) {
  Arrival first = peer(1), second = peer(1), third = peer(1);
  EXPECT_FALSE(door_.let_in_peer(config_, first));
  EXPECT_FALSE(door_.let_in_peer(config_, second));
  EXPECT_EQ(door_.let_in_peer(config_, third), RefusedConnection::kAddress);
  EXPECT_EQ(cells_.connections_refused[RefusedConnection::kAddress].value(), 1u);
  Arrival other = peer(2);
  EXPECT_FALSE(door_.let_in_peer(config_, other));
  first.pass = {};
  EXPECT_FALSE(door_.let_in_peer(config_, third));
}

TEST_F(DoorTest, a_refused_handshake_counts_as_no_connection) {
  config_.limits.connections_per_address = 1;
  for (int i = 0; i < 3; ++i) {
    Arrival arrival = peer(1);
    EXPECT_FALSE(door_.let_in_peer(config_, arrival)) << i;
  }
  Arrival late = peer(1);
  EXPECT_EQ(door_.let_in_peer(config_, late), RefusedConnection::kHandshakes);
  EXPECT_FALSE(late.pass);
  config_.tls.reset();
  EXPECT_FALSE(door_.let_in_peer(config_, late));
}

TEST_F(DoorTest, trusted_proxies_and_unknown_peers_have_no_limit) {
  config_.limits.connections_per_address = 1;
  config_.trusted_proxies.push_back({.prefix = address(7), .bits = 128});
  std::vector<Arrival> arrivals;
  for (int i = 0; i < 5; ++i) {
    arrivals.push_back(peer(7));
    EXPECT_FALSE(door_.let_in_peer(config_, arrivals.back()));
    arrivals.emplace_back();
    EXPECT_FALSE(door_.let_in_peer(config_, arrivals.back()));
  }
}

TEST_F(DoorTest, descriptors_that_run_low_pause_before_they_are_gone) {
  EXPECT_FALSE(door_.find_shortage(935));
  EXPECT_EQ(door_.find_shortage(936), AcceptPause::kDescriptors);
  EXPECT_EQ(door_.find_shortage(-EMFILE), AcceptPause::kDescriptors);
  EXPECT_EQ(door_.find_shortage(-ENOBUFS), AcceptPause::kMemory);
  EXPECT_EQ(cells_.accept_pauses[AcceptPause::kDescriptors].value(), 2u);
  EXPECT_EQ(cells_.accept_pauses[AcceptPause::kMemory].value(), 1u);
}

TEST_F(DoorTest, a_budget_that_is_nearly_spent_pauses_and_a_cache_does_not) {
  ASSERT_TRUE(budget_.take(900'001));
  EXPECT_EQ(door_.find_shortage(20), AcceptPause::kMemory);
  EXPECT_TRUE(door_.is_short(AcceptPause::kMemory));
  budget_.give_back(900'001);
  EXPECT_FALSE(door_.is_short(AcceptPause::kMemory));
  ASSERT_TRUE(budget_.take(890'000));
  blocks_.take(16 * 1024).release();  // Kept for reuse, and counted.
  ASSERT_TRUE(door_.is_short(AcceptPause::kMemory));
  EXPECT_FALSE(door_.find_shortage(20));
  budget_.give_back(890'000);
}

TEST_F(DoorTest, a_shortage_is_told_once_a_minute) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(door_.find_shortage(-EMFILE));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("LimitNOFILE"), std::string::npos);
}

}  // namespace
}  // namespace sluice::server
