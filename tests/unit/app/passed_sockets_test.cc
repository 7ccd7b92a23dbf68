#include "passed_sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace sluice::app {
namespace {

// What the environment passes begins at descriptor 3, which a test program may use already: the
// whole way is tried with real processes (tests/integration/service_test.py).
class PassedSocketsTest : public ::testing::Test {
 protected:
  ~PassedSocketsTest() override {
    for (const int fd : opened_) ::close(fd);
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  }
  std::vector<int> listeners(uint32_t count) {
    auto made = open_shard_listeners(syscalls_, {"127.0.0.1", 0}, 16, count);
    EXPECT_TRUE(made);
    opened_.insert(opened_.end(), made->fds.begin(), made->fds.end());
    port_ = made->address.port();
    return made->fds;
  }
  io::SystemSyscalls syscalls_;
  std::vector<int> opened_;
  uint16_t port_ = 0;
};

TEST_F(PassedSocketsTest, what_is_for_another_process_is_not_taken) {
  ::setenv("LISTEN_PID", std::to_string(::getpid() + 1).c_str(), 1);
  ::setenv("LISTEN_FDS", "1", 1);
  const auto sockets = take_passed_sockets();
  ASSERT_TRUE(sockets);
  EXPECT_TRUE(sockets->listen.empty());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
}

TEST_F(PassedSocketsTest, a_count_out_of_range_is_refused) {
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "100000", 1);
  EXPECT_FALSE(take_passed_sockets());
}

TEST_F(PassedSocketsTest, each_shard_has_one_of_its_own_when_there_are_enough) {
  const std::vector<int> passed = listeners(3);
  const auto dealt = deal_to_shards(syscalls_, passed, {"127.0.0.1", port_}, 3);
  ASSERT_TRUE(dealt) << dealt.error();
  EXPECT_EQ(dealt->fds, passed);
  EXPECT_EQ(dealt->address.port(), port_);
}

TEST_F(PassedSocketsTest, shards_share_one_by_copies) {
  const std::vector<int> passed = listeners(1);
  const auto dealt = deal_to_shards(syscalls_, passed, {"127.0.0.1", 0}, 3);
  ASSERT_TRUE(dealt) << dealt.error();
  ASSERT_EQ(dealt->fds.size(), 3u);
  opened_.insert(opened_.end(), dealt->fds.begin() + 1, dealt->fds.end());
  EXPECT_NE(dealt->fds[1], dealt->fds[0]);
  EXPECT_EQ(address_of_listener(syscalls_, dealt->fds[2]).port(), port_);
}

TEST_F(PassedSocketsTest, more_than_shards_would_not_be_answered) {
  const auto dealt = deal_to_shards(syscalls_, listeners(2), {"127.0.0.1", 0}, 1);
  ASSERT_FALSE(dealt);
  EXPECT_TRUE(dealt.error().contains("set shards to 2")) << dealt.error();
}

TEST_F(PassedSocketsTest, another_address_than_the_configuration_says_is_refused) {
  const auto dealt = deal_to_shards(syscalls_, listeners(1), {"127.0.0.1", 1}, 1);
  ASSERT_FALSE(dealt);
  EXPECT_TRUE(dealt.error().contains("ListenStream=")) << dealt.error();
}

}  // namespace
}  // namespace sluice::app
