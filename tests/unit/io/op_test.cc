// Operations of the ring on the simulated kernel.
#include <sluice/io/op.h>

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <memory>
#include <string>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>

#include "sim_world.h"

namespace sluice::io {
namespace {

using support::FaultPlan;
using support::sim_address;
using support::SimPeer;
using support::SimWorld;

struct OpTest : ::testing::Test {
  static constexpr uint32_t kBuffers = 64;

  ~OpTest() override { EXPECT_FALSE(op && op->is_in_flight()); }

  // A connected descriptor of ours; the far end is `peer`.
  int dial() {
    world.serve(address, [this]() -> SimPeer& { return *(peer = &world.adopt()); });
    const Result<int> fd = world.syscalls().open_socket(AF_INET);
    op = std::make_unique<Op>(ring);
    op->connect(*fd, address.raw(), address.length);
    EXPECT_TRUE(world.run_until(ring, [this] { return op->is_ready() && peer != nullptr; }));
    EXPECT_EQ(op->result(), 0);
    return *fd;
  }
  int listen() {
    const Result<int> fd = world.syscalls().open_socket(AF_INET);
    EXPECT_TRUE(world.syscalls().bind(*fd, address.raw(), address.length));
    EXPECT_TRUE(world.syscalls().listen(*fd, 16));
    return *fd;
  }
  bool run_until_ready(const Event& event) {
    return world.run_until(ring, [&event] { return event.is_ready(); });
  }

  net::Address address = sim_address("10.0.0.1", 8000);
  SimWorld world;
  Ring ring{world.kernel(), world.syscalls(), world.clock(), {.hot = kBuffers, .most = kBuffers}};
  SimPeer* peer = nullptr;
  std::unique_ptr<Op> op;
};

TEST_F(OpTest, recv_delivers_what_arrived_and_then_the_end) {
  const int fd = dial();
  peer->send("hello", milliseconds(3));
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), 5);
  EXPECT_EQ(op->take_buffer().bytes(), "hello");
  peer->finish();
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), 0);
  EXPECT_TRUE(op->take_buffer().is_empty());
  ring.close(fd);
}

TEST_F(OpTest, recv_of_a_reset_connection_fails_once_and_then_ends) {
  const int fd = dial();
  peer->reset();
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECONNRESET);
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), 0);
  ring.close(fd);
}

TEST_F(OpTest, send_waits_until_the_peer_has_taken_everything) {
  const int fd = dial();
  const std::string text(300'000, 'x');
  peer->stall_reading();
  op->send(fd, text.data(), static_cast<uint32_t>(text.size()));
  ASSERT_TRUE(world.run_for(ring, seconds(5)));
  EXPECT_FALSE(op->is_ready());
  EXPECT_EQ(world.syscalls().acknowledged_bytes(fd), 64u * 1024);
  peer->resume_reading();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), 300'000);
  ASSERT_TRUE(world.run_until(ring, [&] { return peer->received().size() == text.size(); }));
  ring.close(fd);
}

TEST_F(OpTest, a_cancelled_send_that_had_begun_reports_what_went_out) {
  const int fd = dial();
  const std::string text(300'000, 'x');
  peer->stall_reading();
  op->send(fd, text.data(), static_cast<uint32_t>(text.size()));
  ASSERT_TRUE(world.run_for(ring, seconds(1)));
  op->cancel();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_GT(op->result(), 0);
  EXPECT_LT(op->result(), 300'000);
  ring.close(fd);
}

TEST_F(OpTest, a_shutdown_ends_a_blocked_send_and_an_armed_recv) {
  const int fd = dial();
  const std::string text(300'000, 'x');
  peer->stall_reading();
  op->send(fd, text.data(), static_cast<uint32_t>(text.size()));
  Op recv(ring);
  recv.recv(fd);
  ASSERT_TRUE(world.run_for(ring, seconds(1)));
  ring.shut_down(fd);
  ASSERT_TRUE(world.run_until(ring, [&] { return op->is_ready() && recv.is_ready(); }));
  EXPECT_LT(op->result(), 300'000);
  EXPECT_EQ(recv.result(), 0);
  ring.close(fd);
}

TEST_F(OpTest, the_first_send_after_the_peer_closed_succeeds_and_a_later_one_fails) {
  const int fd = dial();
  peer->close();
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  op->send(fd, "a", 1);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), 1);
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  op->send(fd, "b", 1);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -EPIPE);
  ring.close(fd);
}

TEST_F(OpTest, poll_hangup_ignores_bytes_and_sees_the_fin) {
  const int fd = dial();
  op->poll_hangup(fd);
  peer->send("bytes");
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  EXPECT_FALSE(op->is_ready());
  peer->finish();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result() & POLLRDHUP, POLLRDHUP);
  ring.close(fd);
}

