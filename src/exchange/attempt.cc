#include "attempt.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <sluice/base/raw_array.h>
#include <sluice/config/upstream_path.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>
#include <sluice/resilience/judge.h>
#include <sluice/usage/first_content.h>

#include "block_room.h"

namespace sluice::exchange {
namespace {

// A body below this is copied behind its head: one slice in one plain send costs the kernel less
// than a message of several does, by more than the copy.
constexpr size_t kCopyBodyBelow = 2048;

Unexpected cancelled() {
  return fail(ErrorCode::kCancelled, Side::kDownstream, "ended before the answer");
}

Unexpected late(std::string_view what) {
  return fail(ErrorCode::kUpstreamTimeout, Side::kUpstream, Retry::kYes, what);
}

// Whatever was under way: there is no time for another attempt.
Unexpected out_of_time() {
  return fail(ErrorCode::kTotalTimeout, Side::kUpstream, Retry::kNever, "timeouts.total is over");
}

Unexpected no_memory() { return fail(ErrorCode::kOverloaded, Side::kSelf, "byte budget is spent"); }

std::string_view find(const http::HeaderList& headers,
                      const Generation::ForwardedHeader& field) noexcept {
  if (!headers.has(field.id)) return {};  // kOther: all fields are known ones.
  return field.id != http::HeaderName::kOther ? headers.find(field.id) : headers.find(field.name);
}

}  // namespace

bool is_event_stream(const http::ResponseHead& head) noexcept {
  const std::string_view type = head.headers.find(http::HeaderName::kContentType);
  constexpr std::string_view kEventStream = "text/event-stream";
  return type.size() >= kEventStream.size() &&
         http::equals_ignoring_case(type.substr(0, kEventStream.size()), kEventStream);
}

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

std::string_view Attempt::write_name(std::string_view name, std::string_view wild) noexcept {
  const size_t star = name.find('*');
  name_block_ = services_.blocks.take(name.size() + wild.size());
  if (star == std::string_view::npos || !name_block_.is_held()) return {};
  char* to = std::ranges::copy(name.substr(0, star), name_block_.data()).out;
  to = std::ranges::copy(wild, to).out;
  to = std::ranges::copy(name.substr(star + 1), to).out;
  return {name_block_.data(), static_cast<size_t>(to - name_block_.data())};
}

Task<Result<void>> Attempt::run(const OutgoingRequest& request, io::Event& gone, bool fresh) {
  if (gone.is_ready()) co_return cancelled();
  if (!fresh) lease_ = request.pool->take_idle();
  if (!lease_.is_held()) {
    const Result<void> connected = co_await dial(request, gone);
    if (!connected) co_return connected;
  }
  if (const Result<void> begun = send(request); !begun) co_return begun;
  net::Stream& stream = lease_->stream;
  io::Timer timer(services_.ring.ready(), services_.ring.timers());
  timer.set(answer_deadline(request));
  Result<void> answered;
  while (answered && (!has_head_ || !is_send_over_)) {
    co_await io::first_of(is_send_over_ ? nullptr : &stream.sent(),
                          has_head_ ? nullptr : &stream.received(), &gone, &timer);
    answered = gone.is_ready() ? cancelled() : take_step(request, timer);
  }
  if (answered && received_.is_empty() &&
      resilience::needs_body(head().status, request.upstream->cooldown)) {
    answered = co_await await_error_body(request, gone);
  } else if (answered && request.holds_until_content && is_event_stream(head())) {
    answered = co_await await_content(request, gone);
  }
  if (!answered) {
    co_await abandon();
    co_return answered;
  }
  [[maybe_unused]] const Result<void> sent = stream.take_sent();
  head_block_.release();
  co_return answered;
}

Deadline Attempt::answer_deadline(const OutgoingRequest& request) const noexcept {
  return Deadline::after(sent_at_, request.timeouts.response).sooner(request.total);
}

Result<void> Attempt::take_step(const OutgoingRequest& request, io::Timer& timer) noexcept {
  net::Stream& stream = lease_->stream;
  // The send counts as over when it failed: what the upstream answered then says more.
  is_send_over_ = is_send_over_ || stream.sent().is_ready();
  if (!has_head_ && stream.received().is_ready()) {
    const Result<bool> taken = take_bytes();
    if (!taken) return std::unexpected(taken.error());
    has_head_ = *taken;
    if (!has_head_) stream.start_receive();
    return {};
  }
  if (!timer.is_ready()) return {};
  return request.total.has_passed(services_.ring.now()) ? out_of_time() : late("no answer in time");
}

// Whatever ends the wait but the client, the head is an answer.
Task<Result<void>> Attempt::await_error_body(const OutgoingRequest& request, io::Event& gone) {
  if (head().body.is_empty()) co_return Result<void>();
  net::Stream& stream = lease_->stream;
  io::Timer timer(services_.ring.ready(), services_.ring.timers());
  timer.set(answer_deadline(request));
  stream.start_receive();
  co_await io::first_of(&stream.received(), &gone, &timer);
  if (gone.is_ready()) co_return cancelled();
  if (!stream.received().is_ready()) co_return late("no body of an error in time");
  Result<io::Buffer> received = stream.take_received();
  if (!received) co_return std::unexpected(received.error());
  keep_head();
  received_ = std::move(*received);
  co_return Result<void>();
}

void Attempt::keep_head() noexcept {
  if (received_.is_empty()) head_buffer_ = std::move(received_);
}

Task<Result<void>> Attempt::await_content(const OutgoingRequest& request, io::Event& gone) {
  BlockRoom room(services_.blocks);
  usage::FirstContent content(room);
  relay::AnswerStart start(head().body, content);
  keep_head();
  if (received_.is_held()) start.take(std::move(received_));
  net::Stream& stream = lease_->stream;
  io::Timer timer(services_.ring.ready(), services_.ring.timers());
  const Deadline first_token =
      Deadline::after(sent_at_, request.timeouts.first_token).sooner(request.total);
  Result<bool> awaits = true;
  while (awaits && *awaits && !start.is_decided()) {
    timer.set(Deadline::after(services_.ring.now(), request.timeouts.idle).sooner(first_token));
    stream.start_receive();
    co_await io::first_of(&stream.received(), &gone, &timer);
    awaits = gone.is_ready() ? cancelled() : take_content(start, request);
  }
  received_ = start.take_first();
  std::ranges::move(start.more(), more_.begin());
  if (!awaits) co_return std::unexpected(awaits.error());
  co_return Result<void>();
}

Result<bool> Attempt::take_content(relay::AnswerStart& start,
                                   const OutgoingRequest& request) noexcept {
  net::Stream& stream = lease_->stream;
  if (!stream.received().is_ready()) {
    const MonoTime now = services_.ring.now();
    if (request.total.has_passed(now)) return out_of_time();
    const bool is_late = Deadline::after(sent_at_, request.timeouts.first_token).has_passed(now);
    return fail(is_late ? ErrorCode::kFirstTokenTimeout : ErrorCode::kUpstreamStalled,
                Side::kUpstream, Retry::kYes, "no content in time");
  }
  Result<io::Buffer> received = stream.take_received();
  if (!received) return std::unexpected(received.error());
  if (received->is_empty()) {
    // A body that lasts until the connection ends may have nothing to say; the relay sees the end
    // once more.
    if (head().body.kind == http::BodyKind::kUntilClose) return false;
    return fail(ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kYes, "closed before content");
  }
  start.take(std::move(*received));
  return true;
}

Task<Result<void>> Attempt::dial(const OutgoingRequest& request, io::Event& gone) {
  const MonoTime started = services_.ring.now();
  const Deadline deadline =
      Deadline::after(started, request.timeouts.connect).sooner(request.total);
  Result<upstream::Lease> dialled = co_await request.pool->dial(deadline, &gone);
  const MonoTime now = services_.ring.now();
  connect_time_ = now - started;
  if (gone.is_ready()) co_return cancelled();
  if (dialled) {
    lease_ = std::move(*dialled);
    co_return Result<void>();
  }
  if (request.total.has_passed(now)) co_return out_of_time();
  if (deadline.has_passed(now)) {
    co_return fail(ErrorCode::kConnectTimeout, Side::kUpstream, Retry::kYes,
                   dialled.error().detail);
  }
  co_return std::unexpected(dialled.error());
}

Result<void> Attempt::send(const OutgoingRequest& request) noexcept {
  const Result<std::string_view> head = write_message(request);
  if (!head) {
    lease_.cut();
    return std::unexpected(head.error());
  }
  RawArray<std::string_view, json::ContinuedPlan::kPiecesMax + 1> slices;
  size_t count = 0;
  slices[count++] = *head;
  if (request.body_bytes() >= kCopyBodyBelow) {
    for (const std::string_view piece : request.body_pieces()) slices[count++] = piece;
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
  for (const Generation::ForwardedHeader& field : request.forwarded_headers) {
    bytes += field.value.empty() ? 0 : field.name.size() + field.value.size() + 4;
  }
  for (const auto& [name, value] : request.script_headers) {
    bytes += name.size() + value.size() + 4;
  }
  const uint64_t body_bytes = request.body_bytes();
  if (body_bytes < kCopyBodyBelow) bytes += static_cast<size_t>(body_bytes);
  head_block_ = services_.blocks.take(bytes);
  if (!head_block_.is_held()) return no_memory();
  const std::string_view target = config::upstream_path(
      upstream.endpoint, client.path, client.query, {head_block_.data(), path_bytes});
  http::HeadWriter writer({head_block_.data() + path_bytes, head_block_.capacity() - path_bytes});
  writer.request_line("POST", target).lines(request.fields);
  writer.content_length(body_bytes).header("x-request-id", request.request_id);
  if (request.priority != 0) writer.header("x-sluice-priority", request.priority);
  for (const Generation::ForwardedHeader& field : request.forwarded_headers) {
    const std::string_view sent = field.is_forwarded ? find(client.headers, field) : "";
    const std::string_view value = sent.empty() ? field.value : sent;
    if (!value.empty()) writer.any_header(field.name, value);
  }
  for (const auto& [name, value] : request.script_headers) writer.any_header(name, value);
  writer.end();
  if (!writer.ok() || request.fields.empty()) {
    return fail(ErrorCode::kInternal, Side::kSelf, "request head could not be written");
  }
  return body_bytes < kCopyBodyBelow ? append_body(writer.text(), request) : writer.text();
}

std::string_view Attempt::append_body(std::string_view head,
                                      const OutgoingRequest& request) noexcept {
  char* const begin = head_block_.data() + (head.data() - head_block_.data());
  char* to = begin + head.size();
  for (const std::string_view piece : request.body_pieces()) {
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
