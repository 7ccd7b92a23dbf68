// A calm world for exact tests: one shard, upstreams whose every byte the test sends, exact times.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "answer_reader.h"
#include "shard_world.h"

namespace sluice::sim {

// A client whose answers are read as they come.
class StageClient final : public support::SimPeer {
 public:
  using SimPeer::SimPeer;
  void ask(const std::string& request) {
    reader.expect();
    send(request);
  }
  AnswerReader reader;
  MonoTime ended_at = MonoTime::max();

 private:
  void on_bytes(std::string_view bytes) override { reader.take(bytes); }
  void on_ended() override {
    reader.end();
    note_end();
  }
  void on_reset() override { note_end(); }
  void note_end() {
    if (ended_at == MonoTime::max()) ended_at = world().clock().now();
  }
};

// One connection that the gateway has opened.
class StageUpstream final : public support::SimPeer {
 public:
  using SimPeer::SimPeer;
  MonoTime ended_at = MonoTime::max();

 private:
  void on_ended() override {
    ended_at = world().clock().now();
    close();
  }
  void on_reset() override { ended_at = world().clock().now(); }
};

class Stage : public testing::Test {
 protected:
  static constexpr std::string_view kConfig =
      "timeouts: {first_byte: 1s, head: 1s, body: 2s, keep_alive: 3s, stall: 4s}\n"
      "retries: {backoff: 1ms, backoff_max: 1ms}\n"
      "upstreams:\n"
      "  - {name: a, url: 'http://10.0.1.1:8000', private_addresses: true,"
      " timeouts: {connect: 500ms, response: 5s, idle: 6s}}\n"
      "  - {name: b, url: 'http://10.0.1.2:8000', private_addresses: true,"
      " timeouts: {connect: 500ms, response: 5s, idle: 6s}}\n"
      "models:\n"
      "  - {name: m, routes: [{upstream: a}]}\n"
      "  - {name: both, routes: [{upstream: a}, {upstream: b, priority: 1}]}\n";

  Stage() : Stage(ShardOptions{}) {}
  explicit Stage(ShardOptions options) : shard(with_config(std::move(options))) {}

  static ShardOptions with_config(ShardOptions options) {
    if (options.config.empty()) options.config = kConfig;
    return options;
  }
  static net::Address a() { return support::sim_address("10.0.1.1", 8000); }
  static net::Address b() { return support::sim_address("10.0.1.2", 8000); }

  void serve(const net::Address& address, bool reads = true) {
    shard.world().serve(address, [this, reads]() -> support::SimPeer& {
      auto& upstream = shard.world().adopt<StageUpstream>();
      if (!reads) upstream.stall_reading();
      upstreams.push_back(&upstream);
      return upstream;
    });
  }
  StageClient& client() { return shard.world().connect<StageClient>(ShardWorld::address()); }
  [[nodiscard]] MonoTime now() { return shard.world().clock().now(); }
  bool run_until(const std::function<bool()>& is_done) { return shard.run_until(is_done); }
  bool run_for(Duration duration) { return shard.run_for(duration); }
  // Turns until the gateway's request number `count` has come whole.
  bool run_until_asked(size_t count = 1) {
    return run_until([this, count] {
      return upstreams.size() >= count &&
             upstreams[count - 1]->received().find("\r\n\r\n") != std::string::npos;
    });
  }

  static std::string post(std::string_view body, std::string_view fields = {}) {
    return "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + std::string(fields) +
           "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  static std::string chunk(std::string_view payload) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", payload.size());
    return size + std::string(payload) + "\r\n";
  }
  static std::string answer(std::string_view body) {
    return "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " +
           std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }

  static constexpr std::string_view kUnary = "{\"model\":\"m\"}";
  static constexpr std::string_view kBoth = "{\"model\":\"both\"}";
  static constexpr std::string_view kStream = "{\"model\":\"m\",\"stream\":true}";
  static constexpr std::string_view kStreamHead =
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
  static constexpr std::string_view kEvent = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";

  ShardWorld shard;
  std::vector<StageUpstream*> upstreams;  // Connections, in the order in which they were opened.
};

// Fake time stands still but for the network's delays, the timer wheel's tick, and the turns.
inline void expect_about(Duration measured, Duration expected) {
  EXPECT_GE(measured, expected);
  EXPECT_LE(measured, expected + milliseconds(5));
}

}  // namespace sluice::sim
