#include "attempt.h"

#include <charconv>
#include <cstring>

#include <sluice/base/raw_array.h>
#include <sluice/config/upstream_path.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>

namespace sluice::exchange {
namespace {

// A body below this is copied behind its head: one slice in one plain send costs the kernel less
// than a message of several does, by more than the copy.
constexpr size_t kCopyBodyBelow = 2048;

Unexpected client_gone(const http::ResponseSink& client) {
  return fail(client.interruption(), Side::kDownstream, "ended before the answer");
}

Unexpected no_memory() { return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent"); }

}  // namespace

AttemptPtr::AttemptPtr(Services& services) : block_(services.blocks.take(sizeof(Attempt))) {
  if (block_.is_held()) new (block_.data()) Attempt(services);
}

AttemptPtr& AttemptPtr::operator=(AttemptPtr&& other) noexcept {
  if (this != &other) {
    reset();
    block_ = std::move(other.block_);
  }
  return *this;
}

void AttemptPtr::reset() noexcept {
  if (!block_.is_held()) return;
  get()->~Attempt();
  block_.release();
}

Attempt::Attempt(Services& services) noexcept : services_(services), parser_(kHeadLimits) {}

Task<Result<void>> Attempt::run(const OutgoingRequest& request, http::ResponseSink& client,
                                bool fresh) {
  if (client.interrupted().is_ready()) co_return client_gone(client);
  if (!fresh) lease_ = request.pool->take_idle();
  if (!lease_.is_held()) {
    const Result<void> connected = co_await dial(request, client);
    if (!connected) co_return connected;
  }
  if (const Result<void> begun = send(request); !begun) co_return begun;

  net::Stream& stream = lease_->stream;
  io::Timer timer(services_.ring.ready(), services_.ring.timers());
  timer.set(Deadline::after(sent_at_, request.upstream->timeouts.response));
  Result<bool> has_head = false;
  // The send counts as over when it failed: what the upstream answered then says more.
  bool is_send_over = false;
  while (!*has_head || !is_send_over) {
    co_await io::first_of(is_send_over ? nullptr : &stream.sent(),
                          *has_head ? nullptr : &stream.received(), &client.interrupted(), &timer);
    if (client.interrupted().is_ready()) {
      has_head = client_gone(client);
    } else {
      is_send_over = is_send_over || stream.sent().is_ready();
      if (!*has_head && stream.received().is_ready()) {
        has_head = take_bytes();
        if (has_head && !*has_head) stream.start_receive();
      } else if (timer.is_ready()) {
        has_head = fail(ErrorCode::kUpstreamTimeout, Side::kUpstream, "no answer in time");
      }
    }
    if (!has_head) {
      co_await abandon();
      co_return std::unexpected(has_head.error());
    }
  }
  [[maybe_unused]] const Result<void> sent = stream.take_sent();
  head_block_.release();
  co_return Result<void>();
}

Task<Result<void>> Attempt::dial(const OutgoingRequest& request, http::ResponseSink& client) {
  const MonoTime started = services_.ring.now();
  Result<upstream::Lease> dialled = co_await request.pool->dial(
      Deadline::after(started, request.upstream->timeouts.connect), &client.interrupted());
  connect_time_ = services_.ring.now() - started;
  if (client.interrupted().is_ready()) co_return client_gone(client);
  if (!dialled) co_return std::unexpected(dialled.error());
  lease_ = std::move(*dialled);
  co_return Result<void>();
}

Result<void> Attempt::send(const OutgoingRequest& request) noexcept {
  const Result<std::string_view> head = write_message(request);
  if (!head) {
    lease_.cut();
    return std::unexpected(head.error());
  }
  RawArray<std::string_view, json::BodyPlan::kPiecesMax + 1> slices;
  size_t count = 0;
  slices[count++] = *head;
  if (request.body.total_length() >= kCopyBodyBelow) {
    for (const std::string_view piece : request.body.pieces()) slices[count++] = piece;
  }
  was_reused_ = lease_->is_reused();
  sent_at_ = services_.ring.now();
  lease_->stream.start_send({slices.data(), count});
  lease_->stream.start_receive();
  return {};
}

Result<std::string_view> Attempt::write_message(const OutgoingRequest& request) noexcept {
  const config::Upstream& upstream = *request.upstream;
  const http::RequestHead& client = *request.head;
  // Everything but the client's own fields is bounded by the configuration.
  const size_t path_bytes =
      config::upstream_path_bytes_max(upstream.endpoint, client.path, client.query);
  size_t bytes = 2 * path_bytes + 1024 + request.fields.size() + client.head_bytes;
  const uint64_t body_bytes = request.body.total_length();
  if (body_bytes < kCopyBodyBelow) bytes += static_cast<size_t>(body_bytes);
  head_block_ = services_.blocks.take(bytes);
  if (!head_block_.is_held()) return no_memory();
  const std::string_view target = config::upstream_path(
      upstream.endpoint, client.path, client.query, {head_block_.data(), path_bytes});
  http::HeadWriter writer({head_block_.data() + path_bytes, head_block_.capacity() - path_bytes});
  writer.request_line("POST", target).lines(request.fields);
  writer.content_length(body_bytes).header("x-request-id", request.request_id);
  if (request.priority != 0) writer.header("x-sluice-priority", request.priority);
  for (const auto& [id, name] : request.forwarded_headers) {
    if (!client.headers.has(id)) continue;  // kOther: all fields are known ones.
    const bool is_known = id != http::HeaderName::kOther;
    const std::string_view value = is_known ? client.headers.find(id) : client.headers.find(name);
    if (!value.empty()) writer.any_header(name, value);
  }
  writer.end();
  if (!writer.ok() || request.fields.empty()) {
    return fail(ErrorCode::kInternal, Side::kSelf, "request head could not be written");
  }
  return body_bytes < kCopyBodyBelow ? append_body(writer.text(), request.body) : writer.text();
}

std::string_view Attempt::append_body(std::string_view head, const json::BodyPlan& body) noexcept {
  char* const begin = head_block_.data() + (head.data() - head_block_.data());
  char* to = begin + head.size();
  for (const std::string_view piece : body.pieces()) {
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return {begin, static_cast<size_t>(to - begin)};
}

Result<bool> Attempt::take_bytes() noexcept {
  Result<io::Buffer> received = lease_->stream.take_received();
  if (!received) return std::unexpected(received.error());
  if (received->is_empty()) {
    return fail(ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kIfReused,
                "closed before the answer");
  }
  has_answer_bytes_ = true;
  if (received_.is_held()) {
    // The head comes in pieces: collect them. The last buffer stays, for the body behind the head.
    const bool is_first = collected_.is_empty();
    if (is_first && !collected_.append_copy(received_.bytes(), services_.blocks, 64 * 1024)) {
      return no_memory();
    }
    if (!collected_.append_copy(received->bytes(), services_.blocks, 64 * 1024)) {
      return no_memory();
    }
  }
  received_ = std::move(*received);
  return parse();
}

Result<bool> Attempt::parse() noexcept {
  for (;;) {
    const std::string_view bytes = collected_.is_empty() ? received_.bytes() : collected_.bytes();
    const http::ParseState state = parser_.parse(bytes);
    if (state == http::ParseState::kError) return std::unexpected(parser_.error());
    if (state == http::ParseState::kNeedMore) return false;
    const size_t behind = bytes.size() - parser_.head().head_bytes;
    // All heads before the last buffer were incomplete, so what lies behind this one is in it.
    received_.remove_prefix(received_.bytes().size() - behind);
    if (!parser_.head().is_interim()) return true;
    if (++interim_heads_ > kInterimHeadsMax) {
      return fail(ErrorCode::kUpstreamProtocol, Side::kUpstream, "too many interim answers");
    }
    collected_.release();
    parser_.reset(http::AnswerTo::kOther);
    if (behind == 0) {
      received_.release();
      return false;
    }
  }
}

Task<void> Attempt::abandon() {
  // Cut in this turn, so that the upstream stops at once; then wait until the kernel has let go
  // of the request's bytes.
  net::Stream& stream = lease_->stream;
  stream.shut_down();
  while (stream.is_sending()) co_await io::first_of(&stream.sent());
  abandoned_ = stream.take_traffic();
  lease_.cut();
}

net::Traffic Attempt::take_traffic() noexcept {
  if (lease_.is_held()) return lease_->stream.take_traffic();
  return std::exchange(abandoned_, {});
}

}  // namespace sluice::exchange
