// One HTTP/2 client connection: its frames in and out, and the streams that run on it.
#pragma once

#include <optional>

#include <sluice/auth/key_memory.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/base/ip_class.h>
#include <sluice/http/http2_session.h>
#include <sluice/io/timer.h>
#include <sluice/net/stream.h>

#include "door.h"

namespace sluice::server {

class Http2Stream;
class Worker;

// A stream's place in the list of its connection; the session has a list of its own.
struct Http2StreamLink {
  explicit Http2StreamLink(Http2Stream& stream) noexcept : place{stream} {}
  struct Place : ListLink {
    explicit Place(Http2Stream& stream) noexcept : owner(stream) {}
    Http2Stream& owner;
  };
  Place place;
};

// One coroutine, run(), reads and writes for all streams; each stream's exchange has its own. What
// streams want to send waits in the session until the socket is free, and then goes out together,
// a frame of each in turn. Lives in the frame of Connection::serve(); one shard.
class Http2Connection final : private http::Http2Observer {
 public:
  // Everything outlives it. `stream` has agreed on HTTP/2.
  Http2Connection(Worker& worker, net::Stream& stream, auth::KeyMemory& key_memory,
                  Arrival& arrival) noexcept;
  ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  // The whole life; no stream is left when it returns, and nothing is being sent. Suspends.
  Task<void> run();
  // Whether the client may still be sending, if only windows: a close would destroy what is on its
  // way to it, be it the end of an answer.
  [[nodiscard]] bool wants_linger() const noexcept { return !is_lost_; }

  // No new streams once the client knows; those that run end in peace.
  void begin_drain() noexcept;
  // Ends the running exchanges: event streams get a last error event.
  void cut() noexcept;
  // Ends everything in this turn.
  void kill() noexcept { lose(); }

  // --- for its streams -----------------------------------------------------------------------
  [[nodiscard]] Worker& worker() noexcept { return worker_; }
  [[nodiscard]] http::Http2Session& session() noexcept { return session_; }
  [[nodiscard]] auth::KeyMemory& key_memory() noexcept { return key_memory_; }
  // As of the present snapshot; see Arrival::find_peer().
  [[nodiscard]] const std::optional<Ipv6Bytes>& find_peer() noexcept;
  // Something is to be sent, or a stream has ended.
  void wake() noexcept { work_.trigger(); }
  [[nodiscard]] uint64_t bytes_acknowledged() const noexcept {
    return stream_.bytes_acknowledged();
  }
  void enter(Http2Stream& stream) noexcept;
  void leave() noexcept;

 private:
  // How long a client has to see that no new stream will be served.
  static constexpr Duration kNoticeMax = seconds(1);

  // --- http::Http2Observer -------------------------------------------------------------------
  [[nodiscard]] http::Http2Port* on_head(const http::Http2Head& head) noexcept override;
  void on_notice_seen() noexcept override { is_notice_seen_ = true; }

  Task<void> serve_stream(http::Http2Head head);
  void start_sending() noexcept;
  void take_sent() noexcept;
  void take_received() noexcept;
  void take_timeout() noexcept;
  void set_timer() noexcept;
  void follow_drain() noexcept;
  // Serves no further stream.
  void close() noexcept;
  // The client has gone, or must.
  void lose() noexcept;
  void lose_streams() noexcept;
  [[nodiscard]] bool is_over() noexcept;
  [[nodiscard]] Deadline idle_deadline() const noexcept;

  Worker& worker_;
  net::Stream& stream_;
  auth::KeyMemory& key_memory_;
  Arrival& arrival_;
  http::Http2Session session_;
  io::Event work_;
  io::Timer timer_;
  IntrusiveList<Http2StreamLink::Place> fresh_;  // Whose exchange has not begun.
  IntrusiveList<Http2StreamLink::Place> streams_;
  Http2Stream* entered_ = nullptr;  // The last one.
  uint32_t live_ = 0;               // Streams whose coroutine runs; at most 2 * streams_max_.
  uint32_t streams_max_;
  bool had_streams_ = false;
  MonoTime idle_since_;
  MonoTime send_moved_at_{};
  uint64_t acknowledged_ = 0;
  MonoTime notice_at_ = MonoTime::max();
  bool is_notice_seen_ = false;
  bool is_draining_ = false;
  bool is_closing_ = false;
  bool is_lost_ = false;
};

}  // namespace sluice::server
