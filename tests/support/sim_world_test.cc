// The simulation itself: replayable, true to the bytes, and able to fail a test.
#include "sim_world.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include <sluice/io/task.h>

namespace sluice::support {
namespace {

using io::first_of;
using io::Op;
using io::Ring;

constexpr io::BufferLimits kBuffers{.hot = 64, .most = 64};

// What an echo server on the ring and its clients saw.
struct Outcome {
  uint64_t trace = 0;
  size_t echoed = 0;
  size_t served = 0;
};

struct EchoServer {
  Ring& ring;
  int fd = -1;
  size_t running = 0;
  size_t served = 0;
  io::AcceptOp accept{ring};

  Task<void> serve(int client);
  void take() {
    while (const int client = accept.take()) {
      if (client < 0) {
        accept.resume();
        return;
      }
      ++running;
      start_detached(serve(client));
    }
  }
};

Task<bool> send_whole(Ring* ring, int fd, std::string_view bytes) {
  Op send(*ring);
  while (!bytes.empty()) {
    send.send(fd, bytes.data(), static_cast<uint32_t>(bytes.size()));
    co_await first_of(&send);
    if (send.result() <= 0) co_return false;
    bytes.remove_prefix(static_cast<size_t>(send.result()));
  }
  co_return true;
}

Task<void> EchoServer::serve(int client) {
  Op recv(ring);
  for (;;) {
    recv.recv(client);
    co_await first_of(&recv);
    if (recv.result() <= 0) break;
    const io::Buffer buffer = recv.take_buffer();
    const bool is_sent = co_await send_whole(&ring, client, buffer.bytes());
    if (!is_sent) break;
  }
  ring.close(client);
  ++served;
  --running;
}

// Ten clients send 20 KB each to an echo server on the ring and check what comes back.
Outcome run_echo(uint64_t seed, const FaultPlan& plan) {
  Outcome outcome;
  SimWorld world({.seed = seed, .faults = plan});
  {
    Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
    const net::Address address = sim_address("10.0.0.1", 80);
    EchoServer server{.ring = ring};
    Result<int> fd = world.syscalls().open_socket(AF_INET);
    while (!fd) fd = world.syscalls().open_socket(AF_INET);
    server.fd = *fd;
    EXPECT_TRUE(world.syscalls().bind(*fd, address.raw(), address.length));
    EXPECT_TRUE(world.syscalls().listen(*fd, 64));
    server.accept.listen_on(*fd);
    size_t over = 0;
    for (char letter = 'a'; letter <= 'j'; ++letter) {
      SimPeer& client = world.connect(address, microseconds(world.random().below(5000)));
      std::string text(20'000, letter);
      for (size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>('0' + i % 10);
      client.when_connected = [&client, text] { client.send(text); };
      client.when_bytes = [&client, &outcome, &over, text](std::string_view) {
        EXPECT_TRUE(text.starts_with(client.received()));
        if (client.received().size() < text.size()) return;
        ++outcome.echoed;
        ++over;
        client.close();
      };
      client.when_reset = client.when_refused = client.when_ended = [&client, &over] {
        ++over;
        client.reset();
      };
    }
    EXPECT_TRUE(world.run_until(ring, [&] {
      server.take();
      return over == 10 && server.running == 0;
    }));
    outcome.served = server.served;
    server.accept.stop();
    ring.close(server.fd);
    EXPECT_TRUE(world.run_for(ring, seconds(10)));
    EXPECT_EQ(ring.buffers().in_use(), 0u);
    EXPECT_EQ(ring.ops_in_flight(), 1u);
    EXPECT_EQ(ring.figures().stale, 0u);
  }
  EXPECT_EQ(world.files().open_count(), 0u);
  EXPECT_EQ(world.kernel().ops_armed(), 0u);
  EXPECT_EQ(world.net().open_ends(), 0u);
  outcome.trace = world.trace_hash();
  return outcome;
}

TEST(SimWorld, the_same_seed_gives_the_same_trace_and_another_seed_another) {
  Prng first(7), second(7);
  const Outcome a = run_echo(7, FaultPlan::hostile(first));
  const Outcome b = run_echo(7, FaultPlan::hostile(second));
  EXPECT_EQ(a.trace, b.trace);
  EXPECT_EQ(a.served, b.served);
  Prng third(7);
  const Outcome c = run_echo(8, FaultPlan::hostile(third));
  EXPECT_NE(a.trace, c.trace);
}

TEST(SimWorld, rough_worlds_lose_no_byte) {
  for (uint64_t seed = 1; seed <= 200 && !::testing::Test::HasFailure(); ++seed) {
    Prng prng(seed);
    const Outcome outcome = run_echo(seed, FaultPlan::rough(prng));
    EXPECT_EQ(outcome.echoed, 10u) << "seed " << seed;
    EXPECT_EQ(outcome.served, 10u) << "seed " << seed;
  }
}

TEST(SimWorld, hostile_worlds_leave_nothing_behind) {
  size_t echoed = 0;
  for (uint64_t seed = 1; seed <= 200 && !::testing::Test::HasFailure(); ++seed) {
    Prng prng(seed);
    echoed += run_echo(seed, FaultPlan::hostile(prng)).echoed;
  }
  EXPECT_GT(echoed, 0u);
  EXPECT_LT(echoed, 2000u);  // Else no fault struck.
}

TEST(SimWorld, time_jumps_to_the_next_deadline) {
  SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
  io::Timer timer(ring.ready(), ring.timers());
  const MonoTime deadline = ring.now() + std::chrono::hours(2);
  timer.set({deadline});
  EXPECT_TRUE(world.run_until(ring, [&] { return timer.is_ready(); }, 10));
  EXPECT_GE(ring.now(), deadline);
  EXPECT_LT(ring.now(), deadline + milliseconds(2));
}

TEST(SimWorld, waiting_for_what_can_never_happen_fails_the_test) {
  SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
  EXPECT_NONFATAL_FAILURE((void)world.run_until(ring, [] { return false; }), "stuck");
}

TEST(SimWorld, an_operation_on_a_closed_descriptor_fails_the_test) {
  SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
  Op op(ring);
  op.recv(4711);
  EXPECT_NONFATAL_FAILURE(ring.turn(false), "not open");
  EXPECT_EQ(op.result(), -EBADF);
}

TEST(SimWorld, two_sends_at_once_on_one_socket_fail_the_test) {
  SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
  const net::Address address = sim_address("10.0.0.1", 80);
  world.serve(address, [&]() -> SimPeer& {
    SimPeer& peer = world.adopt();
    peer.stall_reading();
    return peer;
  });
  const Result<int> fd = world.syscalls().open_socket(AF_INET);
  Op first(ring), second(ring);
  first.connect(*fd, address.raw(), address.length);
  ASSERT_TRUE(world.run_until(ring, [&] { return first.is_ready(); }));
  const std::string much(200'000, 'x');
  first.send(*fd, much.data(), 200'000);
  second.send(*fd, much.data(), 200'000);
  EXPECT_NONFATAL_FAILURE(ring.turn(false), "second send");
  ring.shut_down(*fd);
  ASSERT_TRUE(world.run_until(ring, [&] { return first.is_ready() && second.is_ready(); }));
  ring.close(*fd);
}

TEST(SimWorld, a_port_can_be_taken_once_unless_it_is_shared) {
  SimWorld world;
  const net::Address address = sim_address("127.0.0.1", 8080);
  io::Syscalls& syscalls = world.syscalls();
  const int first = *syscalls.open_socket(AF_INET), second = *syscalls.open_socket(AF_INET);
  ASSERT_TRUE(syscalls.bind(first, address.raw(), address.length));
  EXPECT_FALSE(syscalls.bind(second, address.raw(), address.length));
  EXPECT_EQ(errno, EADDRINUSE);
  syscalls.close(first);
  EXPECT_TRUE(syscalls.bind(second, address.raw(), address.length));
}

TEST(SimWorld, a_client_whose_server_reads_nothing_gets_no_further_than_the_window) {
  SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), kBuffers);
  const net::Address address = sim_address("10.0.0.1", 80);
  const Result<int> fd = world.syscalls().open_socket(AF_INET);
  ASSERT_TRUE(world.syscalls().bind(*fd, address.raw(), address.length));
  ASSERT_TRUE(world.syscalls().listen(*fd, 8));
  SimPeer& client = world.connect(address);
  client.send(std::string(1'000'000, 'x'));
  ASSERT_TRUE(world.run_for(ring, seconds(1)));
  EXPECT_EQ(client.unsent_bytes(), 1'000'000u - 64 * 1024);
  world.syscalls().close(*fd);
  ASSERT_TRUE(world.run_for(ring, seconds(1)));
  EXPECT_TRUE(client.saw_reset());
}

TEST(Prng, is_the_same_on_every_machine) {
  Prng prng(42);
  const uint64_t first = prng.next();
  EXPECT_EQ(first, 1546998764402558742ull);
  EXPECT_NE(first, prng.next());
  for (int i = 0; i < 1000; ++i) {
    const uint64_t drawn = prng.between(3, 5);
    EXPECT_GE(drawn, 3u);
    EXPECT_LE(drawn, 5u);
  }
}

}  // namespace
}  // namespace sluice::support
