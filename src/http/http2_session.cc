#include <sluice/http/http2_session.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include <nghttp2/nghttp2.h>

#include "http2_callbacks.h"
#include "http2_head.h"
#include "http2_memory.h"
#include "http2_parts.h"

namespace sluice::http {
namespace {

constexpr size_t kFieldsMax = HeaderList::kCapacity + 64;
// Queued answers to PING and SETTINGS; beyond it the connection ends.
constexpr size_t kAnswersMax = 128;
constexpr size_t kSettingsMax = 16;
// The library counts a frame head that comes in pieces for each piece, so ours is the count that
// holds (http2_callbacks.cc).
constexpr size_t kContinuationPiecesMax = 128;

struct DropCallbacks {
  void operator()(nghttp2_session_callbacks* callbacks) const noexcept {
    nghttp2_session_callbacks_del(callbacks);
  }
};
struct DropOption {
  void operator()(nghttp2_option* option) const noexcept { nghttp2_option_del(option); }
};

nghttp2_nv field_of(std::string_view name, std::string_view value) noexcept {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whole field lines as fields; what lies beyond the room is left out.
size_t split_lines(std::string_view lines, std::span<nghttp2_nv> fields) noexcept {
  size_t count = 0;
  while (!lines.empty() && count < fields.size()) {
    const size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(lines.size(), end + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) continue;
    fields[count++] = field_of(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return count;
}

std::array<char, 3> digits_of(uint16_t status) noexcept {
  return {static_cast<char>('0' + status / 100 % 10), static_cast<char>('0' + status / 10 % 10),
          static_cast<char>('0' + status % 10)};
}

std::unique_ptr<nghttp2_option, DropOption> make_option() noexcept {
  nghttp2_option* made = nullptr;
  if (nghttp2_option_new(&made) != 0) return nullptr;
  std::unique_ptr<nghttp2_option, DropOption> option(made);
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_no_closed_streams(made, 1);
  nghttp2_option_set_max_settings(made, kSettingsMax);
  nghttp2_option_set_max_outbound_ack(made, kAnswersMax);
  nghttp2_option_set_max_continuations(made, kContinuationPiecesMax);
  // Counted here, with the ring's clock and a limit of the configuration.
  nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX);
  return option;
}

}  // namespace

void settle_http2_body(RequestHead& head, bool has_body) noexcept {
  if (head.body.kind != BodyKind::kLength) {
    head.body = {.kind = has_body ? BodyKind::kChunked : BodyKind::kNone};
  }
  head.expect_continue = head.headers.has(HeaderName::kExpect) && has_body && !head.body.is_empty();
  head.keep_alive = true;
}

void Http2Port::drop() noexcept {
  left_ = first_ = count_ = 0;
  owes_head_ = false;
  ends_ = has_ended_ = true;
}

Http2Session::Http2Session(Http2Observer& observer, io::BlockPool& blocks,
                           const Http2Limits& limits) noexcept
    : observer_(observer),
      blocks_(blocks),
      limits_(limits),
      head_(std::make_unique<HeadRead>()),
      staging_(blocks.take(kStagingBytes)) {
  if (!staging_.is_held()) return;
  limits_.head.head_bytes_max =
      std::min(limits_.head.head_bytes_max, static_cast<uint32_t>(HeaderList::kOffsetMax));
  limits_.head.header_count_max =
      std::min(limits_.head.header_count_max, static_cast<uint32_t>(HeaderList::kCapacity));
  const auto option = make_option();
  nghttp2_session_callbacks* made = nullptr;
  if (option == nullptr || nghttp2_session_callbacks_new(&made) != 0) return;
  const std::unique_ptr<nghttp2_session_callbacks, DropCallbacks> callbacks(made);
  Http2Callbacks::set_all(made);
  if (nghttp2_session_server_new3(&session_, made, this, option.get(), Http2Memory::of_thread()) !=
      0) {
    session_ = nullptr;
    return;
  }
  // Without the priorities of RFC 7540, whose tree a client may make as crooked as it likes.
  const std::array<nghttp2_settings_entry, 4> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams_max},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits_.head.head_bytes_max},
       {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}}};
  const bool is_ready =
      nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0 &&
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) == 0;
  if (!is_ready) stop(Http2Fault::kMemory, NGHTTP2_INTERNAL_ERROR);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

// --- reading -----------------------------------------------------------------------------------

void Http2Session::feed(std::string_view bytes, MonoTime now) noexcept {
  now_ = now;
  count_second(now);
  if (is_stopped_) return;
  const auto* const from = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t used = nghttp2_session_mem_recv(session_, from, bytes.size());
  if (head_began_at_ == MonoTime::max()) head_->room.release();
  if (used >= 0 || is_stopped_) return;
  switch (used) {
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
      return stop(Http2Fault::kHeaders, NGHTTP2_ENHANCE_YOUR_CALM);
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
      return stop(Http2Fault::kControlFrames, NGHTTP2_ENHANCE_YOUR_CALM);
    case NGHTTP2_ERR_CALLBACK_FAILURE: return stop(fault_, NGHTTP2_ENHANCE_YOUR_CALM);
    case NGHTTP2_ERR_NOMEM: return stop(Http2Fault::kMemory, NGHTTP2_INTERNAL_ERROR);
    default: return stop(Http2Fault::kProtocol, NGHTTP2_PROTOCOL_ERROR);
  }
}

