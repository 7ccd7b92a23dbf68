// A stage whose upstreams answer by themselves or hold what they are asked, and count it.
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "stage.h"

namespace sluice::sim {

class ServerPeer;

// One upstream over all its connections.
struct Server {
  // The request that has waited longest is answered with `bytes`.
  void finish_one(const std::string& bytes);
  void finish_all(const std::string& bytes) {
    while (!held.empty()) finish_one(bytes);
  }

  std::string answer;   // Sent at once; while it is empty requests are held.
  bool resets = false;  // Every request, instead.
  std::vector<std::string> requests;
  std::deque<ServerPeer*> held;
  size_t held_most = 0;
};

class ServerPeer final : public support::SimPeer {
 public:
  ServerPeer(support::SimWorld& world, Server& server) : SimPeer(world), server_(server) {}

 private:
  void on_bytes(std::string_view bytes) override {
    pending_ += bytes;
    const size_t head_end = pending_.find("\r\n\r\n");
    if (head_end == std::string::npos) return;
    const size_t field = pending_.find("content-length: ");
    const size_t length = std::stoul(pending_.substr(field + 16));
    if (pending_.size() < head_end + 4 + length) return;
    server_.requests.push_back(std::exchange(pending_, {}));
    if (server_.resets) return reset();
    if (!server_.answer.empty()) return send(server_.answer);
    server_.held.push_back(this);
    server_.held_most = std::max(server_.held_most, server_.held.size());
  }
  void on_ended() override {
    std::erase(server_.held, this);
    close();
  }
  void on_reset() override { std::erase(server_.held, this); }

  Server& server_;
  std::string pending_;
};

inline void Server::finish_one(const std::string& bytes) {
  ASSERT_FALSE(held.empty());
  ServerPeer* const peer = held.front();
  held.pop_front();
  peer->send(bytes);
}

class ServedStage : public Stage {
 protected:
  using Stage::Stage;

  // Upstreams a, b, c and d, which are the servers 0 to 3, with `options` each; then `models`.
  void start(const std::string& options, const std::string& rest, const std::string& first = {}) {
    start_with({options, options, options, options}, rest, first);
  }
  void start_with(std::vector<std::string> options, const std::string& rest,
                  const std::string& first = {}) {
    for (uint32_t i = 0; i < 4; ++i) {
      const std::string ip = "10.0.1." + std::to_string(i + 1);
      shard.world().serve(support::sim_address(ip.c_str(), 8000), [this, i]() -> support::SimPeer& {
        return shard.world().adopt<ServerPeer>(servers[i]);
      });
    }
    reload(options, rest, first);
  }
  void reload(const std::vector<std::string>& options, const std::string& rest,
              const std::string& first = {}) {
    std::string text = first + "retries: {backoff: 1ms, backoff_max: 1ms}\nupstreams:\n";
    for (size_t i = 0; i < options.size(); ++i) {
      text += "  - {name: " + std::string(1, static_cast<char>('a' + i)) +
              ", url: 'http://10.0.1." + std::to_string(i + 1) + ":8000', private_addresses: true";
      text += (options[i].empty() ? "" : ", ") + options[i] + "}\n";
    }
    shard.adopt(text + rest);
    ASSERT_TRUE(run_for(milliseconds(1)));
  }

  StageClient& ask(std::string_view model = "m", const std::string& fields = {}) {
    StageClient& made = client();
    made.ask(post("{\"model\":\"" + std::string(model) + "\"}", fields));
    return made;
  }
  // Asks, waits for the answer, and closes.
  Answer get(std::string_view model = "m", const std::string& fields = {}) {
    StageClient& asked = ask(model, fields);
    return finish(asked);
  }
  Answer finish(StageClient& asked) {
    EXPECT_TRUE(run_until([&] { return asked.reader.complete_count() == 1 || asked.is_over(); }));
    EXPECT_EQ(asked.reader.complete_count(), 1u);
    EXPECT_EQ(asked.reader.fault(), "");
    const bool has_one = asked.reader.answers().size() == 1;
    EXPECT_TRUE(has_one) << "exactly one answer";
    asked.close();
    return has_one ? asked.reader.answers()[0] : Answer();
  }
  static bool has_status(StageClient& asked, uint16_t status) {
    return asked.reader.complete_count() == 1 && asked.reader.answers()[0].status == status;
  }
  static std::string status_answer(int status, std::string_view body,
                                   std::string_view fields = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " Status\r\ncontent-type: application/json\r\n" +
           std::string(fields) + "content-length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
  }
  [[nodiscard]] size_t calls() const {
    size_t sum = 0;
    for (const Server& server : servers) sum += server.requests.size();
    return sum;
  }
  [[nodiscard]] int64_t breaker_state(std::string_view name) {
    return shard.upstream_cells(name).breaker_state.value();
  }

  static constexpr int64_t kClosed = 0, kOpen = 1, kHalfOpen = 2;

  Server servers[4];
};

}  // namespace sluice::sim
