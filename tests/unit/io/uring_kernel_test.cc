// The real kernel over loopback sockets.
#include <sluice/io/uring_kernel.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#include <vector>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>

namespace sluice::io {
namespace {

TEST(Uring, this_machine_passes_the_probe) { EXPECT_EQ(probe_uring(), ""); }

struct UringTest : ::testing::Test {
  // A connected pair over TCP loopback: ours is accepted by the ring.
  void connect_pair() {
    listener = *syscalls.open_socket(AF_INET);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    ASSERT_TRUE(syscalls.bind(listener, raw, sizeof address));
    ASSERT_TRUE(syscalls.listen(listener, 8));
    socklen_t length = sizeof address;
    ASSERT_TRUE(syscalls.local_address(listener, raw, &length));
    accept.listen_on(listener);
    theirs = *syscalls.open_socket(AF_INET);
    Op connect(ring);
    connect.connect(theirs, raw, length);
    turn_until([&] { return connect.is_ready() && accept.is_ready(); });
    ASSERT_EQ(connect.result(), 0);
    ours = accept.take();
    ASSERT_GT(ours, 0);
  }
  // Without sleeping: a turn resumes coroutines first, so that what they reach shows only after it.
  template <class IsDone>
  void turn_until(IsDone is_done) {
    while (!is_done()) ring.turn(false);
  }
  void TearDown() override {
    accept.stop();
    for (const int fd : {ours, theirs, listener}) {
      if (fd >= 0) ring.close(fd);
    }
    ring.turn(false);
  }

  SystemSyscalls syscalls;
  SystemClock clock;
  std::unique_ptr<Kernel> kernel =
      open_uring_kernel({.submissions = 64, .completions = 256, .buffers_most = 256}).value();
  Ring ring{*kernel, syscalls, clock, {.hot = 64, .most = 256}};
  AcceptOp accept{ring};
  int listener = -1, ours = -1, theirs = -1;
};

Task<void> echo(Ring* ring, int fd, bool* is_done) {
  Op recv(*ring), send(*ring);
  for (;;) {
    recv.recv(fd);
    co_await first_of(&recv);
    if (recv.result() <= 0) break;
    const Buffer buffer = recv.take_buffer();
    send.send(fd, buffer.bytes().data(), static_cast<uint32_t>(buffer.bytes().size()));
    co_await first_of(&send);
    if (send.result() != static_cast<int32_t>(buffer.bytes().size())) break;
  }
  *is_done = true;
}

Task<void> send_all(Ring* ring, int fd, const std::vector<char>* bytes, int32_t* result) {
  Op send(*ring);
  send.send(fd, bytes->data(), static_cast<uint32_t>(bytes->size()));
  co_await first_of(&send);
  *result = send.result();
}

Task<void> receive(Ring* ring, int fd, std::vector<char>* bytes, size_t wanted) {
  Op recv(*ring);
  while (bytes->size() < wanted) {
    recv.recv(fd);
    co_await first_of(&recv);
    if (recv.result() <= 0) break;
    const Buffer buffer = recv.take_buffer();
    bytes->insert(bytes->end(), buffer.bytes().begin(), buffer.bytes().end());
  }
}

TEST_F(UringTest, a_megabyte_is_echoed_whole_in_both_directions_at_once) {
  connect_pair();
  std::vector<char> sent(1 << 20), received;
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 2654435761u >> 13);
  bool echo_done = false;
  int32_t send_result = 0;
  start_detached(echo(&ring, ours, &echo_done));
  start_detached(send_all(&ring, theirs, &sent, &send_result));
  start_detached(receive(&ring, theirs, &received, sent.size()));
  turn_until([&] { return received.size() == sent.size() && send_result != 0; });
  EXPECT_EQ(send_result, 1 << 20);
  EXPECT_TRUE(received == sent);
  ring.shut_down(theirs);
  turn_until([&] { return echo_done; });
  EXPECT_EQ(ring.figures().stale, 0u);
  EXPECT_EQ(ring.buffers().in_use(), 0u);
}

TEST_F(UringTest, an_accepted_socket_knows_its_peer) {
  connect_pair();
  sockaddr_in own{}, peer{};
  socklen_t length = sizeof own;
  ASSERT_TRUE(syscalls.local_address(theirs, reinterpret_cast<sockaddr*>(&own), &length));
  length = sizeof peer;
  ASSERT_TRUE(syscalls.peer_address(ours, reinterpret_cast<sockaddr*>(&peer), &length));
  EXPECT_EQ(peer.sin_port, own.sin_port);
  EXPECT_EQ(peer.sin_addr.s_addr, own.sin_addr.s_addr);
  EXPECT_EQ(
      syscalls.peer_address(listener, reinterpret_cast<sockaddr*>(&peer), &length).error().code,
      ErrorCode::kIo);
}

TEST_F(UringTest, more_connections_than_a_batch_are_all_accepted) {
  connect_pair();
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ASSERT_TRUE(syscalls.local_address(listener, reinterpret_cast<sockaddr*>(&address), &length));
  std::vector<int> clients;
  int accepted = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 5; ++i) {
      clients.push_back(*syscalls.open_socket(AF_INET));
      ASSERT_EQ(::connect(clients.back(), reinterpret_cast<sockaddr*>(&address), length), 0);
    }
    turn_until([&] {
      while (const int fd = accept.take()) {
        EXPECT_GT(fd, 0);
        syscalls.close(fd);
        ++accepted;
      }
      return accepted == static_cast<int>(clients.size());
    });
  }
  for (const int fd : clients) syscalls.close(fd);
  EXPECT_EQ(accepted, 200);
}