void Http2Session::stop(Http2Fault fault, uint32_t code) noexcept {
  if (fault_ == Http2Fault::kNone) fault_ = fault;
  is_stopped_ = true;
  head_began_at_ = MonoTime::max();
  nghttp2_session_terminate_session(session_, code);
}

void Http2Session::end_for(Http2Fault fault) noexcept {
  if (!is_stopped_) stop(fault, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::count_second(MonoTime now) noexcept {
  if (now - second_began_at_ < seconds(1)) return;
  second_began_at_ = now;
  resets_ = control_frames_ = 0;
}

bool Http2Session::count_reset() noexcept {
  if (++resets_ <= limits_.resets_per_second) return true;
  fault_ = Http2Fault::kResets;
  return false;
}

bool Http2Session::count_control_frame() noexcept {
  if (++control_frames_ <= limits_.control_frames_per_second) return true;
  fault_ = Http2Fault::kControlFrames;
  return false;
}

// --- writing -----------------------------------------------------------------------------------

bool Http2Session::stage(std::string_view bytes) noexcept {
  if (bytes.size() > staging_.capacity() - staged_) return false;
  char* const to = staging_.data() + staged_;
  const bool extends =
      out_count_ > 0 && out_[out_count_ - 1].data() + out_[out_count_ - 1].size() == to;
  if (!extends && out_count_ == out_.size()) return false;
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  staged_ += bytes.size();
  out_bytes_ += bytes.size();
  if (extends) {
    std::string_view& last = out_[out_count_ - 1];
    last = {last.data(), last.size() + bytes.size()};
  } else {
    out_[out_count_++] = {to, bytes.size()};
  }
  return true;
}

size_t Http2Session::gather(std::span<std::string_view> slices) noexcept {
  out_ = slices;
  out_count_ = staged_ = out_bytes_ = 0;
  while (out_count_ < out_.size() && out_bytes_ < kBatchBytesMax) {
    const uint8_t* data = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &data);
    if (count < 0) {
      if (fault_ == Http2Fault::kNone) fault_ = Http2Fault::kMemory;
      is_stopped_ = true;
    }
    if (count <= 0) break;
    const std::string_view frame(reinterpret_cast<const char*>(data), static_cast<size_t>(count));
    if (stage(frame)) continue;
    // It stays where it is until more is asked for, which is after this batch.
    out_[out_count_++] = frame;
    break;
  }
  return out_count_;
}

void Http2Session::batch_sent() noexcept {
  while (Http2Port* const port = batch_.pop_front()) {
    if (!port->is_owing()) port->on_sent();
  }
}

bool Http2Session::is_behind() const noexcept {
  return nghttp2_session_get_outbound_queue_size(session_) > kFramesWaitingMax;
}

bool Http2Session::is_over() const noexcept {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void Http2Session::respond(Http2Port& port, uint16_t status, std::string_view lines,
                           bool ends) noexcept {
  if (port.is_closed()) return;
  std::array<nghttp2_nv, kFieldsMax> fields;
  const std::array<char, 3> digits = digits_of(status);
  fields[0] = field_of(":status", {digits.data(), digits.size()});
  const size_t count = 1 + split_lines(lines, std::span(fields).subspan(1));
  nghttp2_data_provider provider{};
  provider.read_callback = Http2Callbacks::read_data;
  port.owes_head_ = true;
  port.ends_ = port.has_ended_ = ends;
  const int done = nghttp2_submit_response(session_, port.stream_, fields.data(), count,
                                           ends ? nullptr : &provider);
  if (done != 0) reset(port, false);
}

void Http2Session::send(Http2Port& port, std::span<const std::string_view> slices,
                        bool ends) noexcept {
  if (port.is_closed()) return;
  port.first_ = port.count_ = 0;
  for (const std::string_view slice : slices) {
    if (slice.empty()) continue;
    port.slices_[port.count_++] = slice;
    port.left_ += slice.size();
  }
  port.ends_ = ends;
  // Fails where nothing was put off, which is as well.
  nghttp2_session_resume_data(session_, port.stream_);
}

void Http2Session::send_continue(Http2Port& port) noexcept {
  if (port.is_closed()) return;
  const nghttp2_nv status = field_of(":status", "100");
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, port.stream_, nullptr, &status, 1, nullptr);
}

void Http2Session::reset(Http2Port& port, bool is_done) noexcept {
  if (port.is_closed() || port.was_reset_) return;
  port.was_reset_ = true;
  if (!is_done) port.drop();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, port.stream_,
                            is_done ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
}

void Http2Session::forget(Http2Port& port) noexcept {
  port.unlink();
  if (port.is_closed()) return;
  if (!port.has_ended_) reset(port, false);
  nghttp2_session_set_stream_user_data(session_, port.stream_, nullptr);
  port.stream_ = 0;
}

void Http2Session::consume(Http2Port& port, size_t bytes) noexcept {
  if (!port.is_closed()) nghttp2_session_consume_stream(session_, port.stream_, bytes);
}

void Http2Session::widen(Http2Port& port) noexcept {
  if (port.is_closed()) return;
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, port.stream_, kBodyWindow);
}

void Http2Session::give_notice() noexcept {
  if (is_stopped_) return;
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Session::close() noexcept {
  if (is_stopped_) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

}  // namespace sluice::http
