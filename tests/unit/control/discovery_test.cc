#include <sluice/control/discovery.h>

#include <gtest/gtest.h>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::control {
namespace {

class FakeNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    ++questions;
    if (addresses.empty()) co_return std::unexpected("cannot resolve " + host);
    net::NameAnswer answer;
    for (const char* address : addresses) {
      answer.addresses.push_back(*net::parse_address(address, port));
    }
    co_return answer;
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return records;
  }
  Task<void> end() override { co_return; }

  std::vector<const char*> addresses;
  std::vector<net::ServiceRecord> records;
  int questions = 0;
};

class DiscoveryTest : public testing::Test {
 protected:
  ~DiscoveryTest() override {
    io::start_detached(discovery_.end());
    EXPECT_TRUE(world_.run_for(ring_, milliseconds(10)));
  }
  void follow(config::Discovery settings) {
    settings.group = "fleet";
    snapshot_.discovery = {std::move(settings)};
    discovery_.follow(snapshot_);
  }
  void look() {
    discovery_.tick();
    ASSERT_TRUE(world_.run_for(ring_, milliseconds(20)));
  }
  void wait(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  [[nodiscard]] std::vector<std::string> hosts(const config::Members& members) const {
    std::vector<std::string> found;
    for (const config::Member& member : members.at(0).members) {
      found.push_back(member.host + ":" + std::to_string(member.port));
    }
    return found;
  }
  using Hosts = std::vector<std::string>;

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 16}};
  io::Lane lane_;
  io::OffloadReturns returns_{ring_};
  FakeNames names_;
  metrics::Registry registry_{1};
  support::KeptLines log_;
  config::Snapshot snapshot_;
  Discovery discovery_{ring_, lane_, returns_, names_, registry_, log_};
};

TEST_F(DiscoveryTest, every_address_of_a_name_is_a_member) {
  names_.addresses = {"10.0.0.2", "10.0.0.1", "fd00::1"};
  follow({.kind = config::DiscoveryKind::kDns, .target = "pods.example", .port = 8000});
  EXPECT_FALSE(discovery_.is_load_due());
  look();
  ASSERT_TRUE(discovery_.is_load_due());
  EXPECT_EQ(hosts(discovery_.begin_load()),
            (Hosts{"10.0.0.1:8000", "10.0.0.2:8000", "fd00::1:8000"}));
  EXPECT_FALSE(discovery_.is_load_due());
  EXPECT_EQ(registry_.group("fleet").members.value(), 3);
}

TEST_F(DiscoveryTest, of_srv_records_those_that_are_used_first) {
  names_.records = {{.host = "b", .port = 2, .priority = 1, .weight = 5},
                    {.host = "a", .port = 1, .priority = 1, .weight = 0},
                    {.host = "spare", .port = 3, .priority = 9}};
  follow({.kind = config::DiscoveryKind::kSrv, .target = "_a._tcp.example"});
  look();
  const config::Members members = discovery_.begin_load();
  EXPECT_EQ(hosts(members), (Hosts{"a:1", "b:2"}));
  EXPECT_EQ(members[0].members[0].weight, 1u);
  EXPECT_EQ(members[0].members[1].weight, 5u);
}

TEST_F(DiscoveryTest, a_source_that_fails_keeps_its_members_and_warns_once) {
  names_.addresses = {"10.0.0.1"};
  follow({.kind = config::DiscoveryKind::kDns, .target = "p", .port = 1, .interval = seconds(1)});
  look();
  (void)discovery_.begin_load();
  names_.addresses = {};
  log_.lines.clear();
  for (int i = 0; i < 4; ++i) {
    wait(seconds(2));
    look();
  }
  EXPECT_EQ(log_.lines.size(), 1u);
  EXPECT_EQ(registry_.group("fleet").failures.value(), 4u);
  EXPECT_FALSE(discovery_.is_load_due());
  EXPECT_EQ(hosts(discovery_.begin_load()), (Hosts{"10.0.0.1:1"}));
}

TEST_F(DiscoveryTest, changes_are_loaded_once_a_second_at_most) {
  follow({.kind = config::DiscoveryKind::kDns,
          .target = "p",
          .port = 1,
          .interval = milliseconds(100)});
  names_.addresses = {"10.0.0.1"};
  look();
  (void)discovery_.begin_load();
  names_.addresses = {"10.0.0.2"};
  wait(milliseconds(200));
  look();
  EXPECT_FALSE(discovery_.is_load_due());
  wait(seconds(1));
  EXPECT_TRUE(discovery_.is_load_due());
}

TEST_F(DiscoveryTest, it_asks_no_more_often_than_its_interval) {
  names_.addresses = {"10.0.0.1"};
  follow({.kind = config::DiscoveryKind::kDns, .target = "p", .port = 1, .interval = seconds(10)});
  for (int i = 0; i < 85; ++i) {
    wait(milliseconds(100));
    discovery_.tick();
  }
  EXPECT_EQ(names_.questions, 1);
  wait(seconds(3));
  look();
  EXPECT_EQ(names_.questions, 2);
}

TEST_F(DiscoveryTest, another_source_begins_anew) {
  names_.addresses = {"10.0.0.1"};
  follow({.kind = config::DiscoveryKind::kDns, .target = "p", .port = 1});
  look();
  (void)discovery_.begin_load();
  follow({.kind = config::DiscoveryKind::kDns, .target = "q", .port = 1});
  EXPECT_TRUE(hosts(discovery_.begin_load()).empty());
}

TEST_F(DiscoveryTest, endpoints_are_asked_side_by_side_and_cut_at_the_end) {
  int asked = 0;
  bool answers = true;
  world_.serve(support::sim_address("10.0.0.9", 80), [&]() -> support::SimPeer& {
    support::SimPeer& peer = world_.adopt();
    peer.when_bytes = [&](std::string_view) {
      ++asked;
      const std::string body = "[{\"host\": \"10.1.0.1\", \"port\": 8000}]";
      if (!answers) return;
      peer.send("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
    };
    return peer;
  });
  names_.addresses = {"10.0.0.9"};
  config::Discovery settings{.kind = config::DiscoveryKind::kHttp,
                             .target = "http://list.example/fleet",
                             .interval = milliseconds(100),
                             .private_addresses = true};
  for (const char* group : {"a", "b"}) {
    settings.group = group;
    snapshot_.discovery.push_back(settings);
  }
  discovery_.follow(snapshot_);
  look();
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(hosts(discovery_.begin_load()), (Hosts{"10.1.0.1:8000"}));
  // What hangs does not hold up the end.
  answers = false;
  wait(milliseconds(200));
  look();
  EXPECT_EQ(asked, 4);
  EXPECT_FALSE(discovery_.is_quiet());
}

}  // namespace
}  // namespace sluice::control
