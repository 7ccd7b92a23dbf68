// The half of Connection that writes answers: heads, bodies, streams, and how they break.
#include <algorithm>

#include <sluice/base/assert.h>

#include "connection.h"
#include "pacer.h"
#include "small_answers.h"

namespace sluice::sim {
namespace {

constexpr size_t kBurstBytes = 1024 * 1024;
constexpr std::string_view kBadChunk = "xyz\r\nthis chunk has no size\r\n";

}  // namespace

std::string_view Connection::write_head(const Head& head) noexcept {
  http::HeadWriter writer(head_bytes_);
  status_ = head.status;
  writer.status_line(head.status).header("content-type", head.content_type);
  if (head.framing == Framing::kLength) writer.content_length(head.length);
  if (head.framing == Framing::kChunked) writer.chunked();
  if (head.framing == Framing::kUntilClose) keeps_alive_ = false;
  char id[24] = "sim-";
  uint64_t number = site_.next_number++;
  for (size_t i = 20; i-- > 4; number >>= 4) id[i] = "0123456789abcdef"[number & 15];
  writer.header("x-request-id", shape_.fixed ? "sim-fixed" : std::string_view(id, 20));
  writer.header("x-ratelimit-limit-requests", uint64_t{10000});
  writer.header("server", "sluice-sim");
  if (shape_.retry_after > 0) writer.header("retry-after", uint64_t{shape_.retry_after});
  if (head.content_type.starts_with("text/event-stream")) {
    writer.header("cache-control", "no-cache");
  }
  if (!keeps_alive_) {
    writer.header("connection", "close");
  } else if (parser_.head().version == http::Version::kHttp10) {
    writer.header("connection", "keep-alive");
  }
  const std::string_view text = writer.end().text();
  SLUICE_ASSERT(!text.empty());
  return text;
}

Connection::After Connection::after_answer() noexcept {
  return keeps_alive_ && !shape_.faults.has(Fault::kEarlyClose) ? After::kNext : After::kClose;
}

Task<Connection::After> Connection::send_error(uint16_t status, std::string_view message,
                                               std::string_view param, std::string_view code) {
  body_out_.clear();
  render_error(body_out_, message, "invalid_request_error", param, code);
  shape_.faults = {};
  const After after = co_await send_body(status, MonoTime{});
  co_return after;
}

Task<Connection::After> Connection::send_body(uint16_t status, MonoTime due) {
  const bool is_there = co_await wire_.wait_until(due);
  if (!is_there) co_return After::kGone;
  phase_ = "stream";
  const Faults& faults = shape_.faults;
  const bool breaks = faults.has(Fault::kHangBody) || faults.has(Fault::kStallAfter) ||
                      faults.has(Fault::kCutAfter) || faults.has(Fault::kCutMidEvent) ||
                      faults.has(Fault::kCutMidChunk) || faults.has(Fault::kResetAfter) ||
                      faults.has(Fault::kBadChunk);
  if (breaks) {
    const After after = co_await send_broken_body();
    co_return after;
  }
  Framing framing = Framing::kLength;
  if (faults.has(Fault::kUntilClose)) framing = Framing::kUntilClose;
  if (faults.has(Fault::kOneChunk)) framing = Framing::kChunked;
  const std::string_view head =
      write_head({.status = status, .framing = framing, .length = body_out_.size()});
  std::array<char, http::kChunkHeadBytesMax> chunk_head;
  std::array<std::string_view, 5> slices = {head};
  size_t count = 1;
  if (parser_.head().method != http::Method::kHead) {
    const bool is_chunked = framing == Framing::kChunked;
    if (is_chunked) slices[count++] = http::write_chunk_head(chunk_head, body_out_.size());
    slices[count++] = body_out_;
    if (is_chunked) slices[count++] = http::kChunkEnd;
    if (is_chunked) slices[count++] = http::kLastChunk;
  }
  const bool is_sent = co_await wire_.send({slices.data(), count});
  co_return is_sent ? after_answer() : After::kGone;
}

Task<Connection::After> Connection::send_broken_body() {
  const Faults& faults = shape_.faults;
  ending_ = Ending::kBroken;
  const bool is_chunked = faults.has(Fault::kBadChunk);
  const std::string_view half = std::string_view(body_out_).substr(0, body_out_.size() / 2);
  std::array<char, http::kChunkHeadBytesMax> chunk_head;
  const std::string_view head = write_head(
      {.framing = is_chunked ? Framing::kChunked : Framing::kLength, .length = body_out_.size()});
  const std::array<std::string_view, 5> slices = {
      head, is_chunked ? http::write_chunk_head(chunk_head, half.size()) : std::string_view(), half,
      is_chunked ? http::kChunkEnd : std::string_view(),
      is_chunked ? kBadChunk : std::string_view()};
  const bool is_sent = co_await wire_.send(slices);
  if (!is_sent) co_return After::kGone;
  if (faults.has(Fault::kResetAfter)) co_return After::kReset;
  if (!faults.has(Fault::kHangBody) && !faults.has(Fault::kStallAfter)) co_return After::kClose;
  phase_ = "stall";
  co_await wire_.wait_for_leave();
  co_return After::kGone;
}

// --- streams ---------------------------------------------------------------------------------

bool Connection::ends_here(uint64_t position) const noexcept {
  const Faults& faults = shape_.faults;
  if (!faults.any()) return false;
  return faults.strikes(Fault::kStallAfter, position) ||
         faults.strikes(Fault::kCutAfter, position) ||
         faults.strikes(Fault::kCutMidEvent, position) ||
         faults.strikes(Fault::kCutMidChunk, position) ||
         faults.strikes(Fault::kResetAfter, position) ||
         faults.strikes(Fault::kBadChunk, position) ||
         (faults.has(Fault::kHangBody) && position > 0);
}

// The length that the head must announce, or that of the one chunk; found by writing it all once.
uint64_t Connection::stream_bytes(const Generation& generation) const {
  EventScript script(generation, shape_);
  std::string event;
  uint64_t total = 0;
  while (!script.at_end()) {
    event.clear();
    script.render_next(event, shape_.stamp
                                  ? std::optional<uint64_t>(wire_.now().time_since_epoch().count())
                                  : std::nullopt);
    const auto line_ends = std::count(event.begin(), event.end(), '\n');
    total += event.size() + (shape_.faults.has(Fault::kCrlf) ? static_cast<size_t>(line_ends) : 0);
  }
  return total;
}

void Connection::append_event(EventScript& script) {
  const bool has_chunks = framing_ == Framing::kChunked && !shape_.faults.has(Fault::kOneChunk);
  std::string& event = body_out_;
  event.clear();
  const auto now_ns = static_cast<uint64_t>(wire_.now().time_since_epoch().count());
  script.render_next(event, shape_.stamp ? std::optional(now_ns) : std::nullopt);
  if (shape_.faults.has(Fault::kCrlf)) event = with_crlf(event);
  std::array<char, http::kChunkHeadBytesMax> chunk_head;
  if (has_chunks) pending_ += http::write_chunk_head(chunk_head, event.size());
  pending_ += event;
  if (has_chunks) pending_ += http::kChunkEnd;
}

Task<bool> Connection::flush(bool is_last) {
  const bool ends_chunks = is_last && framing_ == Framing::kChunked;
  const bool ends_one = ends_chunks && shape_.faults.has(Fault::kOneChunk);
  const std::array<std::string_view, 4> slices = {
      pending_head_, pending_, ends_one ? http::kChunkEnd : std::string_view(),
      ends_chunks ? http::kLastChunk : std::string_view()};
  if (pending_head_.empty() && pending_.empty() && !ends_chunks) co_return true;
  const bool is_sent = co_await wire_.send(slices);
  pending_head_ = {};
  pending_.clear();
  co_return is_sent;
}

Task<Connection::After> Connection::stream_events(const Generation& generation) {
  const Faults& faults = shape_.faults;
  framing_ = parser_.head().version == http::Version::kHttp10 || faults.has(Fault::kUntilClose)
                 ? Framing::kUntilClose
                 : Framing::kChunked;
  if (faults.has(Fault::kContentLength)) framing_ = Framing::kLength;
  const bool is_one_chunk = framing_ == Framing::kChunked && faults.has(Fault::kOneChunk);
  const bool needs_length = framing_ == Framing::kLength || is_one_chunk;
  const uint64_t length = needs_length ? stream_bytes(generation) : 0;
  pending_head_ = write_head(
      {.content_type = "text/event-stream; charset=utf-8", .framing = framing_, .length = length});
  pending_.clear();
  if (is_one_chunk) {
    std::array<char, http::kChunkHeadBytesMax> chunk_head;
    pending_ = http::write_chunk_head(chunk_head, length);
  }
  EventScript script(generation, shape_);
  const Pacer pacer(arrived_, shape_.ttft, shape_.tps);
  while (!ends_here(script.position()) && !script.at_end()) {
    const MonoTime due = pacer.due(shape_.burst ? 0 : script.token());
    const bool is_there = co_await wire_.wait_until(due);
    if (!is_there) co_return After::kGone;
    phase_ = "stream";
    append_event(script);
    const bool is_last = script.at_end() && !ends_here(script.position());
    const bool waits = shape_.burst && !is_last && pending_.size() < kBurstBytes;
    const bool is_sent = waits || co_await flush(is_last);
    if (!is_sent) co_return After::kGone;
    events_sent_ = script.position();
    ShardFigures::add(site_.counts.events_sent);
  }
  if (!ends_here(script.position())) co_return after_answer();
  const After after = co_await strike(script);
  co_return after;
}

// Ends the stream in the way its fault says.
Task<Connection::After> Connection::strike(EventScript& script) {
  const Faults& faults = shape_.faults;
  ending_ = Ending::kBroken;
  const uint64_t position = script.position();
  const bool cuts_event = faults.strikes(Fault::kCutMidEvent, position);
  const bool cuts_chunk = faults.strikes(Fault::kCutMidChunk, position);
  if ((cuts_event || cuts_chunk) && !script.at_end()) {
    std::string before = std::move(pending_);
    pending_.clear();
    append_event(script);
    const std::string_view half = std::string_view(body_out_).substr(0, body_out_.size() / 2);
    const bool has_chunks = framing_ == Framing::kChunked && !faults.has(Fault::kOneChunk);
    std::array<char, http::kChunkHeadBytesMax> chunk_head;
    const size_t announced = cuts_chunk ? body_out_.size() : half.size();
    if (has_chunks) before += http::write_chunk_head(chunk_head, announced);
    before += half;
    if (has_chunks && !cuts_chunk) before += http::kChunkEnd;
    pending_ = std::move(before);
  } else if (faults.strikes(Fault::kBadChunk, position)) {
    pending_ += kBadChunk;
  }
  const bool is_sent = co_await flush(false);
  if (!is_sent) co_return After::kGone;
  if (faults.strikes(Fault::kResetAfter, position)) co_return After::kReset;
  const bool stalls = faults.strikes(Fault::kStallAfter, position) || faults.has(Fault::kHangBody);
  if (!stalls) co_return After::kClose;
  phase_ = "stall";
  co_await wire_.wait_for_leave();
  co_return After::kGone;
}

}  // namespace sluice::sim
