#include "connection.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sluice/base/raw_array.h>
#include <sluice/config/address_match.h>
#include <sluice/http/chunked.h>
#include <sluice/net/proxy_header.h>
#include <sluice/server/worker.h>

#include "http2_connection.h"

namespace sluice::server {
namespace {

// Needs no memory.
constexpr std::string_view kBareRefusal =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n"
    "connection: close\r\n\r\n";
// To a client that speaks plain HTTP to a port of TLS.
constexpr std::string_view kPlainHttpRefusal =
    "HTTP/1.1 400 Bad Request\r\n"
    "content-type: application/json\r\n"
    "content-length: 154\r\n"
    "connection: close\r\n"
    "\r\n"
    "{\"error\":{\"message\":\"This port speaks HTTPS. Use https:// in your base_url.\","
    "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"plain_http_on_tls_port\"}}";

using metrics::SlowClient;

}  // namespace

Connection::Connection(Worker& worker, int fd, Arrival arrival) noexcept
    : worker_(worker),
      stream_(worker.ring(), fd, Side::kDownstream),
      timer_(worker.ring().ready(), worker.ring().timers()),
      interrupted_(worker.ring().ready()),
      drained_(worker.ring().ready()),
      parser_(worker.head_limits()),
      head_writer_({}),
      arrival_(std::move(arrival)) {}

Task<void> Connection::serve(std::unique_ptr<net::PassedConnection> passed) {
  if (passed != nullptr) {
    keeps_alive_ = take_up(*passed);
    passed.reset();
  } else {
    if (worker_.snapshot().proxy_protocol) keeps_alive_ = co_await introduce();
    if (keeps_alive_ && worker_.tls() != nullptr) keeps_alive_ = co_await secure();
  }
  is_plain_ = stream_.tls() == nullptr;
  if (keeps_alive_ && net::speaks_http2(stream_)) co_await serve_http2();
  while (keeps_alive_) {
    const HeadRead outcome = co_await read_head();
    if (outcome == HeadRead::kClosed) break;
    if (outcome == HeadRead::kLeaves) {
      co_await pass_on();
      break;
    }
    {
      exchange::Exchange exchange(worker_.services(), parser_.head(), *this, *this, key_memory_,
                                  find_peer(), head_began_at_, begin_exchange(outcome));
      co_await exchange.run();
    }
    turn_to_next_request();
  }
  if (!body_is_read_ && !stream_.is_shut_down()) co_await linger();
  input_.release();
  pipelined_.release();
  co_await stream_.close();
}

Task<void> Connection::serve_http2() {
  timer_.clear();
  Http2Connection http2(worker_, stream_, key_memory_, arrival_);
  http2_ = &http2;
  if (is_draining_ || is_leaving_) http2.begin_drain();
  co_await http2.run();
  http2_ = nullptr;
  keeps_alive_ = false;
  body_is_read_ = !http2.wants_linger();
}

Task<bool> Connection::introduce() {
  const config::Snapshot& config = worker_.snapshot();
  std::optional<Ipv6Bytes>& peer = arrival_.peer;
  peer = stream_.peer_ip();
  arrival_.has_asked_peer = true;
  const std::vector<config::AddressRange>& trusted = config.trusted_proxies;
  if (!trusted.empty() && !(peer && config::contains(trusted, *peer))) co_return false;
  const Deadline deadline = Deadline::after(worker_.ring().now(), config.timeouts.head);
  const Result<std::optional<Ipv6Bytes>> source =
      co_await net::receive_proxy_header(stream_, deadline, &drained_);
  if (!source) {
    if (source.error().code == ErrorCode::kRequestTimeout) count_slow(SlowClient::kHead);
    co_return false;
  }
  if (!*source) co_return true;
  peer = **source;
  co_return !worker_.door().let_in_peer(worker_.snapshot(), arrival_);
}

bool Connection::take_up(const net::PassedConnection& passed) noexcept {
  requests_ = 1;  // It waits as one does that has been served before.
  return passed.bytes.empty() ||
         input_.append_copy(passed.bytes, worker_.blocks(), net::kMessageBytesMax);
}

Task<void> Connection::pass_on() {
  Result<io::Buffer> received = co_await stream_.come_to_rest();
  if (!received) co_return;
  if (!received->is_empty() &&
      !input_.append(std::move(*received), worker_.blocks(), net::kMessageBytesMax)) {
    co_return;
  }
  for (int i = 0; i < kPassTries && !stream_.is_shut_down(); ++i) {
    const int problem = net::pass_connection(worker_.successor_channel(), stream_.descriptor(),
                                             arrival_.peer, input_.bytes());
    // The successor is behind with taking them.
    if (problem != EAGAIN && problem != ETOOMANYREFS) break;
    timer_.set(Deadline::after(worker_.ring().now(), kPassPause));
    co_await io::first_of(&timer_);
  }
}

const std::optional<Ipv6Bytes>& Connection::find_peer() noexcept {
  return arrival_.find_peer(stream_, worker_.services().generation->wants_client_address);
}

Task<bool> Connection::await_first_byte() {
  io::Op readable(worker_.ring());
  stream_.await_readable(readable);
  timer_.set(Deadline::after(worker_.ring().now(), worker_.snapshot().timeouts.first_byte));
  co_await io::first_of(&readable, &timer_, &drained_);
  const bool is_late = timer_.is_ready() && !readable.is_ready();
  timer_.clear();
  if (is_late) count_slow(SlowClient::kFirstByte);
  co_return readable.is_ready() && !is_draining_;
}

Task<bool> Connection::secure() {
  using metrics::TlsOutcome;
  // Who says nothing gets no place among the handshakes, nor the memory that one takes.
  if (!co_await await_first_byte()) co_return false;
  // A reload may have switched TLS off meanwhile.
  if (worker_.tls() == nullptr) co_return false;
  auto& outcomes = worker_.services().cells.tls_handshakes;
  const MonoTime now = worker_.ring().now();
  const config::ListenerTls& settings = *worker_.snapshot().tls;
  const Deadline deadline = Deadline::after(now, settings.handshake_timeout);
  if (!worker_.handshakes().has_place_before(deadline.at)) {
    outcomes[TlsOutcome::kRefused].add();
    co_return false;
  }
  if (const MonoTime begin = worker_.handshakes().take_place(now); begin > now) {
    timer_.set(Deadline{begin});
    co_await io::first_of(&timer_, &drained_);
    timer_.clear();
  }
  // A reload may have switched TLS off meanwhile, a drain may have begun.
  if (is_draining_ || worker_.tls() == nullptr || !worker_.tls()->secure(stream_)) co_return false;
  const Result<void> done = co_await net::handshake(stream_, deadline, &drained_);
  if (done) {
    outcomes[stream_.is_resumed() ? TlsOutcome::kResumed : TlsOutcome::kFull].add();
    key_memory_.set_certificate_subject(stream_.peer_subject());
    co_return true;
  }
  outcomes[TlsOutcome::kFailed].add();
  if (done.error().code == ErrorCode::kRequestTimeout) count_slow(SlowClient::kHandshake);
  if (done.error().code == ErrorCode::kMalformedRequest) {
    // Its bytes were read as far as they came; the rest must not turn the answer into a reset.
    body_is_read_ = false;
    stream_.start_send({&kPlainHttpRefusal, 1});
    timer_.set(Deadline::after(worker_.ring().now(), kLingerMax));
    co_await io::first_of(&stream_.sent(), &timer_);
    if (stream_.sent().is_ready() && !stream_.take_sent()) stream_.shut_down();
    if (stream_.is_sending()) stream_.shut_down();
  }
  co_return false;
}

void Connection::count_slow(SlowClient with) noexcept {
  worker_.services().cells.slow_clients[with].add();
}

Task<Connection::HeadRead> Connection::read_head() {
  // A copy: an idle connection pins no snapshot, and a reload may free the present one meanwhile.
  const config::ClientTimeouts timeouts = worker_.snapshot().timeouts;
  const MonoTime idle_since = worker_.ring().now();
  head_began_at_ = idle_since;
  const Duration idle_max = requests_ == 0 ? timeouts.first_byte : timeouts.keep_alive;
  timer_.set(Deadline::after(idle_since, idle_max));
  bool has_begun = false;
  for (;;) {
    if (is_leaving_ && is_plain_) co_return HeadRead::kLeaves;
    if (!input_.is_empty()) {
      const http::ParseState state = parser_.parse(input_.bytes());
      if (state == http::ParseState::kDone) co_return HeadRead::kDone;
      if (state == http::ParseState::kError) co_return HeadRead::kMalformed;
      if (!has_begun && !parser_.is_idle()) {
        has_begun = true;
        head_began_at_ = worker_.ring().now();
        timer_.set(Deadline::after(head_began_at_, timeouts.head));
      }
      // A head that is not whole must not pin a receive buffer.
      if (!input_.detach(worker_.blocks())) co_return HeadRead::kClosed;
    }
    const bool is_told = is_draining_ || is_leaving_;
    const bool is_over = is_draining_ || requests_ > 0;
    if (is_told && is_over && !has_begun) co_return HeadRead::kClosed;
    stream_.start_receive();
    co_await io::first_of(&stream_.received(), &timer_, is_told ? nullptr : &drained_);
    if (stream_.received().is_ready()) {
      Result<io::Buffer> received = stream_.take_received();
      if (!received || received->is_empty()) co_return HeadRead::kClosed;
      if (!has_begun) head_began_at_ = worker_.ring().now();  // The idle time is nobody's.
      // A head that is too long is refused by the parser before this bound is reached.
      if (!input_.append(std::move(*received), worker_.blocks(), 64 * 1024)) {
        co_return HeadRead::kClosed;
      }
      // A request holds its bytes until its answer begins, which may be minutes. Were all receive
      // buffers held so, no receive could end any more, and nothing would give one back.
      const bool is_scarce = worker_.ring().buffers().is_scarce();
      if (is_scarce && !input_.detach(worker_.blocks())) co_return HeadRead::kClosed;
    } else if (timer_.is_ready()) {
      if (has_begun) count_slow(SlowClient::kHead);
      if (!has_begun && requests_ == 0) count_slow(SlowClient::kFirstByte);
      co_return has_begun ? HeadRead::kTimeout : HeadRead::kClosed;
    }
  }
}

exchange::RefusedHead Connection::begin_exchange(HeadRead outcome) noexcept {
  ++requests_;
  worker_.publish_figures();
  timer_.clear();
  is_committed_ = is_released_ = false;
  interrupted_.reset();
  exchange::RefusedHead refused;
  if (outcome == HeadRead::kDone) {
    const http::RequestHead& head = parser_.head();
    consumed_ = head.head_bytes;
    client_closes_ = !head.keep_alive;
    keeps_alive_ = head.keep_alive && !is_draining_ && !is_leaving_;
    body_is_read_ = head.body.kind == http::BodyKind::kNone;
    if (body_is_read_) start_watch();
  } else {
    // What follows a head that was refused cannot be told apart from it.
    keeps_alive_ = body_is_read_ = false;
    client_closes_ = true;
    refused = outcome == HeadRead::kTimeout
                  ? exchange::RefusedHead{{ErrorCode::kRequestTimeout, Side::kDownstream,
                                           Retry::kNever, "head did not arrive in time"},
                                          408}
                  : exchange::RefusedHead{parser_.error(), parser_.error_status()};
  }
  return refused;
}

void Connection::turn_to_next_request() noexcept {
  stream_.set_observer(nullptr);
  if (is_draining_ || interrupted_.is_ready()) keeps_alive_ = false;
  body_.release();
  head_block_.release();
  body_bytes_ = 0;
  if (!is_released_) input_.remove_prefix(consumed_);
  consumed_ = 0;
  if (input_.is_empty() && !pipelined_.is_empty()) {
    input_ = std::move(pipelined_);
  } else if (!pipelined_.is_empty()) {
    // Both parts belong to the same byte stream, in this order.
    io::Block joined = worker_.blocks().take(input_.bytes().size() + pipelined_.bytes().size());
    if (!joined.is_held()) keeps_alive_ = false;
    if (joined.is_held()) input_.join(std::move(joined), pipelined_);
  }
  pipelined_.release();
  if (input_.is_empty()) input_.release();
  parser_.reset();
  worker_.publish_figures();
}

Task<void> Connection::linger() {
  size_t taken = 0;
  stream_.finish_sending();
  timer_.set(Deadline::after(worker_.ring().now(), kLingerMax));
  while (taken < kLingerBytesMax && !timer_.is_ready()) {
    stream_.start_receive();
    co_await io::first_of(&stream_.received(), &timer_);
    if (!stream_.received().is_ready()) break;
    const Result<io::Buffer> received = stream_.take_received();
    if (!received || received->is_empty()) break;
    taken += received->bytes().size();
  }
}

void Connection::begin_drain() noexcept {
  is_draining_ = true;
  drained_.trigger();
  if (http2_ != nullptr) http2_->begin_drain();
}

void Connection::begin_hand_over() noexcept {
  is_leaving_ = true;
  // A handshake or a PROXY header goes on; its first request is served, or goes along.
  if (is_plain_ || requests_ > 0) drained_.trigger();
  if (http2_ != nullptr) http2_->begin_drain();
}

void Connection::cut() noexcept {
  if (http2_ != nullptr) http2_->cut();
  if (interrupted_.is_ready()) return;
  interruption_ = ErrorCode::kDraining;
  interrupted_.trigger();
}

void Connection::kill() noexcept {
  if (http2_ != nullptr) http2_->kill();
  interruption_ = ErrorCode::kDownstreamLost;
  interrupted_.trigger();
  stream_.shut_down();
}

// --- the answer ------------------------------------------------------------------------------

http::ResponseSink::Framing Connection::stream_framing() const noexcept {
  return parser_.head().version == http::Version::kHttp10 ? Framing::kBare : Framing::kChunked;
}

bool Connection::is_head_only() const noexcept {
  return parser_.head().method == http::Method::kHead;
}

void Connection::begin_head(uint16_t status, size_t bytes_hint) noexcept {
  head_block_ = worker_.blocks().take(bytes_hint + kHeadReserve);
  if (!head_block_.is_held()) {
    keeps_alive_ = false;
    return;
  }
  head_writer_ = http::HeadWriter({head_block_.data(), head_block_.capacity()});
  head_writer_.status_line(status);
}

bool Connection::has_head_room(size_t bytes) const noexcept {
  const size_t used = head_writer_.text().size();
  return head_block_.is_held() && bytes + kHeadReserve / 2 <= head_block_.capacity() - used;
}

bool Connection::add_header(http::FieldName name, std::string_view value) noexcept {
  if (!has_head_room(name.text().size() + value.size())) return false;
  head_writer_.header(name, value);
  return true;
}

bool Connection::add_lines(std::string_view lines) noexcept {
  if (!has_head_room(lines.size())) return false;
  head_writer_.lines(lines);
  return true;
}

void Connection::end_head(http::BodyFraming framing) noexcept {
  is_committed_ = true;
  if (!body_is_read_) keeps_alive_ = false;
  if (!head_block_.is_held()) {
    head_text_ = kBareRefusal;
    drops_body_ = true;
    return;
  }
  const bool is_streamed = framing.kind == http::BodyKind::kChunked;
  // Behind an event stream, or with the next request here already, the connection goes along.
  if (is_leaving_ && !is_streamed && pipelined_.is_empty()) keeps_alive_ = false;
  if (is_streamed && stream_framing() == Framing::kBare) {
    keeps_alive_ = false;
  } else if (is_streamed) {
    head_writer_.chunked();
  } else if (framing.kind == http::BodyKind::kLength) {
    head_writer_.content_length(framing.length);
  }
  // A cut stream whose head said "close" looks whole to SDKs, so a stream says it only when the
  // client has asked for it (docs/LIFE_OF_A_REQUEST.md, "Broken streams").
  if (client_closes_ || (!keeps_alive_ && !is_streamed)) {
    head_writer_.header("connection", "close");
    keeps_alive_ = false;
  } else if (parser_.head().version == http::Version::kHttp10) {
    head_writer_.header("connection", "keep-alive");
  }
  head_text_ = head_writer_.end().text();
  SLUICE_ASSERT(!head_text_.empty());
}

// Copies a small answer behind its head: one slice in one plain send costs the kernel less than a
// message of several does, by more than the copy. Returns how many slices are left.
size_t Connection::join_head(std::span<std::string_view> slices) noexcept {
  size_t bytes = 0;
  for (const std::string_view slice : slices) bytes += slice.size();
  if (slices.size() == 1 || bytes > kJoinBelow || bytes > head_block_.capacity()) {
    return slices.size();
  }
  char* to = head_block_.data() + head_text_.size();
  for (const std::string_view slice : slices.subspan(1)) {
    if (!slice.empty()) std::memcpy(to, slice.data(), slice.size());
    to += slice.size();
  }
  slices[0] = {head_block_.data(), bytes};
  return 1;
}

void Connection::send(std::span<const std::string_view> slices) noexcept {
  RawArray<std::string_view, http::ResponseSink::kSlicesMax + 1> all;
  size_t count = 0;
  head_goes_out_ = !head_text_.empty();
  if (head_goes_out_) all[count++] = head_text_;
  if (!is_head_only() && !drops_body_) {
    for (const std::string_view slice : slices) all[count++] = slice;
  }
  if (count == 0) all[count++] = "\r\n";  // Only behind a bare refusal, whose connection closes.
  if (head_goes_out_) count = join_head({all.data(), count});
  stream_.start_send({all.data(), count});
}

Result<void> Connection::take_sent() noexcept {
  if (std::exchange(head_goes_out_, false)) {
    head_text_ = {};
    head_block_.release();
  }
  return stream_.take_sent();
}

void Connection::abort() noexcept {
  keeps_alive_ = false;
  body_is_read_ = true;  // Nobody waits for a lingering close.
  stream_.shut_down();
}

// --- watching the client -------------------------------------------------------------------

void Connection::start_watch() noexcept {
  stream_.set_observer(this);
  stream_.start_receive();
  if (stream_.received().is_ready()) on_received();
  // Seen by a watch of the exchange before, when nobody was told.
  if (stream_.hung_up().is_ready()) lose_client();
}

void Connection::on_received() noexcept {
  Result<io::Buffer> received = stream_.take_received();
  if (!received || received->is_empty()) {
    lose_client();
    return;
  }
  // The next request, early. One buffer of it is kept; further bytes stay in the kernel, and only
  // the client's leaving is watched.
  if (!pipelined_.append(std::move(*received), worker_.blocks(), 64 * 1024) ||
      !pipelined_.detach(worker_.blocks())) {
    lose_client();
    return;
  }
  stream_.start_hangup_watch();
}

void Connection::lose_client() noexcept {
  keeps_alive_ = false;
  interruption_ = ErrorCode::kDownstreamLost;
  interrupted_.trigger();
}

}  // namespace sluice::server
