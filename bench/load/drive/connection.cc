#include "drive/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "drive/bounds.h"

namespace sluice::load {
namespace {

Unexpected broken(std::string_view detail) noexcept {
  return fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, detail);
}

Unexpected timed_out() noexcept {
  return fail(ErrorCode::kUpstreamTimeout, Side::kUpstream, "no byte moved within the timeout");
}

}  // namespace

Connection::Connection(io::Ring& ring, Duration timeout) noexcept
    : ring_(ring),
      timeout_(timeout),
      timer_(ring.ready(), ring.timers()),
      parser_({.head_bytes_max = kHeadBytesMax}),
      decoder_(Side::kUpstream) {}

Task<Result<void>> Connection::open(net::Address address, int receive_bytes_max) {
  net::AddressList list;
  list.entries[0] = address;
  list.count = 1;
  const Deadline deadline = Deadline::after(ring_.now(), timeout_);
  const Result<int> fd = co_await net::dial(ring_, list, {receive_bytes_max}, deadline, nullptr);
  if (!fd) co_return std::unexpected(fd.error());
  fd_ = *fd;
  stream_.emplace(ring_, fd_, Side::kUpstream);
  unread_ = {};
  at_end_ = false;
  if (is_interrupted_) stream_->shut_down();
  co_return Result<void>();
}

Task<Result<void>> Connection::send(std::string_view bytes) {
  const std::array slices = {bytes};
  stream_->start_send(slices);
  timer_.set(Deadline::after(ring_.now(), timeout_));
  co_await io::first_of(&stream_->sent(), &timer_);
  const bool is_late = !stream_->sent().is_ready();
  if (is_late) {
    stream_->shut_down();
    co_await io::first_of(&stream_->sent());
  }
  const Result<void> sent = stream_->take_sent();
  if (is_late) co_return timed_out();
  co_return sent;
}

Task<Result<void>> Connection::receive() {
  buffer_.release();
  unread_ = {};
  stream_->start_receive();
  timer_.set(Deadline::after(ring_.now(), timeout_));
  co_await io::first_of(&stream_->received(), &timer_);
  const bool is_late = !stream_->received().is_ready();
  if (is_late) {
    stream_->shut_down();
    co_await io::first_of(&stream_->received());
  }
  Result<io::Buffer> received = stream_->take_received();
  if (is_late) co_return timed_out();
  if (!received) co_return std::unexpected(received.error());
  at_end_ = received->is_empty();
  buffer_ = std::move(*received);
  unread_ = buffer_.bytes();
  co_return Result<void>();
}

Task<Result<const http::ResponseHead*>> Connection::read_head() {
  parser_.reset(http::AnswerTo::kOther);
  collected_.clear();
  is_over_ = false;
  for (;;) {
    if (!unread_.empty()) {
      const http::ParseState state = parser_.parse(unread_);
      if (state == http::ParseState::kError) co_return std::unexpected(parser_.error());
      if (state == http::ParseState::kDone) {
        unread_.remove_prefix(parser_.head().head_bytes);
        if (!parser_.head().is_interim()) break;
        parser_.reset(http::AnswerTo::kOther);
        continue;
      }
      if (unread_.data() != collected_.data()) collected_ = std::string(unread_);
    }
    const Result<void> received = co_await receive();
    if (!received) co_return std::unexpected(received.error());
    if (at_end_) {
      co_return fail(ErrorCode::kUpstreamLost, Side::kUpstream,
                     parser_.is_idle() ? "closed before the answer" : "closed within the head");
    }
    if (collected_.empty()) continue;
    collected_.reserve(collected_.size() + unread_.size() + kOverread);
    collected_ += unread_;
    unread_ = collected_;
  }
  const http::ResponseHead& head = parser_.head();
  decoder_ = http::ChunkedDecoder(Side::kUpstream);
  left_ = head.body.length;
  keeps_alive_ = head.keep_alive;
  is_over_ = head.body.kind == http::BodyKind::kNone ||
             (head.body.kind == http::BodyKind::kLength && left_ == 0);
  co_return &head;
}

bool Connection::ends_with_stream() const noexcept {
  return parser_.head().body.kind == http::BodyKind::kUntilClose;
}

Result<std::string_view> Connection::take_payload() noexcept {
  if (parser_.head().body.kind == http::BodyKind::kChunked) {
    size_t at = 0;
    const Result<std::string_view> payload = decoder_.next(unread_, at);
    unread_.remove_prefix(at);
    is_over_ = decoder_.finished();
    return payload;
  }
  const bool has_length = parser_.head().body.kind == http::BodyKind::kLength;
  const size_t count =
      has_length ? static_cast<size_t>(std::min<uint64_t>(left_, unread_.size())) : unread_.size();
  const std::string_view payload = unread_.substr(0, count);
  unread_.remove_prefix(count);
  left_ -= has_length ? count : 0;
  is_over_ = has_length && left_ == 0;
  return payload;
}

Task<Result<std::string_view>> Connection::read_body() {
  while (!is_over_) {
    if (!unread_.empty()) {
      const Result<std::string_view> payload = take_payload();
      if (!payload || !payload->empty()) co_return payload;
      continue;
    }
    const Result<void> received = co_await receive();
    if (!received) co_return std::unexpected(received.error());
    if (!at_end_) continue;
    if (!ends_with_stream()) {
      co_return fail(ErrorCode::kUpstreamLost, Side::kUpstream, "closed within the body");
    }
    is_over_ = true;
  }
  if (!unread_.empty()) co_return broken("bytes behind the end of the answer");
  co_return std::string_view();
}

Task<Result<uint32_t>> Connection::read_raw(char* into, uint32_t bytes) {
  stream_->start_receive_into(into, bytes);
  timer_.set(Deadline::after(ring_.now(), timeout_));
  co_await io::first_of(&stream_->received(), &timer_);
  const bool is_late = !stream_->received().is_ready();
  if (is_late) {
    stream_->shut_down();
    co_await io::first_of(&stream_->received());
  }
  const Result<uint32_t> count = stream_->take_received_count();
  if (is_late) co_return timed_out();
  co_return count;
}

Task<Result<void>> Connection::read_to_end() {
  for (;;) {
    const Result<void> received = co_await receive();
    if (!received) co_return received;
    if (at_end_) co_return Result<void>();
  }
}

Task<void> Connection::wait_until(MonoTime time) {
  if (is_interrupted_) co_return;
  timer_.set(Deadline{time});
  co_await io::first_of(&timer_);
}

Task<void> Connection::close() {
  timer_.clear();
  if (!stream_) co_return;
  buffer_.release();
  unread_ = {};
  co_await stream_->close();
  stream_.reset();
  fd_ = -1;
}

void Connection::leave(bool half) noexcept {
  if (fd_ >= 0) ::shutdown(fd_, half ? SHUT_WR : SHUT_RDWR);
}

void Connection::interrupt() noexcept {
  is_interrupted_ = true;
  if (stream_) stream_->shut_down();
  timer_.set(Deadline{ring_.now()});
}

}  // namespace sluice::load
