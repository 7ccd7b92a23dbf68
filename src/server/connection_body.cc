// How an HTTP/1.1 connection reads the body of a request.
#include <array>
#include <cstring>

#include <sluice/http/chunked.h>
#include <sluice/server/worker.h>

#include "connection.h"

namespace sluice::server {
namespace {

using metrics::SlowClient;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Unexpected downstream_lost() {
  return fail(ErrorCode::kDownstreamLost, Side::kDownstream, "client closed its connection");
}

}  // namespace

Task<Result<void>> Connection::await_received(Deadline deadline, const BodyPace& pace,
                                              uint64_t bytes) {
  const Deadline due = pace.due(bytes);
  timer_.set(deadline.sooner(due));
  co_await io::first_of(&stream_.received(), &timer_, &interrupted_);
  const bool is_late = !stream_.received().is_ready() && timer_.is_ready();
  timer_.clear();
  if (is_late) {
    count_slow(due.at < deadline.at ? SlowClient::kBodyRate : SlowClient::kBody);
    co_return fail(ErrorCode::kRequestTimeout, Side::kDownstream, "body did not arrive in time");
  }
  if (!stream_.received().is_ready()) {
    co_return fail(interruption_, Side::kDownstream, "ended while the body was read");
  }
  co_return Result<void>();
}

Task<Result<void>> Connection::send_continue() {
  const std::array slices = {kContinue};
  timer_.set(Deadline::after(worker_.ring().now(), worker_.snapshot().timeouts.body));
  stream_.start_send(slices);
  co_await io::first_of(&stream_.sent(), &timer_, &interrupted_);
  timer_.clear();
  if (!stream_.sent().is_ready()) {
    // A client that takes nothing must not hold the connection for ever.
    stream_.shut_down();
    co_await io::first_of(&stream_.sent());
  }
  co_return stream_.take_sent();
}

std::optional<Result<std::string_view>> Connection::take_at_hand(uint64_t bytes_max) noexcept {
  const http::RequestHead& head = parser_.head();
  if (head.body.kind == http::BodyKind::kNone) return std::string_view();
  if (head.body.kind != http::BodyKind::kLength) return std::nullopt;
  if (head.body.length > bytes_max) {
    return fail(ErrorCode::kRequestTooLarge, Side::kDownstream, "content-length above the limit");
  }
  const std::string_view present = input_.bytes().substr(head.head_bytes);
  if (present.size() < head.body.length) return std::nullopt;
  const auto length = static_cast<size_t>(head.body.length);
  consumed_ = head.head_bytes + length;
  body_is_read_ = true;
  start_watch();
  return present.substr(0, length);
}

Task<Result<std::string_view>> Connection::read(uint64_t bytes_max) {
  if (const auto at_hand = take_at_hand(bytes_max)) co_return *at_hand;
  const http::RequestHead& head = parser_.head();
  if (head.expect_continue && input_.bytes().size() == head.head_bytes) {
    const Result<void> sent = co_await send_continue();
    if (!sent) co_return std::unexpected(sent.error());
  }
  Result<std::string_view> body = head.body.kind == http::BodyKind::kLength
                                      ? co_await read_by_length(head.body.length)
                                      : co_await read_chunked(bytes_max);
  if (body) {
    body_is_read_ = true;
    start_watch();
  } else {
    keeps_alive_ = false;
    client_closes_ = true;
  }
  co_return body;
}

Task<Result<std::string_view>> Connection::read_by_length(uint64_t length) {
  const size_t head_bytes = parser_.head().head_bytes;
  const std::string_view present = input_.bytes().substr(head_bytes);
  const Deadline deadline = Deadline::after(worker_.ring().now(), worker_.snapshot().timeouts.body);
  const BodyPace pace(worker_.ring().now(), worker_.snapshot().limits.body_rate_min);
  consumed_ = input_.bytes().size();
  const auto total = static_cast<size_t>(length);
  body_ = worker_.blocks().take(std::min(total, kTrustedLengthMax));
  if (!body_.is_held()) co_return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  std::memcpy(body_.data(), present.data(), present.size());
  body_bytes_ = present.size();
  while (body_bytes_ < total) {
    if (body_bytes_ == body_.capacity() &&
        !worker_.blocks().grow(body_, body_bytes_, std::min(total, body_.capacity() * 2))) {
      co_return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
    }
    if (stream_.is_receiving() || stream_.received().is_ready()) {
      const Result<void> taken = co_await take_armed_receive(total, deadline, pace);
      if (!taken) co_return std::unexpected(taken.error());
      continue;
    }
    const size_t room = std::min(body_.capacity(), total) - body_bytes_;
    stream_.start_receive_into(body_.data() + body_bytes_, static_cast<uint32_t>(room));
    const Result<void> arrived = co_await await_received(deadline, pace, body_bytes_);
    if (!arrived) {
      // The receive writes into the body's block: it must end before the block may go.
      stream_.stop_receiving();
      if (stream_.is_receiving()) co_await io::first_of(&stream_.received());
      co_return std::unexpected(arrived.error());
    }
    const Result<uint32_t> received = stream_.take_received_count();
    if (!received || *received == 0) co_return downstream_lost();
    body_bytes_ += *received;
  }
  co_return std::string_view(body_.data(), total);
}

Task<Result<void>> Connection::take_armed_receive(size_t total, Deadline deadline,
                                                  const BodyPace& pace) {
  const Result<void> arrived = co_await await_received(deadline, pace, body_bytes_);
  if (!arrived) co_return arrived;
  Result<io::Buffer> received = stream_.take_received();
  if (!received || received->is_empty()) co_return downstream_lost();
  const size_t count = std::min(received->bytes().size(), total - body_bytes_);
  const Result<void> added = add_payload(received->bytes().substr(0, count), total);
  if (!added) co_return added;
  received->remove_prefix(count);
  if (received->is_empty()) co_return Result<void>();
  if (!pipelined_.append(std::move(*received), worker_.blocks(), 64 * 1024)) {
    co_return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  }
  co_return Result<void>();
}

Result<void> Connection::add_payload(std::string_view payload, uint64_t bytes_max) noexcept {
  if (body_bytes_ + payload.size() > bytes_max) {
    return fail(ErrorCode::kRequestTooLarge, Side::kDownstream, "chunked body above the limit");
  }
  const size_t needed = body_bytes_ + payload.size();
  if (!body_.is_held()) body_ = worker_.blocks().take(needed);
  const bool has_room =
      body_.is_held() &&
      (needed <= body_.capacity() ||
       worker_.blocks().grow(body_, body_bytes_, std::max(needed, body_.capacity() * 2)));
  if (!has_room) return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
  std::memcpy(body_.data() + body_bytes_, payload.data(), payload.size());
  body_bytes_ = needed;
  return {};
}

Task<Result<std::string_view>> Connection::read_chunked(uint64_t bytes_max) {
  const Deadline deadline = Deadline::after(worker_.ring().now(), worker_.snapshot().timeouts.body);
  const BodyPace pace(worker_.ring().now(), worker_.snapshot().limits.body_rate_min);
  http::ChunkedDecoder decoder(Side::kDownstream);
  io::Buffer buffer;  // Empty for the first round, which reads what came with the head.
  bool is_first = true;
  for (;;) {
    const std::string_view bytes =
        is_first ? input_.bytes().substr(parser_.head().head_bytes) : buffer.bytes();
    size_t at = 0;
    while (at < bytes.size() && !decoder.finished()) {
      const Result<std::string_view> payload = decoder.next(bytes, at);
      if (!payload) co_return std::unexpected(payload.error());
      if (payload->empty()) continue;
      if (const Result<void> added = add_payload(*payload, bytes_max); !added) {
        co_return std::unexpected(added.error());
      }
    }
    if (is_first) consumed_ = parser_.head().head_bytes + at;
    if (decoder.finished()) {
      buffer.remove_prefix(is_first ? 0 : at);
      if (!buffer.is_empty() &&
          !pipelined_.append(std::move(buffer), worker_.blocks(), 64 * 1024)) {
        co_return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent");
      }
      co_return std::string_view(body_.is_held() ? body_.data() : "", body_bytes_);
    }
    is_first = false;
    buffer.release();
    stream_.start_receive();
    const Result<void> arrived = co_await await_received(deadline, pace, body_bytes_);
    if (!arrived) co_return std::unexpected(arrived.error());
    Result<io::Buffer> received = stream_.take_received();
    if (!received || received->is_empty()) co_return downstream_lost();
    buffer = std::move(*received);
  }
}

void Connection::release() noexcept {
  if (is_released_) return;
  input_.remove_prefix(consumed_);
  // Bytes of the next request must not pin a receive buffer for the length of a stream.
  if (!input_.detach(worker_.blocks())) keeps_alive_ = false;
  if (input_.is_empty()) input_.release();
  consumed_ = 0;
  is_released_ = true;
  body_.release();
}

}  // namespace sluice::server
