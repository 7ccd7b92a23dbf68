#include "ports.h"

#include <gtest/gtest.h>

#include <sluice/net/listener.h>

namespace sluice::app {
namespace {

class PortsTest : public ::testing::Test {
 protected:
  ~PortsTest() override {
    for (const int fd : opened_) syscalls_.close(fd);
  }
  ShardListeners open(uint16_t port, uint32_t shards) {
    auto listeners = open_shard_listeners(syscalls_, {"127.0.0.1", port}, 16, shards);
    EXPECT_TRUE(listeners) << listeners.error();
    opened_.insert(opened_.end(), listeners->fds.begin(), listeners->fds.end());
    return *listeners;
  }
  uint16_t port_of(int fd) {
    net::Address address;
    address.length = sizeof address.storage;
    EXPECT_TRUE(syscalls_.local_address(fd, reinterpret_cast<sockaddr*>(&address.storage),
                                        &address.length));
    return address.port();
  }
  io::SystemSyscalls syscalls_;
  std::vector<int> opened_;
};

TEST_F(PortsTest, all_shards_share_the_port_that_the_kernel_chose) {
  const ShardListeners listeners = open(0, 3);
  ASSERT_EQ(listeners.fds.size(), 3u);
  EXPECT_NE(listeners.address.port(), 0);
  for (const int fd : listeners.fds) EXPECT_EQ(port_of(fd), listeners.address.port());
}

TEST_F(PortsTest, port_of_another_gateway_is_refused_although_it_could_be_shared) {
  const uint16_t port = open(0, 1).address.port();
  const auto second = open_shard_listeners(syscalls_, {"127.0.0.1", port}, 16, 2);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().contains("127.0.0.1:" + std::to_string(port))) << second.error();
  EXPECT_TRUE(second.error().contains("another process")) << second.error();
}

TEST_F(PortsTest, port_that_was_given_up_can_be_taken_again) {
  const uint16_t port = open(0, 2).address.port();
  for (const int fd : opened_) syscalls_.close(fd);
  opened_.clear();
  EXPECT_EQ(open(port, 2).address.port(), port);
}

TEST_F(PortsTest, single_listener_tells_its_port) {
  net::Address bound;
  const auto fd = open_single_listener(syscalls_, {"::1", 0}, &bound);
  if (!fd) GTEST_SKIP() << "no IPv6 here";
  opened_.push_back(*fd);
  EXPECT_EQ(port_of(*fd), bound.port());
  EXPECT_TRUE(bound.to_text().starts_with("[::1]:"));
}

}  // namespace
}  // namespace sluice::app
