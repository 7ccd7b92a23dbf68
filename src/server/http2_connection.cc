#include "http2_connection.h"

#include <array>

#include <sluice/server/worker.h>

#include "http2_stream.h"

namespace sluice::server {
namespace {

http::Http2Limits limits_of(const Worker& worker) noexcept {
  const config::Http2Settings& settings = worker.snapshot().http2;
  return {.head = worker.head_limits(),
          .streams_max = settings.streams_max,
          .resets_per_second = settings.resets_per_second,
          .control_frames_per_second = settings.control_frames_per_second};
}

metrics::Http2End end_of(http::Http2Fault fault) noexcept {
  switch (fault) {
    case http::Http2Fault::kProtocol: return metrics::Http2End::kProtocol;
    case http::Http2Fault::kResets: return metrics::Http2End::kResets;
    case http::Http2Fault::kControlFrames: return metrics::Http2End::kControlFrames;
    case http::Http2Fault::kHeaders: return metrics::Http2End::kHeaders;
    case http::Http2Fault::kNone:
    case http::Http2Fault::kMemory: break;
  }
  return metrics::Http2End::kClosed;
}

}  // namespace

Http2Connection::Http2Connection(Worker& worker, net::Stream& stream, auth::KeyMemory& key_memory,
                                 Arrival& arrival) noexcept
    : worker_(worker),
      stream_(stream),
      key_memory_(key_memory),
      arrival_(arrival),
      session_(*this, worker.blocks(), limits_of(worker)),
      work_(worker.ring().ready()),
      timer_(worker.ring().ready(), worker.ring().timers()),
      streams_max_(worker.snapshot().http2.streams_max),
      idle_since_(worker.ring().now()) {
  worker_.services().cells.http2_connections_open.add();
}

Http2Connection::~Http2Connection() {
  SLUICE_ASSERT(live_ == 0 && !stream_.is_sending());
  metrics::ShardCells& cells = worker_.services().cells;
  cells.http2_connections_open.sub();
  cells.http2_ends[end_of(session_.fault())].add();
}

Task<void> Http2Connection::run() {
  if (!session_.is_made()) co_return;
  for (;;) {
    follow_drain();
    start_sending();
    if (is_over()) break;
    // What a client makes us answer, it must take before it is listened to further.
    const bool reads = !is_lost_ && session_.fault() == http::Http2Fault::kNone &&
                       !(stream_.is_sending() && session_.is_behind());
    if (reads) stream_.start_receive();
    set_timer();
    co_await io::first_of(
        reads ? &stream_.received() : nullptr,
        stream_.is_sending() || stream_.sent().is_ready() ? &stream_.sent() : nullptr, &work_,
        &timer_);
    work_.reset();
    if (stream_.sent().is_ready()) take_sent();
    // Streams that have ended by it must be seen to have before the client opens others.
    start_sending();
    if (reads && !is_lost_ && stream_.received().is_ready()) take_received();
    if (timer_.is_ready()) take_timeout();
  }
  timer_.clear();
}

bool Http2Connection::is_over() noexcept {
  if (stream_.is_sending() || live_ > 0) return false;
  return is_lost_ || session_.is_over();
}

// --- the socket --------------------------------------------------------------------------------

void Http2Connection::start_sending() noexcept {
  if (is_lost_ || stream_.is_sending() || stream_.sent().is_ready()) return;
  std::array<std::string_view, net::Stream::kSlicesMax> slices;
  const bool was_good = session_.fault() == http::Http2Fault::kNone;
  const size_t count = session_.gather(slices);
  // Some mistakes of a client are known only by the goodbye that the library writes.
  if (was_good && session_.fault() != http::Http2Fault::kNone) lose_streams();
  if (count == 0) {
    if (session_.fault() == http::Http2Fault::kMemory) lose();
    return;
  }
  send_moved_at_ = worker_.ring().now();
  stream_.start_send({slices.data(), count});
}

void Http2Connection::take_sent() noexcept {
  const Result<void> sent = stream_.take_sent();
  if (!sent) lose();
  session_.batch_sent();
}

void Http2Connection::take_received() noexcept {
  Result<io::Buffer> received = stream_.take_received();
  if (!received || received->is_empty()) return lose();
  session_.feed(received->bytes(), worker_.ring().now());
  received->release();
  while (Http2StreamLink::Place* const place = fresh_.pop_front()) {
    streams_.push_back(*place);
    place->owner.begin();
  }
  if (session_.fault() != http::Http2Fault::kNone) lose_streams();
}

void Http2Connection::lose() noexcept {
  if (is_lost_) return;
  is_lost_ = true;
  stream_.shut_down();
  lose_streams();
  wake();
}

void Http2Connection::lose_streams() noexcept {
  fresh_.for_each([](Http2StreamLink::Place& place) { place.owner.lose(); });
  streams_.for_each([](Http2StreamLink::Place& place) { place.owner.lose(); });
}

// --- streams -----------------------------------------------------------------------------------

http::Http2Port* Http2Connection::on_head(const http::Http2Head& head) noexcept {
  // The session holds the client to streams_max_; of streams that have ended for the client, some
  // still run here, so that a client which uses all of its streams would be refused the next.
  if (live_ >= 2 * streams_max_ || is_closing_) return nullptr;
  worker_.services().cells.http2_streams.add();
  io::start_detached(serve_stream(head));
  return std::exchange(entered_, nullptr);
}

Task<void> Http2Connection::serve_stream(http::Http2Head head) {
  Http2Stream stream(*this, head);
  co_await stream.run();
}

void Http2Connection::enter(Http2Stream& stream) noexcept {
  ++live_;
  had_streams_ = true;
  entered_ = &stream;
  fresh_.push_back(stream.place);
}

const std::optional<Ipv6Bytes>& Http2Connection::find_peer() noexcept {
  return arrival_.find_peer(stream_, worker_.services().generation->wants_client_address);
}

void Http2Connection::leave() noexcept {
  --live_;
  idle_since_ = worker_.ring().now();
  wake();
}

// --- time --------------------------------------------------------------------------------------

Deadline Http2Connection::idle_deadline() const noexcept {
  // A header block that has begun is a request already, and has a deadline of its own.
  const bool reads_head = session_.head_began_at() != MonoTime::max();
  if (live_ > 0 || is_closing_ || reads_head) return Deadline::never();
  const config::ClientTimeouts& timeouts = worker_.snapshot().timeouts;
  return Deadline::after(idle_since_, had_streams_ ? timeouts.keep_alive : timeouts.first_byte);
}

void Http2Connection::set_timer() noexcept {
  if (is_lost_) return timer_.clear();
  const config::ClientTimeouts& timeouts = worker_.snapshot().timeouts;
  Deadline deadline = idle_deadline();
  if (session_.head_began_at() != MonoTime::max()) {
    deadline = deadline.sooner(Deadline::after(session_.head_began_at(), timeouts.head));
  }
  if (stream_.is_sending()) {
    deadline = deadline.sooner(Deadline::after(send_moved_at_, timeouts.stall));
  }
  if (notice_at_ != MonoTime::max() && !is_closing_) {
    deadline = deadline.sooner(Deadline::after(notice_at_, kNoticeMax));
  }
  timer_.set(deadline);
}

void Http2Connection::take_timeout() noexcept {
  timer_.reset();
  auto& slow = worker_.services().cells.slow_clients;
  const MonoTime now = worker_.ring().now();
  const config::ClientTimeouts& timeouts = worker_.snapshot().timeouts;
  if (stream_.is_sending() && Deadline::after(send_moved_at_, timeouts.stall).has_passed(now)) {
    // A send reports only its end; whether the client takes anything at all, its host's ACKs say.
    const uint64_t acknowledged = stream_.bytes_acknowledged();
    if (acknowledged <= acknowledged_) return lose();
    acknowledged_ = acknowledged;
    send_moved_at_ = now;
  }
  const MonoTime head_began_at = session_.head_began_at();
  if (head_began_at != MonoTime::max() &&
      Deadline::after(head_began_at, timeouts.head).has_passed(now)) {
    slow[metrics::SlowClient::kHead].add();
    session_.end_for(http::Http2Fault::kHeaders);
    lose_streams();
  }
  if (!idle_deadline().has_passed(now)) return;
  if (!had_streams_) slow[metrics::SlowClient::kFirstByte].add();
  close();
}

// --- the end -----------------------------------------------------------------------------------

void Http2Connection::close() noexcept {
  if (is_closing_ || is_lost_) return;
  is_closing_ = true;
  session_.close();
}

// First a notice, so that no stream on its way is lost; the end when the client has seen it.
void Http2Connection::follow_drain() noexcept {
  if (!is_draining_ || is_closing_ || is_lost_) return;
  if (notice_at_ == MonoTime::max()) {
    notice_at_ = worker_.ring().now();
    is_notice_seen_ = false;
    session_.give_notice();
  } else if (is_notice_seen_ ||
             Deadline::after(notice_at_, kNoticeMax).has_passed(worker_.ring().now())) {
    close();
  }
}

void Http2Connection::begin_drain() noexcept {
  is_draining_ = true;
  wake();
}

void Http2Connection::cut() noexcept {
  streams_.for_each(
      [](Http2StreamLink::Place& place) { place.owner.interrupt(ErrorCode::kDraining); });
}

}  // namespace sluice::server
