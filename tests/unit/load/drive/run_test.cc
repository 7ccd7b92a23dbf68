// Whole runs on the simulated kernel and clock, so that times are exact.
#include "drive/run.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "sim_world.h"

namespace sluice::load {
namespace {

using support::sim_address;
using support::SimPeer;
using support::SimWorld;

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
constexpr std::string_view kStream =
    "23\r\ndata: {\"a\":1}\n\ndata: {\"usage\":{}}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

struct RunTest : ::testing::Test {
  RunTest() {
    settings.target.url = *parse_url("http://10.0.0.1:8000");
    settings.target.address = address;
    settings.sizes = {{200, 1}};
  }

  // A server that calls `answer(peer)` for each whole request.
  void serve(std::function<void(SimPeer&)> answer) {
    world.serve(address, [this, answer]() -> SimPeer& {
      SimPeer& peer = world.adopt();
      auto seen = std::make_shared<size_t>(0);
      peer.when_bytes = [&peer, seen, answer](std::string_view) {
        for (size_t at = peer.received().find("}]}", *seen); at != std::string::npos;
             at = peer.received().find("}]}", *seen)) {
          *seen = at + 3;
          answer(peer);
        }
      };
      return peer;
    });
  }
  void live(std::string_view reference = {}) {
    const Result<int> fd = world.syscalls().open_eventfd();
    ASSERT_TRUE(fd);
    signal_fd = *fd;
    auto workload = Workload::make(settings, {});
    ASSERT_TRUE(workload) << workload.error();
    run = std::make_unique<load::Run>(ring, settings, std::move(*workload), *tally, reference, *fd);
    run->live();
    world.syscalls().close(*fd);
  }
  [[nodiscard]] uint64_t failures(std::string_view reason) const {
    const auto found = tally->failures.find(reason);
    return found == tally->failures.end() ? 0 : found->second;
  }

