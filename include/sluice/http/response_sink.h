// The client as the exchange sees it: a head, body slices, and whether it is still there.
#pragma once

#include <span>
#include <string_view>

#include <sluice/base/result.h>
#include <sluice/http/head.h>
#include <sluice/http/serializer.h>
#include <sluice/io/event.h>
#include <sluice/net/stream.h>

namespace sluice::http {

// Implemented by `server`, for HTTP/1.1 and for HTTP/2. Exchange and relay know nothing else of the
// client.
//
// Call order: begin_head, add_header*, end_head, then send* or flush_head, then finish or abort.
// One send in flight. Lives as long as the exchange; one shard; nothing here suspends.
class ResponseSink {
 public:
  // How this client can be told where a body ends.
  enum class Framing : uint8_t {
    kChunked,  // HTTP/1.1: the sender writes chunked coding itself; an upstream's may pass as it
               // is.
    kBare,     // Payload alone; the end of the connection (HTTP/1.0) or of the stream (HTTP/2)
               // tells its end.
  };
  static constexpr size_t kSlicesMax = 30;

  // For bodies whose length is not known at the head.
  [[nodiscard]] virtual Framing stream_framing() const noexcept = 0;
  // True for HEAD: the head is sent, the body is not.
  [[nodiscard]] virtual bool is_head_only() const noexcept = 0;

  // `bytes_hint` is about how long the fields will be.
  virtual void begin_head(uint16_t status, size_t bytes_hint) noexcept = 0;
  // Fields of the connection (connection, keep-alive, content-length, transfer-encoding) are the
  // sink's own and are not passed here. False when the head is full: the field is left out.
  virtual bool add_header(FieldName name, std::string_view value) noexcept = 0;
  // The same for whole lines of a head that was parsed, as they came.
  virtual bool add_lines(std::string_view lines) noexcept = 0;
  // kLength or kNone, or kChunked for "as stream_framing() says".
  virtual void end_head(BodyFraming framing) noexcept = 0;
  // True once end_head() was called: the commit point has passed.
  [[nodiscard]] virtual bool is_committed() const noexcept = 0;

  // Begins sending; a head not yet sent goes out in the same message. Slices must live until
  // sent() is ready. Empty `slices` send the head alone. Not while is_sending().
  virtual void send(std::span<const std::string_view> slices) noexcept = 0;
  [[nodiscard]] virtual bool is_sending() const noexcept = 0;
  [[nodiscard]] virtual io::Event& sent() noexcept = 0;
  [[nodiscard]] virtual Result<void> take_sent() noexcept = 0;

  // Bytes that the client's host has acknowledged so far; dear, for rare looks only.
  [[nodiscard]] virtual uint64_t bytes_acknowledged() const noexcept = 0;

  // Bytes from and to the client since the last call, heads and framing included.
  [[nodiscard]] virtual net::Traffic take_traffic() noexcept = 0;

  // Ready once the client has left, or the shard cuts its streams at the end of a drain.
  [[nodiscard]] virtual io::Event& interrupted() noexcept = 0;
  // kDownstreamLost or kDraining; only when interrupted() is ready.
  [[nodiscard]] virtual ErrorCode interruption() const noexcept = 0;

  // The answer is incomplete: the connection must not be used again, and its end must be visible.
  virtual void abort() noexcept = 0;

 protected:
  ~ResponseSink() = default;
};

}  // namespace sluice::http
