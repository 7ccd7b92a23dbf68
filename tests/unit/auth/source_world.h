// A ring on a simulated kernel and a source that a test asks on it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sluice/auth/key_source.h>
#include <sluice/base/log.h>
#include <sluice/net/resolver.h>

#include "sim_world.h"

namespace sluice::auth {

class NumericNames final : public net::Resolver {
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

class SourceWorld : public testing::Test {
 protected:
  using Kind = KeyAnswer::Kind;

  ~SourceWorld() override {
    if (source_ == nullptr) return;
    bool is_over = false;
    io::start_detached(end(&is_over));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  }
  // Each connection to 10.0.0.1:`port` is answered by `answer`.
  void serve(uint16_t port, std::function<void(support::SimPeer&, std::string_view)> answer) {
    answer_ = std::move(answer);
    world_.serve(support::sim_address("10.0.0.1", port), [this]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      peers_.push_back(&peer);
      peer.when_bytes = [this, &peer](std::string_view bytes) { answer_(peer, bytes); };
      return peer;
    });
  }
  KeyAnswer ask(const std::string& secret, Duration patience = seconds(1)) {
    const KeyQuestion question{.secret = secret, .digest = crypto::sha256(secret)};
    std::optional<KeyAnswer> answer;
    io::start_detached(ask_task(&question, Deadline::after(ring_.now(), patience), &answer));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return answer.has_value(); }));
    return std::move(*answer);
  }
  Task<void> ask_task(const KeyQuestion* question, Deadline deadline,
                      std::optional<KeyAnswer>* out) {
    KeyAnswer answer = co_await source_->ask(*question, deadline);
    out->emplace(std::move(answer));
  }
  Task<void> end(bool* is_over) {
    co_await source_->end();
    *is_over = true;
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  NumericNames names_;
  NullLogger log_;
  std::function<void(support::SimPeer&, std::string_view)> answer_;
  std::vector<support::SimPeer*> peers_;
  std::unique_ptr<KeySource> source_;
};

}  // namespace sluice::auth
