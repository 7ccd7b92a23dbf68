#include "http2_stream.h"

#include <algorithm>
#include <cstring>

#include <sluice/server/worker.h>

#include "body_pace.h"

namespace sluice::server {
namespace {

// Needs no memory.
constexpr uint16_t kBareStatus = 503;
constexpr std::string_view kBareLines = "content-length: 0\r\nretry-after: 1\r\n";

}  // namespace

Http2Stream::Http2Stream(Http2Connection& connection, const http::Http2Head& head) noexcept
    : Http2StreamLink(*this),
      connection_(connection),
      begun_(connection.worker().ring().ready()),
      interrupted_(connection.worker().ring().ready()),
      sent_(connection.worker().ring().ready()),
      body_moved_(connection.worker().ring().ready()),
      timer_(connection.worker().ring().ready(), connection.worker().ring().timers()),
      parser_(connection.worker().head_limits()),
      body_has_ended_(!head.has_body),
      head_writer_({}),
      refused_(read_head(head)),
      began_at_(connection.worker().ring().now()) {
  traffic_.received = head.bytes;
  connection_.enter(*this);
}

Http2Stream::~Http2Stream() {
  connection_.session().forget(*this);
  connection_.leave();
}

exchange::RefusedHead Http2Stream::read_head(const http::Http2Head& head) noexcept {
  const auto refuse = [](ErrorCode code, std::string_view detail, uint16_t status) {
    return exchange::RefusedHead{{code, Side::kDownstream, Retry::kNever, detail}, status};
  };
  if (head.text.empty()) {
    return refuse(ErrorCode::kHeadTooLarge, "the head is larger than its limits", 431);
  }
  request_ = connection_.worker().blocks().take(head.text.size());
  if (!request_.is_held()) {
    return refuse(ErrorCode::kOverloaded, "byte budget is spent", kBareStatus);
  }
  std::memcpy(request_.data(), head.text.data(), head.text.size());
  const std::string_view text(request_.data(), head.text.size());
  const http::ParseState state = parser_.parse(text);
  if (state == http::ParseState::kError) return {parser_.error(), parser_.error_status()};
  if (state != http::ParseState::kDone) {
    return refuse(ErrorCode::kMalformedRequest, "the head has no end", 400);
  }
  http::settle_http2_body(parser_.head(), head.has_body);
  return {};
}

Task<void> Http2Stream::run() {
  co_await io::first_of(&begun_);
  Worker& worker = connection_.worker();
  worker.publish_figures();
  {
    exchange::Exchange exchange(worker.services(), parser_.head(), *this, *this,
                                connection_.key_memory(), connection_.find_peer(), began_at_,
                                refused_);
    co_await exchange.run();
  }
  drop_body();
  if (!is_closed() && !is_failed_) co_await finish();
  connection_.wake();
}

// What the answer still lacks: its end, and the word that the rest of the request is not wanted.
Task<void> Http2Stream::finish() {
  http::Http2Session& session = connection_.session();
  if (!is_head_sent_) {
    session.reset(*this, false);
    co_return;
  }
  if (!ends()) {
    is_sending_ = true;
    session.send(*this, {}, true);
    connection_.wake();
    Worker& worker = connection_.worker();
    timer_.set(Deadline::after(worker.ring().now(), worker.snapshot().timeouts.stall));
    while (!sent_.is_ready() && !timer_.is_ready()) co_await io::first_of(&sent_, &timer_);
    timer_.clear();
    if (!sent_.is_ready()) session.reset(*this, false);
  }
  if (!body_has_ended_) session.reset(*this, true);
}

void Http2Stream::interrupt(ErrorCode code) noexcept {
  if (interrupted_.is_ready() && code == ErrorCode::kDraining) return;
  interruption_ = code;
  interrupted_.trigger();
}

void Http2Stream::lose() noexcept {
  is_failed_ = true;
  interrupt(ErrorCode::kDownstreamLost);
  connection_.session().reset(*this, false);
  body_moved_.trigger();
  if (!is_in_batch()) end_send();
}

// --- the session's news ------------------------------------------------------------------------

void Http2Stream::on_body(std::string_view bytes) noexcept {
  traffic_.received += bytes.size();
  if (drops_body_ || body_fault_) return;
  const size_t needed = body_bytes_ + bytes.size();
  if (needed > body_bytes_max_) {
    body_fault_ = ErrorCode::kRequestTooLarge;
    body_moved_.trigger();
    return;
  }
  io::BlockPool& blocks = connection_.worker().blocks();
  if (!body_.is_held()) {
    const http::BodyFraming& framing = parser_.head().body;
    const bool is_told = framing.kind == http::BodyKind::kLength;
    const uint64_t told = is_told ? std::min<uint64_t>(framing.length, kTrustedLengthMax) : 0;
    body_ = blocks.take(std::max(needed, static_cast<size_t>(told)));
  }
  const bool has_room =
      body_.is_held() && (needed <= body_.capacity() ||
                          blocks.grow(body_, body_bytes_, std::max(needed, body_.capacity() * 2)));
  if (!has_room) {
    body_fault_ = ErrorCode::kOverloaded;
  } else {
    std::memcpy(body_.data() + body_bytes_, bytes.data(), bytes.size());
    body_bytes_ = needed;
  }
  body_moved_.trigger();
}

void Http2Stream::on_body_end() noexcept {
  body_has_ended_ = true;
  body_moved_.trigger();
}

void Http2Stream::on_sent() noexcept { end_send(); }

void Http2Stream::on_closed(bool is_whole) noexcept {
  if (!is_whole) {
    is_failed_ = true;
    interrupt(ErrorCode::kDownstreamLost);
  }
  body_moved_.trigger();
  if (!is_in_batch()) end_send();
}

void Http2Stream::end_send() noexcept {
  if (is_sending_) sent_.trigger();
}

// --- the body ----------------------------------------------------------------------------------

std::optional<Result<std::string_view>> Http2Stream::take_at_hand(uint64_t bytes_max) noexcept {
  const http::BodyFraming& framing = parser_.head().body;
  if (framing.kind == http::BodyKind::kNone) return std::string_view();
  const uint64_t known =
      std::max<uint64_t>(framing.kind == http::BodyKind::kLength ? framing.length : 0, body_bytes_);
  if (known > bytes_max) {
    return fail(ErrorCode::kRequestTooLarge, Side::kDownstream, "body above the limit");
  }
  if (!body_has_ended_ || body_fault_) return std::nullopt;
  is_handed_ = true;
  return std::string_view(body_.is_held() ? body_.data() : "", body_bytes_);
}

void Http2Stream::open_window() noexcept {
  if (body_has_ended_ || body_consumed_ == body_bytes_) return;
  connection_.session().consume(*this, body_bytes_ - body_consumed_);
  body_consumed_ = body_bytes_;
  connection_.wake();
}

// What was stored is of no use any more. The window stays as it is, so that at most one of what is
// not wanted still comes before the stream is reset.
void Http2Stream::drop_body() noexcept {
  drops_body_ = true;
  body_.release();
}

Task<Result<std::string_view>> Http2Stream::read(uint64_t bytes_max) {
  if (const auto at_hand = take_at_hand(bytes_max)) co_return *at_hand;
  Worker& worker = connection_.worker();
  const http::RequestHead& head = parser_.head();
  body_bytes_max_ = bytes_max;
  if (head.expect_continue && body_bytes_ == 0) connection_.session().send_continue(*this);
  const bool is_small = head.body.kind == http::BodyKind::kLength &&
                        head.body.length <= http::Http2Session::kStreamWindow;
  if (!is_small) connection_.session().widen(*this);
  connection_.wake();
  const MonoTime began_at = worker.ring().now();
  const BodyPace pace(began_at, worker.snapshot().limits.body_rate_min);
  const Deadline deadline = Deadline::after(began_at, worker.snapshot().timeouts.body);
  while (!body_has_ended_ && !body_fault_ && !interrupted_.is_ready() && !timer_.is_ready()) {
    // Also for a small body: its padding takes of the window too.
    open_window();
    timer_.set(deadline.sooner(pace.due(body_bytes_)));
    body_moved_.reset();
    co_await io::first_of(&body_moved_, &timer_, &interrupted_);
  }
  const bool is_late = timer_.is_ready();
  timer_.clear();
  if (body_fault_ == ErrorCode::kOverloaded) {
    co_return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  }
  if (body_fault_) co_return fail(*body_fault_, Side::kDownstream, "body above the limit");
  if (body_has_ended_) {
    is_handed_ = true;
    co_return std::string_view(body_.is_held() ? body_.data() : "", body_bytes_);
  }
  if (interrupted_.is_ready()) {
    co_return fail(interruption_, Side::kDownstream, "ended while the body was read");
  }
  SLUICE_ASSERT(is_late);
  const bool is_rate = pace.due(body_bytes_).at < deadline.at;
  worker.services()
      .cells.slow_clients[is_rate ? metrics::SlowClient::kBodyRate : metrics::SlowClient::kBody]
      .add();
  co_return fail(ErrorCode::kRequestTimeout, Side::kDownstream, "body did not arrive in time");
}

void Http2Stream::release() noexcept {
  body_.release();
  // The method is still asked for, and it is no view.
  request_.release();
}

// --- the answer --------------------------------------------------------------------------------

void Http2Stream::begin_head(uint16_t status, size_t bytes_hint) noexcept {
  status_ = status;
  head_block_ = connection_.worker().blocks().take(bytes_hint + kHeadReserve);
  if (!head_block_.is_held()) return;
  head_writer_ = http::HeadWriter({head_block_.data(), head_block_.capacity()});
}

bool Http2Stream::has_head_room(size_t bytes) const noexcept {
  const size_t used = head_writer_.text().size();
  return head_block_.is_held() && bytes + kHeadReserve / 2 <= head_block_.capacity() - used;
}

bool Http2Stream::add_header(http::FieldName name, std::string_view value) noexcept {
  if (!has_head_room(name.text().size() + value.size())) return false;
  head_writer_.header(name, value);
  return true;
}

bool Http2Stream::add_lines(std::string_view lines) noexcept {
  if (!has_head_room(lines.size())) return false;
  head_writer_.lines(lines);
  return true;
}

void Http2Stream::end_head(http::BodyFraming framing) noexcept {
  is_committed_ = true;
  framing_ = framing;
  // The answer may wait long for a window that is the client's to open.
  if (!is_handed_) drop_body();
  if (!head_block_.is_held()) {
    is_bare_ = true;
    status_ = kBareStatus;
    framing_ = {.kind = http::BodyKind::kNone};
    return;
  }
  if (framing.kind == http::BodyKind::kLength) head_writer_.content_length(framing.length);
  SLUICE_ASSERT(head_writer_.ok());
}

void Http2Stream::send(std::span<const std::string_view> slices) noexcept {
  sent_.reset();
  is_sending_ = true;
  if (is_failed_ || is_closed()) return end_send();
  if (is_head_only() || is_bare_) slices = {};
  for (const std::string_view slice : slices) answer_bytes_ += slice.size();
  const bool ends = is_head_only() || framing_.is_empty() ||
                    (framing_.kind == http::BodyKind::kLength && answer_bytes_ >= framing_.length);
  http::Http2Session& session = connection_.session();
  const bool is_empty = std::ranges::all_of(slices, &std::string_view::empty);
  if (!is_head_sent_) {
    is_head_sent_ = true;
    const std::string_view lines = is_bare_ ? kBareLines : head_writer_.text();
    traffic_.sent += lines.size();  // About what it is on the wire, where HPACK makes it less.
    session.respond(*this, status_, lines, ends && is_empty);
    head_block_.release();  // The session has its own copy.
    head_writer_ = http::HeadWriter({});
  }
  if (!is_empty) session.send(*this, slices, ends);
  if (!is_owing()) return end_send();
  connection_.wake();
}

Result<void> Http2Stream::take_sent() noexcept {
  sent_.reset();
  is_sending_ = false;
  if (is_failed_) {
    return fail(ErrorCode::kDownstreamLost, Side::kDownstream, "client ended its stream");
  }
  return {};
}

// What of this stream moves: towards the kernel, and with the kernel's bytes towards the client.
uint64_t Http2Stream::bytes_acknowledged() const noexcept {
  if (const uint64_t handed = bytes_handed(); handed > handed_seen_) {
    handed_seen_ = handed;
    ++progress_;
  }
  if (is_in_batch()) {
    const uint64_t acknowledged = connection_.bytes_acknowledged();
    if (acknowledged > acknowledged_seen_) ++progress_;
    acknowledged_seen_ = acknowledged;
  }
  return progress_;
}

net::Traffic Http2Stream::take_traffic() noexcept {
  const uint64_t handed = bytes_handed();
  traffic_.sent += handed - std::exchange(handed_told_, handed);
  return std::exchange(traffic_, {});
}

void Http2Stream::abort() noexcept {
  if (is_failed_) return;
  is_failed_ = true;
  connection_.session().reset(*this, false);
  connection_.wake();
  if (!is_in_batch()) end_send();
}

}  // namespace sluice::server
