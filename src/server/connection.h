// One HTTP/1.1 client connection: reads requests, runs their exchanges, writes their answers.
#pragma once

#include <memory>

#include <sluice/base/intrusive_list.h>
#include <sluice/exchange/exchange.h>
#include <sluice/http/head_bytes.h>
#include <sluice/http/request_body.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_sink.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>
#include <sluice/net/descriptor_message.h>
#include <sluice/net/stream.h>

#include "body_pace.h"
#include "door.h"

namespace sluice::server {

class Http2Connection;
class Worker;

// One coroutine, serve(), from accept to close. Owned by the worker's list; one shard.
//
// While an exchange runs, a receive stays armed so that the client's leaving is seen in every
// phase. What it brings instead is the next request (pipelining) and waits its turn.
class Connection final : public ListLink,
                         private http::ResponseSink,
                         private http::RequestBody,
                         private net::StreamObserver {
 public:
  Connection(Worker& worker, int fd, Arrival arrival) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The whole life of the connection, or what is left of it after it was `passed` on by the
  // predecessor. Suspends; returns with the descriptor closed.
  Task<void> serve(std::unique_ptr<net::PassedConnection> passed = nullptr);

  // No further request is read; an idle connection closes at once.
  void begin_drain() noexcept;
  // The successor serves: a plain connection goes to it as soon as no request of it runs; one of
  // TLS ends after its present request, or its first one.
  void begin_hand_over() noexcept;
  // Ends the running exchange: an event stream gets a last error event.
  void cut() noexcept;
  // Ends everything in this turn.
  void kill() noexcept;

 private:
  // Behind an answer to a body that was not read: what is still taken from the client, so that a
  // reset does not destroy the answer on its way. Clients that send all before they read, as the
  // SDKs do, lose a 413 when less than their body is taken; what is dropped costs no memory.
  static constexpr size_t kLingerBytesMax = 64 * 1024 * 1024;
  static constexpr Duration kLingerMax = seconds(2);
  // A declared length up to this is taken as one block; above it the block grows as bytes come, so
  // that heads alone, which cost their senders nothing, cannot take up the byte budget.
  static constexpr size_t kTrustedLengthMax = 64 * 1024;

  // Kept free in a head's block for the fields that end_head() adds.
  static constexpr size_t kHeadReserve = 512;
  static constexpr size_t kJoinBelow = 2048;

  // --- reading -----------------------------------------------------------------------------
  // How often, and with which pauses, a full channel to the successor is tried again.
  static constexpr int kPassTries = 2'500;
  static constexpr Duration kPassPause = milliseconds(2);

  // kLeaves: the connection is to go to the successor.
  enum class HeadRead : uint8_t { kDone, kMalformed, kTimeout, kClosed, kLeaves };
  // The PROXY protocol, where the listener expects it; false when the connection is over. Suspends.
  Task<bool> introduce();
  // Until the client says something; false when it does not. Suspends.
  Task<bool> await_first_byte();
  // The TLS handshake; false when the connection is over. Suspends.
  Task<bool> secure();
  Task<HeadRead> read_head();
  // False when the connection is over.
  [[nodiscard]] bool take_up(const net::PassedConnection& passed) noexcept;
  Task<void> pass_on();
  void count_slow(metrics::SlowClient with) noexcept;
  [[nodiscard]] const std::optional<Ipv6Bytes>& find_peer() noexcept;
  [[nodiscard]] exchange::RefusedHead begin_exchange(HeadRead outcome) noexcept;
  // Throws the bytes of the finished request away and turns to what came behind it.
  void turn_to_next_request() noexcept;
  Task<void> linger();

  // --- http::RequestBody -------------------------------------------------------------------
  Task<Result<std::string_view>> read(uint64_t bytes_max) override;
  [[nodiscard]] std::optional<Result<std::string_view>> take_at_hand(
      uint64_t bytes_max) noexcept override;
  void release() noexcept override;
  Task<Result<std::string_view>> read_by_length(uint64_t length);
  // The receive that watched the client during the exchange before may still be armed, when this
  // request's head came before that: what it brings is the body's next bytes.
  Task<Result<void>> take_armed_receive(size_t total, Deadline deadline, const BodyPace& pace);
  Task<Result<std::string_view>> read_chunked(uint64_t bytes_max);
  Task<Result<void>> send_continue();
  // Until bytes come, at most until `deadline`, and while the body keeps its pace with `bytes`.
  Task<Result<void>> await_received(Deadline deadline, const BodyPace& pace, uint64_t bytes);
  [[nodiscard]] Result<void> add_payload(std::string_view payload, uint64_t bytes_max) noexcept;

  // --- http::ResponseSink ------------------------------------------------------------------
  [[nodiscard]] Framing stream_framing() const noexcept override;
  [[nodiscard]] bool is_head_only() const noexcept override;
  void begin_head(uint16_t status, size_t bytes_hint) noexcept override;
  bool add_header(http::FieldName name, std::string_view value) noexcept override;
  bool add_lines(std::string_view lines) noexcept override;
  void end_head(http::BodyFraming framing) noexcept override;
  [[nodiscard]] bool is_committed() const noexcept override { return is_committed_; }
  void send(std::span<const std::string_view> slices) noexcept override;
  [[nodiscard]] bool is_sending() const noexcept override { return stream_.is_sending(); }
  [[nodiscard]] io::Event& sent() noexcept override { return stream_.sent(); }
  [[nodiscard]] Result<void> take_sent() noexcept override;
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept override {
    return stream_.bytes_acknowledged();
  }
  [[nodiscard]] net::Traffic take_traffic() noexcept override { return stream_.take_traffic(); }
  [[nodiscard]] io::Event& interrupted() noexcept override { return interrupted_; }
  [[nodiscard]] ErrorCode interruption() const noexcept override { return interruption_; }
  void abort() noexcept override;

  // --- net::StreamObserver -----------------------------------------------------------------
  void on_received() noexcept override;
  void on_hung_up() noexcept override { lose_client(); }
  [[nodiscard]] bool has_head_room(size_t bytes) const noexcept;
  [[nodiscard]] size_t join_head(std::span<std::string_view> slices) noexcept;
  void start_watch() noexcept;
  void lose_client() noexcept;

  // Serves all that the client wants over HTTP/2. Suspends.
  Task<void> serve_http2();

  Worker& worker_;
  Http2Connection* http2_ = nullptr;  // While serve_http2() runs.
  net::Stream stream_;
  io::Timer timer_;
  io::Event interrupted_;
  io::Event drained_;  // Wakes an idle connection when draining begins.
  ErrorCode interruption_ = ErrorCode::kDownstreamLost;
  http::RequestParser parser_;
  http::HeadBytes input_;      // The present request from its first byte, and what follows it.
  http::HeadBytes pipelined_;  // What came while the exchange ran.
  io::Block body_;             // The body, unless it lies behind its head in input_.
  size_t body_bytes_ = 0;
  size_t consumed_ = 0;   // Bytes of input_ that belong to the present request.
  io::Block head_block_;  // The answer's head until it has been sent.
  std::string_view head_text_;
  http::HeadWriter head_writer_;
  auth::KeyMemory key_memory_;
  Arrival arrival_;  // The peer by the kernel or a trusted balancer; see Arrival::find_peer().
  MonoTime head_began_at_;
  uint32_t requests_ = 0;
  bool keeps_alive_ = true;
  bool client_closes_ = false;  // The client, or HTTP/1.0, asked for the close.
  bool body_is_read_ = true;
  bool is_released_ = false;
  bool is_committed_ = false;
  bool head_goes_out_ = false;  // The send in flight carries the head.
  bool is_draining_ = false;
  bool is_leaving_ = false;  // The successor serves.
  bool is_plain_ = false;    // And known to be.
  bool drops_body_ = false;  // There was no memory for the answer's head; a bare 503 stands in.
};

}  // namespace sluice::server
