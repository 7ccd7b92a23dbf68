#pragma once

#include <span>
#include <string>
#include <string_view>

#include <sluice/http/response_sink.h>
#include <sluice/io/event.h>

namespace sluice::exchange {

// A client that takes everything at once, or nothing at all.
class FakeSink final : public http::ResponseSink {
 public:
  explicit FakeSink(io::ReadyQueue& ready) : sent_(ready), interrupted_(ready) {}

  [[nodiscard]] Framing stream_framing() const noexcept override { return Framing::kChunked; }
  [[nodiscard]] bool is_head_only() const noexcept override { return false; }
  void begin_head(uint16_t new_status, size_t) noexcept override { status = new_status; }
  bool add_header(http::FieldName name, std::string_view value) noexcept override {
    head += std::string(name.text()) + ": " + std::string(value) + "\n";
    return true;
  }
  bool add_lines(std::string_view lines) noexcept override {
    head += lines;
    return true;
  }
  void end_head(http::BodyFraming framing) noexcept override {
    length = framing.length;
    is_committed_ = true;
  }
  [[nodiscard]] bool is_committed() const noexcept override { return is_committed_; }
  void send(std::span<const std::string_view> slices) noexcept override {
    for (const std::string_view slice : slices) body += slice;
    if (takes) {
      sent_.trigger();
    } else {
      is_sending_ = true;
    }
  }
  [[nodiscard]] bool is_sending() const noexcept override { return is_sending_; }
  [[nodiscard]] io::Event& sent() noexcept override { return sent_; }
  [[nodiscard]] Result<void> take_sent() noexcept override {
    sent_.reset();
    if (was_aborted) return fail(ErrorCode::kDownstreamLost, Side::kDownstream, "aborted");
    return {};
  }
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept override { return acknowledged; }
  [[nodiscard]] net::Traffic take_traffic() noexcept override { return {}; }
  [[nodiscard]] io::Event& interrupted() noexcept override { return interrupted_; }
  [[nodiscard]] ErrorCode interruption() const noexcept override { return interruption_; }
  void abort() noexcept override {
    was_aborted = true;
    is_sending_ = false;
    sent_.trigger();
  }
  void interrupt(ErrorCode code) {
    interruption_ = code;
    interrupted_.trigger();
  }

  bool takes = true;
  bool was_aborted = false;
  uint64_t acknowledged = 0;
  uint16_t status = 0;
  uint64_t length = 0;
  std::string head;
  std::string body;

 private:
  io::Event sent_;
  io::Event interrupted_;
  ErrorCode interruption_ = ErrorCode::kDownstreamLost;
  bool is_committed_ = false;
  bool is_sending_ = false;
};

}  // namespace sluice::exchange