TEST_F(UringTest, poll_hangup_completes_on_the_fin_and_not_on_bytes) {
  connect_pair();
  Op hangup(ring), recv(ring);
  hangup.poll_hangup(ours);
  ASSERT_EQ(::send(theirs, "bytes", 5, 0), 5);
  recv.recv(ours);
  turn_until([&] { return recv.is_ready(); });
  EXPECT_EQ(recv.take_buffer().bytes(), "bytes");
  ring.turn(false);
  EXPECT_FALSE(hangup.is_ready());
  ::shutdown(theirs, SHUT_WR);
  turn_until([&] { return hangup.is_ready(); });
  EXPECT_EQ(hangup.result() & POLLRDHUP, POLLRDHUP);
}

TEST_F(UringTest, poll_tells_which_events_are_there) {
  connect_pair();
  Op poll(ring);
  poll.poll(ours, POLLIN);
  ring.turn(false);
  EXPECT_FALSE(poll.is_ready());
  ASSERT_EQ(::send(theirs, "bytes", 5, 0), 5);
  turn_until([&] { return poll.is_ready(); });
  EXPECT_EQ(poll.result(), POLLIN);
  poll.poll(ours, POLLIN | POLLOUT);
  turn_until([&] { return poll.is_ready(); });
  EXPECT_EQ(poll.result(), POLLIN | POLLOUT);
}

TEST_F(UringTest, a_blocked_send_that_is_cancelled_reports_what_went_out) {
  connect_pair();
  const std::vector<char> much(64 << 20, 'x');
  Op send(ring);
  send.send(ours, much.data(), static_cast<uint32_t>(much.size()));
  ring.turn(false);
  ring.turn(false);
  ASSERT_FALSE(send.is_ready());
  send.cancel();
  turn_until([&] { return send.is_ready(); });
  EXPECT_GT(send.result(), 0);
  EXPECT_LT(send.result(), 64 << 20);
}

TEST_F(UringTest, a_shutdown_ends_a_blocked_send_and_an_armed_recv) {
  connect_pair();
  const std::vector<char> much(64 << 20, 'x');
  Op send(ring), recv(ring);
  send.send(ours, much.data(), static_cast<uint32_t>(much.size()));
  recv.recv(ours);
  ring.turn(false);
  ring.shut_down(ours);
  turn_until([&] { return send.is_ready() && recv.is_ready(); });
  EXPECT_LT(send.result(), 64 << 20);
  EXPECT_EQ(recv.result(), 0);
}

TEST_F(UringTest, a_recv_that_finds_no_buffer_waits_and_is_served_after_growth) {
  connect_pair();
  std::vector<char> sent(3 << 20, 'y'), received;
  int32_t send_result = 0;
  start_detached(send_all(&ring, theirs, &sent, &send_result));
  std::vector<Buffer> held;
  Op recv(ring);
  size_t count = 0;
  while (count < sent.size()) {
    recv.recv(ours);
    turn_until([&] { return recv.is_ready(); });
    ASSERT_GT(recv.result(), 0);
    count += static_cast<size_t>(recv.result());
    held.push_back(recv.take_buffer());
    if (held.size() > 200) held.clear();
  }
  turn_until([&] { return send_result != 0; });
  EXPECT_EQ(count, sent.size());
  EXPECT_GT(ring.buffers().total(), 64u);
}

TEST_F(UringTest, recv_into_fills_the_callers_memory) {
  connect_pair();
  char bytes[16] = {};
  Op recv(ring);
  recv.recv_into(ours, bytes, sizeof bytes);
  ASSERT_EQ(::send(theirs, "straight", 8, 0), 8);
  turn_until([&] { return recv.is_ready(); });
  EXPECT_EQ(recv.result(), 8);
  EXPECT_STREQ(bytes, "straight");
}

TEST_F(UringTest, send_message_sends_all_slices_in_order) {
  connect_pair();
  char first[] = "head ", second[] = "body";
  iovec slices[] = {{first, 5}, {second, 4}};
  msghdr message{};
  message.msg_iov = slices;
  message.msg_iovlen = 2;
  Op send(ring);
  send.send_message(ours, &message);
  turn_until([&] { return send.is_ready(); });
  EXPECT_EQ(send.result(), 9);
  char bytes[16] = {};
  EXPECT_EQ(::recv(theirs, bytes, sizeof bytes, MSG_WAITALL | MSG_DONTWAIT), 9);
  EXPECT_STREQ(bytes, "head body");
}

TEST_F(UringTest, a_reset_is_seen_by_the_armed_recv) {
  connect_pair();
  Op recv(ring);
  recv.recv(ours);
  ring.turn(false);
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(theirs, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
  syscalls.close(theirs);
  theirs = -1;
  turn_until([&] { return recv.is_ready(); });
  EXPECT_EQ(recv.result(), -ECONNRESET);
}

}  // namespace
}  // namespace sluice::io