TEST_F(OpTest, connect_without_a_listener_is_refused) {
  const Result<int> fd = world.syscalls().open_socket(AF_INET);
  op = std::make_unique<Op>(ring);
  op->connect(*fd, address.raw(), address.length);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECONNREFUSED);
  ring.close(*fd);
}

TEST_F(OpTest, connect_into_a_black_hole_ends_by_cancel) {
  world.net().make_black_hole(address);
  const Result<int> fd = world.syscalls().open_socket(AF_INET);
  op = std::make_unique<Op>(ring);
  op->connect(*fd, address.raw(), address.length);
  ASSERT_TRUE(world.run_for(ring, seconds(30)));
  EXPECT_FALSE(op->is_ready());
  op->cancel();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECANCELED);
  ring.close(*fd);
}

TEST_F(OpTest, a_cancelled_recv_ends_with_ecanceled_and_can_start_again) {
  const int fd = dial();
  op->recv(fd);
  ring.turn(false);
  op->cancel();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECANCELED);
  peer->send("after");
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->take_buffer().bytes(), "after");
  ring.close(fd);
}

TEST_F(OpTest, an_abandoned_recv_gives_its_buffer_back) {
  const int fd = dial();
  {
    Op abandoned(ring);
    abandoned.recv(fd);
    ring.turn(false);
    peer->send("nobody reads this");
    // The bytes and the cancel race: either way no buffer may be lost.
  }
  ASSERT_TRUE(world.run_for(ring, milliseconds(50)));
  EXPECT_EQ(ring.buffers().in_use(), 0u);
  EXPECT_EQ(ring.buffers().available(), kBuffers);
  EXPECT_EQ(ring.ops_in_flight(), 1u);  // The ring's own wake read.
  ring.close(fd);
}

TEST_F(OpTest, close_does_not_end_an_armed_recv) {
  const int fd = dial();
  op->recv(fd);
  ring.turn(false);
  ring.close(fd);
  peer->send("late", milliseconds(5));
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->take_buffer().bytes(), "late");
}

// Holds every receive buffer, so that further receives starve.
struct StarvedTest : OpTest {
  void starve(int fd) {
    const size_t bytes = kBuffers * BufferPool::kUsableBytes;
    peer->send(std::string(bytes, 'x'));
    size_t received = 0;
    while (held.size() < kBuffers) {
      op->recv(fd);
      ASSERT_TRUE(run_until_ready(*op));
      held.push_back(op->take_buffer());
      received += held.back().bytes().size();
    }
    ASSERT_EQ(ring.buffers().available(), 0u);
    rest = bytes - received;
  }
  // Receives until nothing of what starve() sent is left.
  void receive_rest(int fd) {
    while (rest > 0) {
      op->recv(fd);
      ASSERT_TRUE(run_until_ready(*op));
      ASSERT_GT(op->result(), 0);
      rest -= op->take_buffer().bytes().size();
    }
  }
  std::vector<Buffer> held;
  size_t rest = 0;
};

TEST_F(StarvedTest, a_recv_without_a_buffer_waits_for_one_instead_of_failing) {
  const int fd = dial();
  starve(fd);
  op->recv(fd);
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  EXPECT_FALSE(op->is_ready());
  EXPECT_GT(ring.figures().starved, 0u);
  peer->send("more");
  held.clear();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_GT(op->result(), 0);
  op->take_buffer().release();
  ring.close(fd);
}

TEST_F(StarvedTest, a_starved_recv_can_be_cancelled) {
  const int fd = dial();
  starve(fd);
  op->recv(fd);
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  ASSERT_FALSE(op->is_ready());
  op->cancel();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECANCELED);
  held.clear();
  ring.close(fd);
}

TEST_F(StarvedTest, a_cancel_that_meets_the_starvation_on_its_way_is_not_lost) {
  const int fd = dial();
  starve(fd);
  op->recv(fd);
  op->cancel();  // Submitted together: the receive has failed before the cancel looks for it.
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->result(), -ECANCELED);
  held.clear();
  ring.close(fd);
}

