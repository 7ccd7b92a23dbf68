#include <sluice/net/descriptor_message.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

class DescriptorMessageTest : public ::testing::Test {
 protected:
  DescriptorMessageTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_.data()), 0);
    EXPECT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
  }
  ~DescriptorMessageTest() override {
    for (const int fd : {ends_[0], ends_[1], pipe_[0], pipe_[1]}) {
      if (fd >= 0) ::close(fd);
    }
  }
  void close_sender() { ::close(std::exchange(ends_[0], -1)); }

  std::array<int, 2> ends_{-1, -1};
  std::array<int, 2> pipe_{-1, -1};
};

TEST_F(DescriptorMessageTest, text_and_descriptors_arrive_together) {
  ASSERT_EQ(send_descriptors(ends_[0], "words", {pipe_.data(), 2}), 0);
  const auto message = receive_descriptors(ends_[1]);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text, "words");
  ASSERT_EQ(message->fds.size(), 2u);
  EXPECT_NE(::fcntl(message->fds[0], F_GETFD) & FD_CLOEXEC, 0);
  // What is written here is read there.
  ASSERT_EQ(::write(message->fds[1], "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pipe_[0], &byte, 1), 1);
}

TEST_F(DescriptorMessageTest, an_empty_channel_and_its_end_differ) {
  EXPECT_EQ(receive_descriptors(ends_[1]).error(), EAGAIN);
  ASSERT_EQ(send_descriptors(ends_[0], "last", {}), 0);
  close_sender();
  EXPECT_EQ(receive_descriptors(ends_[1])->text, "last");
  EXPECT_EQ(receive_descriptors(ends_[1]).error(), EPIPE);
}

TEST_F(DescriptorMessageTest, bounds_hold_on_both_sides) {
  EXPECT_EQ(send_descriptors(ends_[0], "", {}), EMSGSIZE);
  EXPECT_EQ(send_descriptors(ends_[0], std::string(kMessageBytesMax + 1, 'a'), {}), EMSGSIZE);
  const std::vector<int> many(kMessageDescriptorsMax + 1, pipe_[0]);
  EXPECT_EQ(send_descriptors(ends_[0], "many", many), EMSGSIZE);
  ASSERT_EQ(send_descriptors(ends_[0], "most", std::span(many).first(kMessageDescriptorsMax)), 0);
  EXPECT_EQ(receive_descriptors(ends_[1])->fds.size(), kMessageDescriptorsMax);
  // Somebody else's sender keeps no bound.
  const std::string large(kMessageBytesMax + 1, 'a');
  ASSERT_GT(::send(ends_[0], large.data(), large.size(), 0), 0);
  EXPECT_EQ(receive_descriptors(ends_[1]).error(), EMSGSIZE);
}

TEST_F(DescriptorMessageTest, a_message_that_nobody_takes_apart_closes_its_descriptors) {
  ASSERT_EQ(send_descriptors(ends_[0], "words", {&pipe_[1], 1}), 0);
  ::close(std::exchange(pipe_[1], -1));
  ASSERT_TRUE(receive_descriptors(ends_[1]));
  char byte = 0;
  EXPECT_EQ(::read(pipe_[0], &byte, 1), 0);  // Its last writer has gone.
}

TEST_F(DescriptorMessageTest, a_connection_comes_with_its_peer_and_bytes) {
  const Ipv6Bytes peer = {0x20, 1, 0xd, 0xb8};
  ASSERT_EQ(pass_connection(ends_[0], pipe_[0], peer, "GET / HT"), 0);
  ASSERT_EQ(pass_connection(ends_[0], pipe_[0], std::nullopt, ""), 0);
  const auto first = take_connection(ends_[1]), second = take_connection(ends_[1]);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->peer, peer);
  EXPECT_EQ(first->bytes, "GET / HT");
  EXPECT_EQ(second->peer, std::nullopt);
  EXPECT_EQ(second->bytes, "");
  ::close(first->fd);
  ::close(second->fd);
}

TEST_F(DescriptorMessageTest, what_is_no_connection_is_refused) {
  std::string head = "SLC1";
  head += std::string(17, '\0');
  for (const std::string& text : {std::string("x"), head.substr(0, 20), "SLC2" + head.substr(4)}) {
    ASSERT_EQ(send_descriptors(ends_[0], text, {pipe_.data(), 1}), 0);
    EXPECT_EQ(take_connection(ends_[1]).error(), EBADMSG) << text;
  }
  ASSERT_EQ(send_descriptors(ends_[0], head, {}), 0);
  EXPECT_EQ(take_connection(ends_[1]).error(), EBADMSG);
  ASSERT_EQ(send_descriptors(ends_[0], head, {pipe_.data(), 2}), 0);
  EXPECT_EQ(take_connection(ends_[1]).error(), EBADMSG);
  head[4] = 2;
  ASSERT_EQ(send_descriptors(ends_[0], head, {pipe_.data(), 1}), 0);
  EXPECT_EQ(take_connection(ends_[1]).error(), EBADMSG);
}

}  // namespace
}  // namespace sluice::net
