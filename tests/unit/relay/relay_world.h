// A simulated upstream and client around one relay, with exact times.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sluice/base/byte_budget.h>
#include <sluice/http/chunked.h>
#include <sluice/io/block_pool.h>
#include <sluice/net/dialer.h>
#include <sluice/relay/relay.h>

#include "sim_world.h"

namespace sluice::relay {

// A client's side over a stream, its head a line of its own.
class StreamSink final : public http::ResponseSink {
 public:
  static constexpr std::string_view kHead = "HEAD\n";

  StreamSink(io::Ring& ring, int fd) : stream_(ring, fd, Side::kDownstream), gone_(ring.ready()) {}

  [[nodiscard]] Framing stream_framing() const noexcept override { return framing; }
  [[nodiscard]] bool is_head_only() const noexcept override { return false; }
  void begin_head(uint16_t, size_t) noexcept override {}
  bool add_header(http::FieldName, std::string_view) noexcept override { return true; }
  bool add_lines(std::string_view) noexcept override { return true; }
  void end_head(http::BodyFraming) noexcept override {}
  [[nodiscard]] bool is_committed() const noexcept override { return true; }
  void send(std::span<const std::string_view> slices) noexcept override {
    EXPECT_FALSE(is_sending()) << "one send in flight";
    std::vector<std::string_view> all;
    if (!is_head_sent_) all.push_back(kHead);
    is_head_sent_ = true;
    all.insert(all.end(), slices.begin(), slices.end());
    ASSERT_FALSE(all.empty());
    ++sends;
    stream_.start_send(all);
  }
  [[nodiscard]] bool is_sending() const noexcept override { return stream_.is_sending(); }
  [[nodiscard]] io::Event& sent() noexcept override { return stream_.sent(); }
  [[nodiscard]] Result<void> take_sent() noexcept override { return stream_.take_sent(); }
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept override {
    return stream_.bytes_acknowledged();
  }
  [[nodiscard]] net::Traffic take_traffic() noexcept override { return stream_.take_traffic(); }
  [[nodiscard]] io::Event& interrupted() noexcept override { return gone_; }
  [[nodiscard]] ErrorCode interruption() const noexcept override {
    return ErrorCode::kDownstreamLost;
  }
  void abort() noexcept override {
    is_aborted = true;
    stream_.shut_down();
  }
  Task<void> close() { return stream_.close(); }

  Framing framing = Framing::kChunked;
  bool is_aborted = false;
  uint64_t sends = 0;

 private:
  net::Stream stream_;
  io::Event gone_;
  bool is_head_sent_ = false;
};

class RelayWorld : public testing::Test {
 protected:
  RelayWorld() {
    upstream_.emplace(ring_, dial_now("10.0.0.1", upstream_peer_), Side::kUpstream);
    sink_.emplace(ring_, dial_now("10.0.0.2", client_));
  }
  ~RelayWorld() override {
    is_closed_ = false;
    io::start_detached(close_all());
    EXPECT_TRUE(run_until([this] { return is_closed_; }));
  }