TEST_F(StarvedTest, a_starved_recv_ends_when_its_socket_is_shut_down) {
  const int fd = dial();
  starve(fd);
  op->recv(fd);
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  ASSERT_FALSE(op->is_ready());
  ring.shut_down(fd);
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_LE(op->result(), 0);
  held.clear();
  ring.close(fd);
}

TEST_F(StarvedTest, an_abandoned_starved_recv_leaves_nothing_behind) {
  const int fd = dial();
  starve(fd);
  {
    Op abandoned(ring);
    abandoned.recv(fd);
    ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  }
  held.clear();
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  EXPECT_EQ(ring.ops_in_flight(), 1u);
  EXPECT_EQ(ring.buffers().available(), kBuffers);
  ring.close(fd);
}

TEST_F(StarvedTest, one_free_buffer_reaches_the_receive_that_has_bytes_among_many_that_have_none) {
  const int fd = dial();
  starve(fd);
  held.resize(kBuffers - 1);
  held.emplace_back();
  receive_rest(fd);
  ASSERT_EQ(ring.buffers().in_use(), kBuffers - 1);
  // Starve again with the last buffer, then put silent connections ahead of the one with bytes.
  peer->send("hold");
  op->recv(fd);
  ASSERT_TRUE(run_until_ready(*op));
  held.back() = op->take_buffer();
  std::vector<std::unique_ptr<Op>> silent;
  std::vector<int> silent_fds;
  for (int i = 0; i < 8; ++i) {
    const Result<int> other = world.syscalls().open_socket(AF_INET);
    Op connect(ring);
    connect.connect(*other, address.raw(), address.length);
    SimPeer* first = peer;
    ASSERT_TRUE(run_until_ready(connect));
    peer = first;
    silent.push_back(std::make_unique<Op>(ring));
    silent.back()->recv(*other);
    silent_fds.push_back(*other);
  }
  ASSERT_TRUE(world.run_for(ring, milliseconds(5)));
  op->recv(fd);
  ASSERT_TRUE(world.run_for(ring, milliseconds(5)));
  peer->send("bytes");
  ASSERT_TRUE(world.run_for(ring, milliseconds(5)));
  held.back().release();
  ASSERT_TRUE(run_until_ready(*op));
  EXPECT_EQ(op->take_buffer().bytes(), "bytes");
  for (const int other : silent_fds) ring.shut_down(other);
  for (const auto& other : silent) ASSERT_TRUE(run_until_ready(*other));
  for (const int other : silent_fds) ring.close(other);
  held.clear();
  ring.close(fd);
}

struct AcceptTest : OpTest {
  // Takes until nothing waits.
  int take_all(AcceptOp& accept) {
    int count = 0;
    while (const int fd = accept.take()) {
      if (fd < 0) {
        last_error = fd;
        continue;
      }
      ring.close(fd);
      ++count;
    }
    return count;
  }
  int last_error = 0;
};

TEST_F(AcceptTest, connections_arrive_one_by_one_and_all_at_once) {
  const int fd = listen();
  AcceptOp accept(ring);
  accept.listen_on(fd);
  world.connect(address);
  ASSERT_TRUE(run_until_ready(accept));
  EXPECT_EQ(take_all(accept), 1);
  for (int i = 0; i < 20; ++i) world.connect(address, microseconds(i));
  int taken = 0;
  ASSERT_TRUE(world.run_until(ring, [&] { return (taken += take_all(accept)) == 20; }));
  accept.stop();
  ring.close(fd);
}

TEST_F(AcceptTest, pauses_when_many_wait_and_goes_on_when_they_are_taken) {
  const int fd = listen();
  AcceptOp accept(ring);
  accept.listen_on(fd);
  for (int i = 0; i < 1000; ++i) world.connect(address, microseconds(i * 50));
  ASSERT_TRUE(world.run_for(ring, milliseconds(100)));
  EXPECT_LT(world.files().open_count(), 400u);  // The rest waits in the kernel.
  int taken = 0;
  ASSERT_TRUE(world.run_until(ring, [&] { return (taken += take_all(accept)) == 1000; }));
  accept.stop();
  ring.close(fd);
}

