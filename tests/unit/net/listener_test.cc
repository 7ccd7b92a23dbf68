#include <sluice/net/listener.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "net_world.h"

namespace sluice::net {
namespace {

class ListenerTest : public NetWorld {};

TEST_F(ListenerTest, hands_out_connections) {
  const auto fd = open_listener(world_.syscalls(), a(), {});
  ASSERT_TRUE(fd.has_value()) << fd.error();
  Listener listener(ring_, *fd);
  EXPECT_EQ(listener.take(), 0);
  world_.connect(a());
  ASSERT_TRUE(run_until([&] { return listener.event().is_ready(); }));
  const int accepted = listener.take();
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(listener.take(), 0);
  EXPECT_FALSE(listener.event().is_ready());
  ring_.close(accepted);
}

TEST_F(ListenerTest, after_close_the_port_is_free_and_clients_are_refused) {
  const auto fd = open_listener(world_.syscalls(), a(), {.share_port = false});
  ASSERT_TRUE(fd.has_value());
  Listener listener(ring_, *fd);
  ring_.turn(false);
  listener.close();
  EXPECT_FALSE(listener.is_open());
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(1)));
  support::SimPeer& late = world_.connect(a());
  ASSERT_TRUE(run_until([&] { return late.is_over(); }));
  EXPECT_TRUE(late.was_refused());
  const auto again = open_listener(world_.syscalls(), a(), {.share_port = false});
  ASSERT_TRUE(again.has_value()) << again.error();
  world_.syscalls().close(*again);
}

TEST_F(ListenerTest, an_error_is_handed_out_and_resume_goes_on) {
  const auto fd = open_listener(world_.syscalls(), a(), {});
  ASSERT_TRUE(fd.has_value());
  Listener listener(ring_, *fd);
  world_.faults().no_descriptor = 1000;
  world_.connect(a());
  ASSERT_TRUE(run_until([&] { return listener.event().is_ready(); }));
  EXPECT_EQ(listener.take(), -EMFILE);
  ASSERT_TRUE(world_.run_for(ring_, seconds(1)));
  EXPECT_EQ(listener.take(), 0) << "it must not spin";
  world_.faults().no_descriptor = 0;
  listener.resume();
  ASSERT_TRUE(run_until([&] { return listener.event().is_ready(); }));
  const int accepted = listener.take();
  EXPECT_GT(accepted, 0);
  ring_.close(accepted);
}

TEST_F(ListenerTest, shared_ports_are_shared_and_others_say_who_is_in_the_way) {
  const auto first = open_listener(world_.syscalls(), a(), {});
  const auto second = open_listener(world_.syscalls(), a(), {});
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(second.has_value());
  const auto probe = open_listener(world_.syscalls(), a(), {.share_port = false});
  ASSERT_FALSE(probe.has_value());
  EXPECT_NE(probe.error().find("10.0.0.1:80"), std::string::npos) << probe.error();
  EXPECT_NE(probe.error().find("another process holds"), std::string::npos) << probe.error();
  EXPECT_EQ(world_.files().open_count(), 3u) << "the failed one was not closed";
  world_.syscalls().close(*first);
  world_.syscalls().close(*second);
}

// Of the kernel: the simulation has neither modes nor processes.
TEST(UnixListener, has_its_mode_and_knows_its_peers) {
  std::string folder = ::testing::TempDir() + "sluice_listener_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/a.sock";
  const auto fd = open_unix_listener(path, {.mode = 0640, .group = std::to_string(::getgid())});
  ASSERT_TRUE(fd) << fd.error();
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(status.st_gid, ::getgid());

  const auto address = unix_address(path);
  const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(client, address->raw(), address->length), 0);
  const int server = ::accept(*fd, nullptr, nullptr);
  const PeerCredentials own{.uid = ::getuid(), .gid = ::getgid(), .pid = ::getpid()};
  EXPECT_EQ(peer_credentials(server), own);
  EXPECT_FALSE(peer_credentials(-1));
  for (const int open : {client, server, *fd}) ::close(open);
  std::filesystem::remove_all(folder);
}

TEST(UnixListener, a_group_that_does_not_exist_is_told_and_leaves_nothing) {
  std::string folder = ::testing::TempDir() + "sluice_listener_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const auto fd = open_unix_listener(folder + "/a.sock", {.group = "no-such-group-here"});
  ASSERT_FALSE(fd);
  EXPECT_TRUE(fd.error().contains("there is no group `no-such-group-here`")) << fd.error();
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::net