  // Begins to relay; the outcome is in `result_` once there is one.
  void start(const RelayOptions& options, http::EventFilter* filter = nullptr,
             http::EventTap* tap = nullptr, io::Buffer first = {}) {
    options_ = options;
    result_.reset();
    began_at_ = ring_.now();
    io::start_detached(relay_task(filter, tap, std::move(first)));
  }
  // A received buffer of these bytes.
  io::Buffer buffer_of(std::string_view bytes) {
    io::Buffer buffer = ring_.buffers().take_spare();
    bytes.copy(buffer.spare_data(), bytes.size());
    buffer.set_spare_length(bytes.size());
    return buffer;
  }
  // In place of the upstream there was, as a second attempt brings it.
  void replace_upstream() {
    is_closed_ = false;
    io::start_detached(close_upstream());
    ASSERT_TRUE(run_until([this] { return is_closed_; }));
    upstream_.emplace(ring_, dial_now("10.0.0.1", upstream_peer_), Side::kUpstream);
  }
  bool run_until(const std::function<bool()>& is_done) { return world_.run_until(ring_, is_done); }
  void run_for(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  void run_to_end() {
    ASSERT_TRUE(run_until([this] { return result_.has_value(); }));
    run_for(milliseconds(5));
  }
  [[nodiscard]] Duration lasted() const { return ended_at_ - began_at_; }
  // What the client has of the body, without framing.
  [[nodiscard]] std::string body() const {
    std::string_view raw = client_->received();
    EXPECT_TRUE(raw.empty() || raw.starts_with(StreamSink::kHead));
    raw.remove_prefix(std::min(raw.size(), StreamSink::kHead.size()));
    if (sink_->framing == http::ResponseSink::Framing::kBare) return std::string(raw);
    http::ChunkedDecoder decoder(Side::kUpstream);
    std::string text;
    for (size_t at = 0; at < raw.size() && !decoder.finished();) {
      const auto span = decoder.next(raw, at);
      EXPECT_TRUE(span.has_value()) << raw;
      if (!span) break;
      text += *span;
    }
    return text;
  }

  static std::string event(std::string_view payload) {
    return "data: " + std::string(payload) + "\n\n";
  }
  static std::string chunk(std::string_view text) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + std::string(text) + "\r\n";
  }
  static constexpr std::string_view kEnd = "0\r\n\r\n";
  static constexpr RelayOptions kStream{.framing = {.kind = http::BodyKind::kChunked},
                                        .is_event_stream = true,
                                        .broken_events = {.lost = "data: LOST\n\n",
                                                          .stalled = "data: STALLED\n\n",
                                                          .draining = "data: DRAINING\n\n",
                                                          .differs = "data: DIFFERS\n\n",
                                                          .first_token_late = "data: FIRST\n\n",
                                                          .total_late = "data: TOTAL\n\n",
                                                          .tap_ended = "data: LIMIT\n\n"}};

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 4096}};
  ByteBudget budget_{1 << 30};
  io::BlockPool blocks_{budget_};
  support::SimPeer* upstream_peer_ = nullptr;
  support::SimPeer* client_ = nullptr;
  std::optional<net::Stream> upstream_;
  std::optional<StreamSink> sink_;
  std::optional<RelayResult> result_;
  RelayOptions options_;

 private:
  Task<void> dial_task(net::AddressList list) {
    dialled_.emplace(
        co_await net::dial(ring_, list, {}, Deadline::after(ring_.now(), seconds(1)), nullptr));
  }
  int dial_now(const char* ip, support::SimPeer*& peer) {
    const net::Address address = support::sim_address(ip, 80);
    if (served_.insert(ip).second) {
      world_.serve(address, [this, ip]() -> support::SimPeer& {
        latest_[ip] = &world_.adopt();
        return *latest_[ip];
      });
    }
    net::AddressList list;
    list.entries[list.count++] = address;
    dialled_.reset();
    io::start_detached(dial_task(list));
    EXPECT_TRUE(run_until([this] { return dialled_.has_value(); }));
    const int fd = dialled_->value();
    EXPECT_TRUE(run_until([this, ip] { return latest_[ip] != nullptr; }));
    peer = std::exchange(latest_[ip], nullptr);
    return fd;
  }
  Task<void> relay_task(http::EventFilter* filter, http::EventTap* tap, io::Buffer first) {
    const RelayResult result =
        co_await relay_body(*upstream_, std::move(first), *sink_, filter, tap, blocks_, options_);
    ended_at_ = ring_.now();
    result_ = result;
  }
  Task<void> close_upstream() {
    co_await upstream_->close();
    is_closed_ = true;
  }
  Task<void> close_all() {
    co_await upstream_->close();
    co_await sink_->close();
    is_closed_ = true;
  }

  std::set<std::string> served_;
  std::map<std::string, support::SimPeer*> latest_;
  std::optional<Result<int>> dialled_;
  MonoTime began_at_;
  MonoTime ended_at_;
  bool is_closed_ = false;
};

}  // namespace sluice::relay
