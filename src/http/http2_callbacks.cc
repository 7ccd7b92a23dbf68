#include "http2_callbacks.h"

#include <algorithm>

#include "http2_parts.h"

namespace sluice::http {
namespace {

constexpr uint32_t kUpdatesOfFrame = 2;  // For the stream and for the connection.
constexpr uint32_t kUpdatesFreeMax = 10'000;
constexpr uint32_t kContinuationsMax = 8;
constexpr size_t kFrameHeadBytes = 9;
constexpr size_t kFrameBytesMax = 16 * 1024;

std::string_view text_of(const uint8_t* bytes, size_t count) noexcept {
  return {reinterpret_cast<const char*>(bytes), count};
}

bool ends_stream(const nghttp2_frame_hd& head) noexcept {
  return (head.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

void Http2Callbacks::set_all(nghttp2_session_callbacks* callbacks) noexcept {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, refuse_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, refuse_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, close_stream);
  nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_sending);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
}

// Counts what costs the client little and carries nothing.
int Http2Callbacks::begin_frame(nghttp2_session*, const nghttp2_frame_hd* head,
                                void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  bool is_good = true;
  // Whatever became of a header block, what is no part of it comes behind it.
  if (head->type != NGHTTP2_CONTINUATION) end_block(session);
  switch (head->type) {
    case NGHTTP2_HEADERS:
      session.head_->bytes = 0;
      session.head_->continuations = 0;
      break;
    case NGHTTP2_DATA: break;
    case NGHTTP2_CONTINUATION:
      if (++session.head_->continuations > kContinuationsMax) {
        session.fault_ = Http2Fault::kHeaders;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
      }
      is_good = session.count_control_frame();
      break;
    case NGHTTP2_RST_STREAM: is_good = session.count_reset(); break;
    case NGHTTP2_WINDOW_UPDATE:
      if (session.window_updates_free_ > 0) {
        --session.window_updates_free_;
        break;
      }
      is_good = session.count_control_frame();
      break;
    default: is_good = session.count_control_frame();
  }
  if (head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_CONTINUATION) {
    session.head_->bytes += kFrameHeadBytes + head->length;
  }
  return is_good ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// A block that is refused has no other end that is told.
void Http2Callbacks::end_block(Http2Session& session) noexcept {
  session.head_began_at_ = MonoTime::max();
  session.head_->text.reset();
  session.head_->stream = 0;
}

int Http2Callbacks::begin_headers(nghttp2_session*, const nghttp2_frame* frame,
                                  void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  session.head_began_at_ = session.now_;
  session.head_->text.reset();
  session.head_->stream = frame->hd.stream_id;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  const size_t wanted = session.limits_.head.head_bytes_max;
  if (!session.head_->room.is_held()) session.head_->room = session.blocks_.take(wanted);
  if (!session.head_->room.is_held()) {
    end_block(session);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  session.head_->text.emplace(std::span(session.head_->room.data(), session.head_->room.capacity()),
                              session.limits_.head);
  return 0;
}

int Http2Callbacks::take_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                                size_t name_bytes, const uint8_t* value, size_t value_bytes,
                                uint8_t, void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  // Trailers are read, as far as the tables of HPACK need it, and dropped.
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || !session.head_->text) return 0;
  session.head_->text->add(text_of(name, name_bytes), text_of(value, value_bytes));
  return 0;
}

// The library would leave such fields out in silence; two readers could then differ.
int Http2Callbacks::refuse_header(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t,
                                  const uint8_t*, size_t, uint8_t, void* self) noexcept {
  end_block(*static_cast<Http2Session*>(self));
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Http2Callbacks::refuse_frame(nghttp2_session*, const nghttp2_frame* frame, int,
                                 void* self) noexcept {
  if (frame->hd.type == NGHTTP2_HEADERS) end_block(*static_cast<Http2Session*>(self));
  return 0;
}

int Http2Callbacks::finish_head(Http2Session& session, const nghttp2_frame& frame) noexcept {
  const std::string_view text = session.head_->text->finish();
  end_block(session);
  const int32_t stream = frame.hd.stream_id;
  Http2Port* const port = session.observer_.on_head({.stream = stream,
                                                     .text = text,
                                                     .has_body = !ends_stream(frame.hd),
                                                     .bytes = session.head_->bytes});
  if (port == nullptr) {
    const int done = nghttp2_submit_rst_stream(session.session_, NGHTTP2_FLAG_NONE, stream,
                                               NGHTTP2_REFUSED_STREAM);
    return done == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  port->stream_ = stream;
  nghttp2_session_set_stream_user_data(session.session_, stream, port);
  // One frame of each in turn; a client that says otherwise would let one stream starve another.
  const nghttp2_extpri in_turn = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
  nghttp2_session_change_extpri_stream_priority(session.session_, stream, &in_turn, 1);
  return 0;
}

int Http2Callbacks::take_frame(nghttp2_session* raw, const nghttp2_frame* frame,
                               void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && session.head_->text) {
        return finish_head(session, *frame);
      }
      end_block(session);
      break;
    case NGHTTP2_DATA:
      if (frame->hd.length == frame->data.padlen && !ends_stream(frame->hd)) {
        return session.count_control_frame() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
      }
      break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) session.observer_.on_notice_seen();
      return 0;
    default: return 0;
  }
  if (!ends_stream(frame->hd)) return 0;
  if (Http2Port* const port = find(raw, frame->hd.stream_id)) port->on_body_end();
  return 0;
}

int Http2Callbacks::take_data(nghttp2_session* raw, uint8_t, int32_t stream, const uint8_t* data,
                              size_t bytes, void*) noexcept {
  // The connection's window is filled up at once: a stream that waits must not block the others.
  nghttp2_session_consume_connection(raw, bytes);
  if (Http2Port* const port = find(raw, stream)) port->on_body(text_of(data, bytes));
  return 0;
}

int Http2Callbacks::close_stream(nghttp2_session* raw, int32_t stream, uint32_t code,
                                 void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  if (stream == session.head_->stream) end_block(session);
  Http2Port* const port = find(raw, stream);
  if (port == nullptr) return 0;
  nghttp2_session_set_stream_user_data(raw, stream, nullptr);
  // What is with the kernel is confirmed by batch_sent() all the same.
  const bool is_whole =
      code == NGHTTP2_NO_ERROR && port->has_ended_ && port->left_ == 0 && !port->owes_head_;
  port->stream_ = 0;
  port->drop();
  port->on_closed(is_whole);
  return 0;
}

int Http2Callbacks::before_sending(nghttp2_session* raw, const nghttp2_frame* frame,
                                   void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
      session.fault_ == Http2Fault::kNone) {
    session.fault_ = Http2Fault::kProtocol;
    session.is_stopped_ = true;
    end_block(session);
  }
  if (frame->hd.type == NGHTTP2_RST_STREAM) {
    // One that the client's own mistakes have brought about is a stream that it ended early.
    const Http2Port* const port = find(raw, frame->hd.stream_id);
    const bool is_ours = frame->rst_stream.error_code == NGHTTP2_NO_ERROR ||
                         frame->rst_stream.error_code == NGHTTP2_INTERNAL_ERROR ||
                         (port != nullptr && port->was_reset_);
    if (!is_ours && !session.count_reset() && !session.is_stopped_) {
      session.stop(Http2Fault::kResets, NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  Http2Port* const port = find(raw, frame->hd.stream_id);
  if (port == nullptr || !port->owes_head_) return 0;
  port->owes_head_ = false;
  if (!port->is_linked()) session.batch_.push_back(*port);
  return 0;
}

ssize_t Http2Callbacks::read_data(nghttp2_session* raw, int32_t stream, uint8_t*, size_t room,
                                  uint32_t* flags, nghttp2_data_source*, void*) noexcept {
  const Http2Port* const port = find(raw, stream);
  if (port == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (port->left_ == 0 && (!port->ends_ || port->has_ended_)) return NGHTTP2_ERR_DEFERRED;
  const size_t count = std::min({room, port->left_, kFrameBytesMax});
  *flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (count == port->left_ && port->ends_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

int Http2Callbacks::send_data(nghttp2_session* raw, nghttp2_frame* frame, const uint8_t* frame_head,
                              size_t bytes, nghttp2_data_source*, void* self) noexcept {
  auto& session = *static_cast<Http2Session*>(self);
  Http2Port* const port = find(raw, frame->hd.stream_id);
  // Its bytes have gone since it was decided to send them.
  if (port == nullptr || bytes > port->left_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t pieces = 0;
  for (size_t seen = 0; seen < bytes; ++pieces) seen += port->slices_[port->first_ + pieces].size();
  const size_t staging_left = session.staging_.capacity() - session.staged_;
  const bool is_copied =
      bytes < Http2Session::kCopyBelow && bytes + kFrameHeadBytes <= staging_left;
  const size_t slots = session.out_.size() - session.out_count_;
  const bool has_room = session.out_bytes_ < Http2Session::kBatchBytesMax &&
                        staging_left >= kFrameHeadBytes && slots >= (is_copied ? 1 : 1 + pieces);
  if (!has_room) return NGHTTP2_ERR_WOULDBLOCK;
  SLUICE_ASSERT(session.stage(text_of(frame_head, kFrameHeadBytes)));
  for (size_t left = bytes; left > 0;) {
    std::string_view& slice = port->slices_[port->first_];
    const std::string_view part = slice.substr(0, left);
    if (is_copied) {
      SLUICE_ASSERT(session.stage(part));
    } else {
      session.out_[session.out_count_++] = part;
      session.out_bytes_ += part.size();
    }
    left -= part.size();
    slice.remove_prefix(part.size());
    if (slice.empty()) ++port->first_;
  }
  port->left_ -= bytes;
  port->bytes_handed_ += bytes + kFrameHeadBytes;
  port->has_ended_ = ends_stream(frame->hd);
  session.window_updates_free_ =
      std::min(session.window_updates_free_ + kUpdatesOfFrame, kUpdatesFreeMax);
  if (!port->is_linked()) session.batch_.push_back(*port);
  return 0;
}

}  // namespace sluice::http
