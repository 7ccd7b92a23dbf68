// The server's side of one HTTP/2 connection (RFC 9113): bytes in, events out, and back.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/http/head.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/block_pool.h>

struct nghttp2_session;
struct nghttp2_option;

namespace sluice::http {

struct Http2Limits {
  HeadLimits head{};
  uint32_t streams_max = 100;
  uint32_t resets_per_second = 100;
  uint32_t control_frames_per_second = 1000;
};

// Why the session ended the connection.
enum class Http2Fault : uint8_t {
  kNone,
  kProtocol,       // The client broke RFC 9113.
  kResets,         // Above resets_per_second.
  kControlFrames,  // Above control_frames_per_second.
  kHeaders,        // A header block of too many frames.
  kMemory,
};

// A request's head as it came.
struct Http2Head {
  int32_t stream = 0;
  std::string_view text;  // An HTTP/1.1 head for RequestParser; empty when it was too large.
  bool has_body = false;
  size_t bytes = 0;  // On the wire.
};

// Says how the body ends, which in HTTP/2 the head need not tell.
void settle_http2_body(RequestHead& head, bool has_body) noexcept;

class Http2Session;

// One stream's place in a session: what it owes the client, and what it hears. `server` derives
// from it. Lives until on_closed(), Http2Session::forget(), or the session's end.
class Http2Port : public ListLink {
 public:
  Http2Port() noexcept = default;
  virtual ~Http2Port() = default;
  [[nodiscard]] int32_t stream() const noexcept { return stream_; }
  // Whether a part of what was sent has not been handed to the kernel.
  [[nodiscard]] bool is_owing() const noexcept {
    return owes_head_ || left_ > 0 || (ends_ && !has_ended_) || is_linked();
  }
  // Whether the end of the answer is on its way or sent.
  [[nodiscard]] bool ends() const noexcept { return ends_; }
  [[nodiscard]] bool is_closed() const noexcept { return stream_ == 0; }
  // Whether bytes of it are with the kernel.
  [[nodiscard]] bool is_in_batch() const noexcept { return is_linked(); }
  // Payload that was handed over, in all.
  [[nodiscard]] uint64_t bytes_handed() const noexcept { return bytes_handed_; }

  // Called while the session is fed or has gathered; must not call the session.
  virtual void on_body(std::string_view bytes) noexcept = 0;
  virtual void on_body_end() noexcept = 0;
  // All that was sent is with the kernel, or will never be: then is_closed().
  virtual void on_sent() noexcept = 0;
  // The stream is over and nothing more goes out. `is_whole`: all that was to go out has.
  virtual void on_closed(bool is_whole) noexcept = 0;

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;
  void drop() noexcept;

  int32_t stream_ = 0;  // 0 while the session does not know it.
  uint32_t first_ = 0;  // Slices before it were handed over.
  uint32_t count_ = 0;
  size_t left_ = 0;
  uint64_t bytes_handed_ = 0;
  bool owes_head_ = false;
  bool ends_ = false;
  bool has_ended_ = false;
  bool was_reset_ = false;  // By us.
  std::array<std::string_view, ResponseSink::kSlicesMax> slices_;
};

class Http2Observer {
 public:
  // A stream has begun. Null refuses it (REFUSED_STREAM).
  [[nodiscard]] virtual Http2Port* on_head(const Http2Head& head) noexcept = 0;
  // The client has seen the notice of shutdown.
  virtual void on_notice_seen() noexcept = 0;

 protected:
  ~Http2Observer() = default;
};

// The one place that sees nghttp2. Never suspends, knows no socket: feed() takes what came, and
// gather() says what is to be sent, which batch_sent() then confirms. Payload is not copied.
//
// What a client can make it hold is bounded: by streams_max, by one header block of
// head_bytes_max, by the tables of HPACK (4 KiB each way), by a block of 4 KiB in which small
// frames are joined, and by what waits to be sent, for which is_behind() asks its owner to read no
// further. One shard.
class Http2Session {
 public:
  static constexpr uint32_t kStreamWindow = 64 * 1024 - 1;    // Before a body is asked for.
  static constexpr uint32_t kBodyWindow = 1024 * 1024;        // Of a body that is read.
  static constexpr uint32_t kConnectionWindow = 1024 * 1024;  // Filled up as bytes come.
  static constexpr size_t kBatchBytesMax = 64 * 1024;
  static constexpr size_t kFramesWaitingMax = 64;