  net::Address address = sim_address("10.0.0.1", 8000);
  SimWorld world;
  io::Ring ring{world.kernel(), world.syscalls(), world.clock(), {.hot = 64, .most = 64}};
  Settings settings;
  std::unique_ptr<Tally> tally = std::make_unique<Tally>();
  std::unique_ptr<load::Run> run;
  int signal_fd = -1;
};

TEST_F(RunTest, a_closed_loop_makes_as_many_requests_as_it_was_told) {
  serve([](SimPeer& peer) { peer.send(std::string(kAnswer), milliseconds(3)); });
  settings.connections = 4;
  settings.requests = 100;
  live();
  EXPECT_EQ(tally->started, 100u);
  EXPECT_EQ(tally->completed, 100u);
  EXPECT_EQ(tally->failed, 0u);
  EXPECT_EQ(tally->connects, 4u);
  EXPECT_EQ(tally->bytes, 200u);
  EXPECT_GE(tally->latency.quantile(0), Duration(milliseconds(3)));
}

TEST_F(RunTest, an_open_loop_sends_when_it_is_due_and_not_a_tick_later) {
  serve([](SimPeer& peer) { peer.send(std::string(kAnswer)); });
  settings.connections = 4;
  settings.duration = seconds(1);
  settings.schedule = *Schedule::parse("997", settings.duration);
  live();
  EXPECT_EQ(tally->completed, 997u);
  EXPECT_EQ(tally->not_sent, 0u);
  EXPECT_EQ(tally->send_lag.count(), 997u);
  // Far below the 1 ms of a timer's tick; the rest is the simulated network.
  EXPECT_LT(tally->send_lag.max(), Duration(microseconds(10)));
}

TEST_F(RunTest, an_upstream_that_freezes_shows_in_the_requests_that_were_due_meanwhile) {
  const MonoTime begin = world.clock().now();
  serve([this, begin](SimPeer& peer) {
    const Duration since = world.clock().now() - begin;
    const bool is_frozen = since > seconds(2) && since < seconds(3);
    peer.send(std::string(kAnswer), is_frozen ? seconds(3) - since : Duration::zero());
  });
  settings.connections = 2;
  settings.duration = seconds(5);
  settings.schedule = *Schedule::parse("100", settings.duration);
  live();
  EXPECT_EQ(tally->completed, 500u);
  // A fifth of the requests was due in the frozen second, though only two were under way.
  EXPECT_NEAR(static_cast<double>(tally->latency.count_between(milliseconds(15), seconds(2))), 99,
              1);
  EXPECT_NEAR(static_cast<double>(tally->latency.max().count()), 1e9, 2e7);
  EXPECT_GE(tally->queued_most, 95u);
  ASSERT_GE(tally->timeline.seconds().size(), 4u);
  EXPECT_LE(tally->timeline.seconds()[2].counts.completed, 2u);
  EXPECT_GE(tally->timeline.seconds()[3].counts.completed, 195u);
}

TEST_F(RunTest, what_finds_the_queue_full_is_not_sent_and_counted) {
  serve([](SimPeer& peer) { peer.send(std::string(kAnswer), seconds(1)); });
  settings.connections = 1;
  settings.queue_max = 2;
  settings.duration = seconds(1);
  settings.schedule = *Schedule::parse("10", settings.duration);
  live();
  EXPECT_EQ(tally->completed, 3u);
  EXPECT_EQ(tally->not_sent, 7u);
}

TEST_F(RunTest, a_warm_up_is_not_counted) {
  serve([](SimPeer& peer) { peer.send(std::string(kAnswer)); });
  settings.connections = 2;
  settings.warm_up = seconds(1);
  settings.duration = seconds(1);
  settings.schedule = *Schedule::parse("100", seconds(2));
  live();
  EXPECT_EQ(tally->started, 100u);
  EXPECT_EQ(tally->completed, 100u);
  EXPECT_EQ(tally->latency.count(), 100u);
}

TEST_F(RunTest, streams_start_evenly_and_their_events_are_read) {
  serve([](SimPeer& peer) {
    peer.send(std::string(kStreamHead));
    peer.send(std::string(kStream), milliseconds(7));
  });
  settings.connections = 10;
  settings.per_connection = 1;
  settings.spread = seconds(1);
  settings.streams = true;
  live();
  EXPECT_EQ(tally->completed, 10u);
  EXPECT_EQ(tally->events, 30u);
  EXPECT_GE(tally->first_event.quantile(0), Duration(milliseconds(7)));
  EXPECT_GE(run->measured(), Duration(milliseconds(907)));
}

TEST_F(RunTest, an_answer_in_single_bytes_is_the_same_answer) {
  for (const std::string& text :
       {std::string(kAnswer), std::string(kStreamHead) + std::string(kStream)}) {
    *tally = Tally();
    serve([text](SimPeer& peer) {
      for (size_t i = 0; i < text.size(); ++i) {
        peer.send(std::string(1, text[i]), microseconds(100) * i);
      }
    });
    settings.connections = 1;
    settings.requests = 3;
    live();
    EXPECT_EQ(tally->completed, 3u) << text;
    EXPECT_EQ(tally->failed, 0u) << text;
    address = settings.target.address = sim_address("10.0.0.2", 8000);
  }
}

TEST_F(RunTest, every_way_to_break_has_its_name) {
  const std::pair<std::string, std::string_view> kCases[] = {
      {"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "status 503"},
      {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "closed within the body"},
      {"HTTP/1.1 200 OK\r\ncont", "closed within the head"},
      {"", "closed before the answer"},
      {std::string(kAnswer) + "more", "bytes behind the end of the answer"},
      {std::string(kStreamHead) + "2\r\n\n\n\r\n0\r\n\r\n", "ended without [DONE]"},
      {std::string(kStreamHead) + "zz\r\n", "the chunk size is not hexadecimal"},
      {"HELLO\r\n\r\n", ""},
  };
  uint16_t port = 9000;
  for (const auto& [text, reason] : kCases) {
    *tally = Tally();
    address = settings.target.address = sim_address("10.0.0.1", ++port);
    serve([&text](SimPeer& peer) {
      if (!text.empty()) peer.send(text);
      peer.close(milliseconds(1));
    });
    settings.requests = 1;
    live();
    EXPECT_EQ(tally->failed, 1u) << text;
    EXPECT_EQ(tally->completed, 0u) << text;
    ASSERT_EQ(tally->failures.size(), 1u);
    const std::string& said = tally->failures.begin()->first;
    EXPECT_FALSE(said.empty());
    if (!reason.empty() && text.find("zz") == std::string::npos) {
      EXPECT_EQ(said, reason);
    }
  }
}

TEST_F(RunTest, a_target_that_refuses_ends_the_run_at_once) {
  settings.connections = 3;
  settings.duration = seconds(60);
  const MonoTime begin = world.clock().now();
  live();
  EXPECT_EQ(failures("connection refused"), 3u);
  EXPECT_LT(world.clock().now() - begin, seconds(1));
}

TEST_F(RunTest, an_upstream_that_says_nothing_is_given_up) {
  serve([](SimPeer&) {});
  settings.requests = 2;
  settings.timeout = seconds(5);
  live();
  EXPECT_EQ(failures("no byte moved within the timeout"), 2u);
}

TEST_F(RunTest, what_does_not_finish_in_time_has_failed) {
  serve([](SimPeer&) {});
  settings.connections = 2;
  settings.duration = seconds(1);
  settings.finish = seconds(3);
  const MonoTime begin = world.clock().now();
  live();
  EXPECT_EQ(failures("not finished in time"), 2u);
  EXPECT_EQ(tally->interrupted, 0u);
  EXPECT_FALSE(run->was_stopped());
  EXPECT_LT(world.clock().now() - begin, seconds(5));
}

TEST_F(RunTest, a_signal_within_the_warm_up_leaves_nothing_measured) {
  serve([](SimPeer&) {});
  settings.warm_up = seconds(5);
  settings.duration = seconds(5);
  world.after(seconds(1), [this] { world.syscalls().signal_eventfd(signal_fd); });
  live();
  EXPECT_TRUE(run->was_stopped());
  EXPECT_EQ(run->measured(), Duration::zero());
  EXPECT_EQ(tally->started, 0u);
}

TEST_F(RunTest, a_connection_that_closes_between_requests_is_opened_again) {
  serve([](SimPeer& peer) {
    peer.send(std::string(kAnswer));
    peer.close(milliseconds(1));
  });
  settings.connections = 1;
  settings.duration = seconds(1);
  settings.schedule = *Schedule::parse("10", settings.duration);
  live();
  EXPECT_EQ(tally->completed, 10u);
  EXPECT_EQ(tally->failed, 0u);
  EXPECT_GE(tally->overtaken, 9u);
}

TEST_F(RunTest, a_client_leaves_at_its_event) {
  SimPeer* last = nullptr;
  serve([&last](SimPeer& peer) {
    last = &peer;
    peer.send(std::string(kStreamHead) + "f\r\ndata: {\"a\":1}\n\n\r\n");
  });
  settings.streams = true;
  settings.requests = 3;
  settings.leave_at_event = 1;
  live();
  EXPECT_EQ(tally->left, 3u);
  EXPECT_EQ(tally->failed + tally->completed, 0u);
  EXPECT_EQ(run->departures().size(), 3u);
  ASSERT_NE(last, nullptr);
  EXPECT_TRUE(world.run_for(ring, milliseconds(10)));
  EXPECT_TRUE(last->saw_end() || last->saw_reset());
}

TEST_F(RunTest, a_body_that_differs_is_seen) {
  serve([](SimPeer& peer) { peer.send(std::string(kAnswer)); });
  settings.requests = 2;
  live("{}");
  EXPECT_EQ(tally->identical, 2u);
  live("{ }");
  EXPECT_EQ(tally->differing, 2u);
  EXPECT_EQ(failures("body differs from the reference"), 2u);
}

TEST_F(RunTest, a_signal_ends_the_run_and_what_ran_is_interrupted) {
  serve([](SimPeer&) {});
  settings.connections = 2;
  settings.duration = seconds(60);
  world.after(seconds(1), [this] { world.syscalls().signal_eventfd(signal_fd); });
  live();
  EXPECT_TRUE(run->was_stopped());
  EXPECT_EQ(tally->interrupted, 2u);
  EXPECT_EQ(tally->failed, 0u);
}

TEST_F(RunTest, faults_of_the_network_lose_no_request) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimWorld other({.seed = seed, .faults = {}});
    *tally = Tally();
    io::Ring own(other.kernel(), other.syscalls(), other.clock(), {.hot = 64, .most = 64});
    auto random = std::make_shared<uint64_t>(seed);
    other.serve(address, [&other, random]() -> SimPeer& {
      SimPeer& peer = other.adopt();
      peer.when_bytes = [&peer, random](std::string_view) {
        *random = mix_bits(*random);
        switch (*random % 4) {
          case 0: return peer.reset();
          case 1: return peer.close();
          default: peer.send(std::string(kAnswer), microseconds(*random % 3000));
        }
      };
      return peer;
    });
    settings.connections = 5;
    settings.requests = 200;
    const Result<int> fd = other.syscalls().open_eventfd();
    auto workload = Workload::make(settings, {});
    load::Run lossy(own, settings, std::move(*workload), *tally, {}, *fd);
    lossy.live();
    EXPECT_EQ(tally->completed + tally->failed, tally->started) << seed;
    EXPECT_EQ(tally->started, 200u) << seed;
    other.syscalls().close(*fd);
  }
}

}  // namespace
}  // namespace sluice::load