TEST_F(AcceptTest, goes_on_when_everything_is_taken_before_the_pause_has_reached_the_kernel) {
  const int fd = listen();
  AcceptOp accept(ring);
  for (int i = 0; i < 300; ++i) world.connect(address);
  ASSERT_TRUE(world.run_for(ring, milliseconds(5)));
  accept.listen_on(fd);
  ASSERT_TRUE(world.run_until(ring, [&] { return world.files().open_count() > 256; }));
  int taken = take_all(accept);  // The cancel of the pause is only queued.
  ASSERT_TRUE(world.run_for(ring, milliseconds(5)));
  taken += take_all(accept);
  EXPECT_EQ(taken, 300);
  world.connect(address);
  ASSERT_TRUE(run_until_ready(accept));
  EXPECT_EQ(take_all(accept), 1);
  accept.stop();
  ring.close(fd);
}

TEST_F(AcceptTest, an_error_stops_it_until_resumed) {
  const int fd = listen();
  AcceptOp accept(ring);
  accept.listen_on(fd);
  world.faults().no_descriptor = 1000;
  world.connect(address);
  ASSERT_TRUE(run_until_ready(accept));
  EXPECT_EQ(take_all(accept), 0);
  EXPECT_EQ(last_error, -EMFILE);
  EXPECT_FALSE(accept.is_in_flight());
  world.faults().no_descriptor = 0;
  ASSERT_TRUE(world.run_for(ring, milliseconds(100)));
  EXPECT_FALSE(accept.is_ready());
  accept.resume();
  ASSERT_TRUE(run_until_ready(accept));
  EXPECT_EQ(take_all(accept), 1);
  accept.stop();
  ring.close(fd);
}

TEST_F(AcceptTest, connections_that_nobody_took_are_closed_with_it) {
  const int fd = listen();
  const size_t open_before = world.files().open_count();
  {
    AcceptOp accept(ring);
    accept.listen_on(fd);
    for (int i = 0; i < 10; ++i) world.connect(address, microseconds(i * 10));
    ASSERT_TRUE(run_until_ready(accept));
  }
  ASSERT_TRUE(world.run_for(ring, milliseconds(10)));
  EXPECT_EQ(world.files().open_count(), open_before);
  ring.close(fd);
}

TEST_F(OpTest, a_wake_signal_just_before_the_end_does_not_hold_the_ring_up) {
  auto other = std::make_unique<SimWorld>();
  auto short_lived = std::make_unique<Ring>(other->kernel(), other->syscalls(), other->clock(),
                                            BufferLimits{.hot = 64, .most = 64});
  short_lived->turn(false);
  other->syscalls().signal_eventfd(support::SimFiles::kFirst);
  short_lived.reset();
  EXPECT_EQ(other->files().open_count(), 0u);
}

// Waits for what may take 20 ms.
Task<void> await_for_20_ms(Ring* ring, Event* begun, Event* told, bool* is_in_time) {
  co_await first_of(begun);
  Timer patience(ring->ready(), ring->timers());
  patience.set(Deadline::after(ring->now(), milliseconds(20)));
  co_await first_of(told, &patience);
  *is_in_time = told->is_ready();
  ring->stop();
}

TEST_F(OpTest, who_runs_first_in_a_ring_that_stood_still_has_all_its_time) {
  const int fd = dial();
  op->recv(fd);
  Event begun(ring.ready());
  Event told(ring.ready());
  bool is_in_time = false;
  start_detached(await_for_20_ms(&ring, &begun, &told, &is_in_time));
  ring.turn(false);
  begun.trigger();
  world.clock().advance(seconds(1));
  peer->send("something else", milliseconds(1));
  world.after(milliseconds(10), [&told] { told.trigger(); });
  ring.run();
  EXPECT_TRUE(is_in_time);
  ring.close(fd);
}

TEST_F(OpTest, a_turn_until_a_time_ends_at_it_and_not_at_a_tick) {
  constexpr Duration kCallMost = microseconds(20);  // Of a system call in the simulation.
  Timer timer(ring.ready(), ring.timers());
  const MonoTime begin = world.clock().now();
  timer.set({begin + milliseconds(10)});
  for (const Duration wait : {Duration(1), Duration(33'333), Duration(1'234'567)}) {
    const MonoTime latest = world.clock().now() + wait;
    ring.turn_until(latest);
    EXPECT_GE(world.clock().now(), latest);
    EXPECT_LT(world.clock().now(), latest + kCallMost);
  }
  // Timers are still kept, and a time that has passed is no wait at all.
  while (!timer.is_ready()) ring.turn_until(begin + seconds(1));
  EXPECT_LT(world.clock().now(), begin + milliseconds(12));
  const MonoTime now = world.clock().now();
  ring.turn_until(now - seconds(1));
  EXPECT_LT(world.clock().now(), now + kCallMost);
}

}  // namespace
}  // namespace sluice::io