  // Everything must outlive it. Not usable when is_made() is false: there was no memory.
  Http2Session(Http2Observer& observer, io::BlockPool& blocks, const Http2Limits& limits) noexcept;
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;
  [[nodiscard]] bool is_made() const noexcept { return session_ != nullptr; }

  // Takes what was received. Afterwards fault() may be set: then gather() still says goodbye.
  void feed(std::string_view bytes, MonoTime now) noexcept;
  [[nodiscard]] Http2Fault fault() const noexcept { return fault_; }
  // Since when a header block lasts that has not ended; max() outside of one.
  [[nodiscard]] MonoTime head_began_at() const noexcept { return head_began_at_; }

  // Fills `slices` with what is to be sent now and returns their number. They live until
  // batch_sent(), which must come before the next call.
  [[nodiscard]] size_t gather(std::span<std::string_view> slices) noexcept;
  void batch_sent() noexcept;
  [[nodiscard]] bool is_behind() const noexcept;
  // Nothing is left to be read or sent.
  [[nodiscard]] bool is_over() const noexcept;

  // `lines` are whole field lines. With `ends` there is no body.
  void respond(Http2Port& port, uint16_t status, std::string_view lines, bool ends) noexcept;
  // Payload; `slices` are copied, their bytes must live until on_sent(). With `ends` it is the
  // last.
  void send(Http2Port& port, std::span<const std::string_view> slices, bool ends) noexcept;
  void send_continue(Http2Port& port) noexcept;
  // Ends the stream at once. `is_done`: nothing went wrong, the rest of the request is not wanted.
  void reset(Http2Port& port, bool is_done) noexcept;
  // The stream is the session's alone from here on; it is reset unless it has ended.
  void forget(Http2Port& port) noexcept;
  // The client may send more of the body: `bytes` were stored.
  void consume(Http2Port& port, size_t bytes) noexcept;
  void widen(Http2Port& port) noexcept;

  // Says that the connection will close; streams that are on their way are still served.
  void give_notice() noexcept;
  // No stream above those known is served; is_over() once these have ended.
  void close() noexcept;
  // The client must go.
  void end_for(Http2Fault fault) noexcept;

 private:
  friend struct Http2Callbacks;
  static constexpr size_t kStagingBytes = 4 * 1024 - io::BlockPool::kOverread;
  static constexpr size_t kCopyBelow = 1024;

  [[nodiscard]] bool stage(std::string_view bytes) noexcept;
  void count_second(MonoTime now) noexcept;
  [[nodiscard]] bool count_reset() noexcept;
  [[nodiscard]] bool count_control_frame() noexcept;
  void stop(Http2Fault fault, uint32_t code) noexcept;
  struct HeadRead;

  Http2Observer& observer_;
  io::BlockPool& blocks_;
  Http2Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::unique_ptr<HeadRead> head_;  // The header block that is being read.
  MonoTime head_began_at_ = MonoTime::max();
  MonoTime now_{};
  MonoTime second_began_at_{};
  uint32_t resets_ = 0;
  uint32_t control_frames_ = 0;
  uint32_t window_updates_free_ = 16;  // That answer what we have sent, and so are no flood.
  Http2Fault fault_ = Http2Fault::kNone;
  bool is_stopped_ = false;  // Nothing more is read.
  // The batch that is gathered or in flight.
  IntrusiveList<Http2Port> batch_;
  io::Block staging_;  // Held for life: a goodbye must not need memory that is not there.
  size_t staged_ = 0;
  std::span<std::string_view> out_;
  size_t out_count_ = 0;
  size_t out_bytes_ = 0;
};

}  // namespace sluice::http
