// The client in a world that breaks things: each call ends in time, with its own answer or an
// error.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include <sluice/http/client.h>

#include "sim_world.h"

namespace sluice::http {
namespace {

class Numbers final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    co_return net::NameAnswer{.addresses = {*net::parse_address(host, port)}, .valid_for = {}};
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
};

support::SimOptions options_of(uint64_t seed, bool is_hostile) {
  support::Prng prng(seed);
  return {
      .seed = seed,
      .faults = is_hostile ? support::FaultPlan::hostile(prng) : support::FaultPlan::rough(prng)};
}

class Faults {
 public:
  Faults(uint64_t seed, bool is_hostile) : world_(options_of(seed, is_hostile)) {
    world_.serve(support::sim_address("10.0.0.1", 80), [this]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      auto text = std::make_shared<std::string>();
      peer.when_bytes = [this, &peer, text](std::string_view bytes) {
        *text += bytes;
        while (answer(peer, *text)) {
        }
      };
      return peer;
    });
    auto made = Client::make(ring_, names_, {.url = "http://10.0.0.1/", .private_addresses = true});
    client_ = *std::move(made);
  }

  struct Outcome {
    size_t answered = 0;
    size_t failed = 0;
  };
  Outcome run(size_t calls) {
    size_t begun = 0;
    while (begun < calls) {
      for (uint64_t i = world_.random().below(8) + 1; i > 0 && begun < calls; --i, ++begun) {
        const auto patience = milliseconds(50 + world_.random().below(2000));
        io::start_detached(call(std::to_string(begun), patience));
      }
      EXPECT_TRUE(world_.run_for(ring_, milliseconds(world_.random().below(300))));
    }
    EXPECT_TRUE(
        world_.run_until(ring_, [&] { return outcome_.answered + outcome_.failed == calls; }));
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
    return outcome_;
  }

 private:
  // Echoes one whole request, framed by chance.
  bool answer(support::SimPeer& peer, std::string& text) {
    constexpr std::string_view kLength = "content-length: ";
    const size_t head = text.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    size_t length = 0;
    const size_t at = text.find(kLength) + kLength.size();
    std::from_chars(text.data() + at, text.data() + head, length);
    if (text.size() < head + 4 + length) return false;
    const std::string body = text.substr(head + 4, length);
    text.erase(0, head + 4 + length);
    const uint64_t chance = world_.random().below(100);
    const std::string size = std::to_string(length);
    if (chance < 40) {
      peer.send("HTTP/1.1 200 OK\r\ncontent-length: " + size + "\r\n\r\n" + body);
    } else if (chance < 80) {
      std::string chunks;
      for (const char c : body) chunks += std::string("1\r\n") + c + "\r\n";
      peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n");
    } else if (chance < 90) {
      peer.send("HTTP/1.1 200 OK\r\n\r\n" + body);
      peer.close();
    } else if (chance < 95) {
      peer.send("HTTP/1.1 200 OK\r\ncontent-length: " + size + "\r\n\r\n" + body);
      peer.close();
    } else {
      peer.close();
    }
    return true;
  }
  Task<void> call(std::string name, Duration patience) {
    const Deadline deadline = Deadline::after(ring_.now(), patience);
    const std::string body = "call " + name;
    const Result<ClientAnswer> answer = co_await client_->post("/", "text/plain", body, deadline);
    if (answer) {
      EXPECT_EQ(answer->body, body);
      ++outcome_.answered;
    } else {
      ++outcome_.failed;
    }
    EXPECT_LE(ring_.now() - deadline.at, milliseconds(100));
  }
  Task<void> end(bool* is_over) {
    co_await client_->end();
    *is_over = true;
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  Numbers names_;
  std::unique_ptr<Client> client_;
  Outcome outcome_;
};

TEST(ClientFaults, a_rough_world_costs_answers_only_where_the_server_closes) {
  size_t answered = 0;
  size_t failed = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const auto outcome = Faults(seed, false).run(40);
    answered += outcome.answered;
    failed += outcome.failed;
  }
  EXPECT_GT(answered, 10 * failed);
}

TEST(ClientFaults, a_hostile_world_gets_errors_but_no_wrong_and_no_late_answer) {
  size_t answered = 0;
  for (uint64_t seed = 1; seed <= 120; ++seed) answered += Faults(seed, true).run(40).answered;
  EXPECT_GT(answered, 0u);
}

}  // namespace
}  // namespace sluice::http
