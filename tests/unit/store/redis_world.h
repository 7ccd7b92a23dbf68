// Simulated Redis servers and a client of them, on a simulated kernel.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/store/redis_client.h>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::store {

using Words = std::vector<std::string>;

// Takes whole commands off what has arrived.
inline std::vector<Words> take_commands(std::string& text) {
  std::vector<Words> commands;
  size_t at = 0;
  const auto number = [&](char mark, size_t* from) -> std::optional<size_t> {
    const size_t end = text.find("\r\n", *from);
    if (end == std::string::npos) return std::nullopt;
    EXPECT_EQ(text[*from], mark);
    size_t value = 0;
    std::from_chars(text.data() + *from + 1, text.data() + end, value);
    *from = end + 2;
    return value;
  };
  for (;;) {
    size_t from = at;
    const auto count = from < text.size() ? number('*', &from) : std::nullopt;
    if (!count) break;
    Words words;
    while (words.size() < *count) {
      const auto length = from < text.size() ? number('$', &from) : std::nullopt;
      if (!length || text.size() < from + *length + 2) break;
      words.push_back(text.substr(from, *length));
      from += *length + 2;
    }
    if (words.size() < *count) break;
    commands.push_back(std::move(words));
    at = from;
  }
  text.erase(0, at);
  return commands;
}

inline std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

inline RedisCommand get(const std::string& key) {
  return {.arguments = {"GET", key}, .key = key, .script = {}};
}

// Answers GET with the key.
inline std::optional<std::string> echo(const Words& words) {
  if (words[0] != "GET") return std::nullopt;
  return bulk(words.at(1));
}

// A server that a test plays. Greetings are answered unless `answer` does.
struct FakeRedis {
  net::Address address;
  std::string run_id = "aaaaaaaaaaaaaaaa";
  std::string replication_id = "r1";
  std::string role = "master";
  // The reply to a command, "" for none; nothing leaves it to the greeting.
  std::function<std::optional<std::string>(const Words&)> answer;
  std::vector<Words> commands;  // Without greetings.
  std::vector<support::SimPeer*> peers;
  std::vector<MonoTime> connected_at;  // Of each of them.
  size_t writes = 0;                   // Pieces that arrived.

  [[nodiscard]] std::string greet(const Words& words) {
    const std::string& name = words[0];
    if (name == "AUTH" || name == "SELECT" || name == "CLIENT") return "+OK\r\n";
    if (name == "PING") return "+PONG\r\n";
    if (name == "ROLE") return "*3\r\n" + bulk(role) + ":0\r\n*0\r\n";
    if (name == "INFO" && words.at(1) == "server") {
      return bulk("# Server\r\nrun_id:" + run_id + "\r\n");
    }
    if (name == "INFO")
      return bulk("role:" + role + "\r\nmaster_replid:" + replication_id + "\r\n");
    return "";
  }
  void on_bytes(support::SimPeer& peer, std::string& text, std::string_view bytes) {
    text += bytes;
    ++writes;
    for (const Words& words : take_commands(text)) {
      std::optional<std::string> reply = answer ? answer(words) : std::nullopt;
      const std::string greeting = greet(words);
      if (greeting.empty()) commands.push_back(words);
      if (!reply) reply = greeting;
      if (!reply->empty()) peer.send(*reply);
    }
  }
};

class NumericResolver final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    const auto address = net::parse_address(host, port);
    if (!address) co_return std::unexpected("cannot resolve " + host);
    co_return net::NameAnswer{.addresses = {*address}, .valid_for = {}};
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
};

class RedisWorld : public testing::Test {
 protected:
  using Results = std::vector<Result<RedisReply>>;

  explicit RedisWorld(support::SimOptions options = {}) : world_(std::move(options)) {}
  ~RedisWorld() override {
    if (client_ == nullptr) return;
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }

  // A server at 10.0.0.`number`:6379.
  FakeRedis& serve(int number) {
    auto server = std::make_unique<FakeRedis>();
    FakeRedis& redis = *server;
    redis.address = support::sim_address(host(number).c_str(), 6379);
    servers_.push_back(std::move(server));
    redis_listener_[number] = &world_.serve(redis.address, [this, &redis]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      redis.peers.push_back(&peer);
      redis.connected_at.push_back(world_.clock().now());
      auto text = std::make_shared<std::string>();
      peer.when_bytes = [&redis, &peer, text](std::string_view bytes) {
        redis.on_bytes(peer, *text, bytes);
      };
      return peer;
    });
    return redis;
  }
  static std::string host(int number) { return "10.0.0." + std::to_string(number); }
  static RedisEndpoint at(int number) { return {.host = host(number), .port = 6379}; }

  RedisClient& start(RedisOptions options) {
    client_ = std::make_unique<RedisClient>(ring_, resolver_, log_, std::move(options));
    client_->start();
    return *client_;
  }
  RedisClient& start_up() {
    RedisClient& client = start({.endpoints = {at(1)}});
    EXPECT_TRUE(run_until([&] { return client.is_up(); }));
    return client;
  }

  // Begins; the outcome stands in `*results` once there is one.
  void begin(std::vector<RedisCommand> commands, std::optional<Results>* results,
             Duration patience = seconds(1)) {
    io::start_detached(
        call_task(std::move(commands), Deadline::after(ring_.now(), patience), results));
  }
  Results call(std::vector<RedisCommand> commands, Duration patience = seconds(1)) {
    std::optional<Results> results;
    begin(std::move(commands), &results, patience);
    EXPECT_TRUE(run_until([&] { return results.has_value(); }));
    return *std::move(results);
  }
  Result<RedisReply> call_one(RedisCommand command, Duration patience = seconds(1)) {
    return call({std::move(command)}, patience).at(0);
  }
  bool run_until(const std::function<bool()>& is_done) { return world_.run_until(ring_, is_done); }
  bool run_for(Duration duration) { return world_.run_for(ring_, duration); }
  bool end_now() {
    bool is_over = false;
    io::start_detached(end(&is_over));
    const bool is_good = run_until([&] { return is_over; });
    client_.reset();
    return is_good;
  }

  Task<void> call_task(std::vector<RedisCommand> commands, Deadline deadline,
                       std::optional<Results>* results) {
    Results got = co_await client_->call(std::move(commands), deadline);
    results->emplace(std::move(got));
    ended_at_ = ring_.now();
  }
  Task<void> end(bool* is_over) {
    co_await client_->end();
    *is_over = true;
  }

  support::SimWorld world_;
  NumericResolver resolver_;
  support::KeptLines log_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  std::vector<std::unique_ptr<FakeRedis>> servers_;
  std::map<int, support::SimListener*> redis_listener_;
  std::unique_ptr<RedisClient> client_;
  MonoTime ended_at_{};  // When the last call ended; the simulation may go on until a timer.
};

}  // namespace sluice::store
