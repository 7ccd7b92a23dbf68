// One request and its answer on an HTTP/2 connection.
#pragma once

#include <optional>

#include <sluice/exchange/exchange.h>
#include <sluice/http/http2_session.h>
#include <sluice/http/request_body.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_sink.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>

#include "http2_connection.h"

namespace sluice::server {

// Lives in the frame of its coroutine, run(). The exchange sees it as any client; what it sends is
// sent when its bytes are with the kernel, so the relay's pull follows the stream's window and the
// socket.
class Http2Stream final : public Http2StreamLink,
                          public http::Http2Port,
                          private http::ResponseSink,
                          private http::RequestBody {
 public:
  Http2Stream(Http2Connection& connection, const http::Http2Head& head) noexcept;
  ~Http2Stream() override;
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  // From begin() to the end of the answer. Suspends.
  Task<void> run();
  void begin() noexcept { begun_.trigger(); }
  void interrupt(ErrorCode code) noexcept;
  // The connection's socket is of no use any more, and no byte is with the kernel.
  void lose() noexcept;

 private:
  // Kept free in a head's block for the fields that end_head() adds.
  static constexpr size_t kHeadReserve = 512;
  static constexpr size_t kTrustedLengthMax = 64 * 1024;

  [[nodiscard]] exchange::RefusedHead read_head(const http::Http2Head& head) noexcept;
  Task<void> finish();

  // --- http::Http2Port -----------------------------------------------------------------------
  void on_body(std::string_view bytes) noexcept override;
  void on_body_end() noexcept override;
  void on_sent() noexcept override;
  void on_closed(bool is_whole) noexcept override;

  // --- http::RequestBody ---------------------------------------------------------------------
  Task<Result<std::string_view>> read(uint64_t bytes_max) override;
  [[nodiscard]] std::optional<Result<std::string_view>> take_at_hand(
      uint64_t bytes_max) noexcept override;
  void release() noexcept override;
  void open_window() noexcept;
  void drop_body() noexcept;

  // --- http::ResponseSink --------------------------------------------------------------------
  [[nodiscard]] Framing stream_framing() const noexcept override { return Framing::kBare; }
  [[nodiscard]] bool is_head_only() const noexcept override {
    return parser_.head().method == http::Method::kHead;
  }
  void begin_head(uint16_t status, size_t bytes_hint) noexcept override;
  bool add_header(http::FieldName name, std::string_view value) noexcept override;
  bool add_lines(std::string_view lines) noexcept override;
  void end_head(http::BodyFraming framing) noexcept override;
  [[nodiscard]] bool is_committed() const noexcept override { return is_committed_; }
  void send(std::span<const std::string_view> slices) noexcept override;
  [[nodiscard]] bool is_sending() const noexcept override { return is_sending_; }
  [[nodiscard]] io::Event& sent() noexcept override { return sent_; }
  [[nodiscard]] Result<void> take_sent() noexcept override;
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept override;
  [[nodiscard]] net::Traffic take_traffic() noexcept override;
  [[nodiscard]] io::Event& interrupted() noexcept override { return interrupted_; }
  [[nodiscard]] ErrorCode interruption() const noexcept override { return interruption_; }
  void abort() noexcept override;

  [[nodiscard]] bool has_head_room(size_t bytes) const noexcept;
  void end_send() noexcept;

  Http2Connection& connection_;
  io::Event begun_;
  io::Event interrupted_;
  io::Event sent_;
  io::Event body_moved_;
  io::Timer timer_;
  ErrorCode interruption_ = ErrorCode::kDownstreamLost;
  http::RequestParser parser_;
  io::Block request_;  // The request's head.
  io::Block body_;
  size_t body_bytes_ = 0;
  size_t body_consumed_ = 0;  // Of them, those whose place in the window the client has again.
  uint64_t body_bytes_max_ = UINT64_MAX;
  std::optional<ErrorCode> body_fault_;
  bool body_has_ended_;
  bool is_handed_ = false;   // The exchange has a view of the body.
  bool drops_body_ = false;  // Nobody will ask for what still comes.
  io::Block head_block_;     // The answer's head until it is the session's.
  http::HeadWriter head_writer_;
  http::BodyFraming framing_;
  uint16_t status_ = 0;
  uint64_t answer_bytes_ = 0;
  bool is_committed_ = false;
  bool is_head_sent_ = false;
  bool is_sending_ = false;
  bool is_failed_ = false;  // Nothing more can be sent.
  bool is_bare_ = false;    // There was no memory for the answer's head; a bare 503 stands in.
  net::Traffic traffic_;
  uint64_t handed_told_ = 0;
  // For bytes_acknowledged().
  mutable uint64_t progress_ = 0;
  mutable uint64_t handed_seen_ = 0;
  mutable uint64_t acknowledged_seen_ = 0;
  exchange::RefusedHead refused_;
  MonoTime began_at_;
};

}  // namespace sluice::server
