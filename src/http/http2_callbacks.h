// What nghttp2 calls: the session's ears and hands.
#pragma once

#include <nghttp2/nghttp2.h>

#include <sluice/http/http2_session.h>

namespace sluice::http {

struct Http2Callbacks {
  static void set_all(nghttp2_session_callbacks* callbacks) noexcept;

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* self) noexcept;
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self) noexcept;
  static int take_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t flags,
                         void* self) noexcept;
  static int refuse_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                           size_t name_bytes, const uint8_t* value, size_t value_bytes,
                           uint8_t flags, void* self) noexcept;
  static int take_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) noexcept;
  static int refuse_frame(nghttp2_session*, const nghttp2_frame* frame, int code,
                          void* self) noexcept;
  static int take_data(nghttp2_session*, uint8_t flags, int32_t stream, const uint8_t* data,
                       size_t bytes, void* self) noexcept;
  static int close_stream(nghttp2_session*, int32_t stream, uint32_t code, void* self) noexcept;
  static int before_sending(nghttp2_session*, const nghttp2_frame* frame, void* self) noexcept;
  static ssize_t read_data(nghttp2_session*, int32_t stream, uint8_t* to, size_t room,
                           uint32_t* flags, nghttp2_data_source* source, void* self) noexcept;
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_head,
                       size_t bytes, nghttp2_data_source* source, void* self) noexcept;

 private:
  static void end_block(Http2Session& session) noexcept;
  static int finish_head(Http2Session& session, const nghttp2_frame& frame) noexcept;
  static Http2Port* find(nghttp2_session* session, int32_t stream) noexcept {
    return static_cast<Http2Port*>(nghttp2_session_get_stream_user_data(session, stream));
  }
};

}  // namespace sluice::http
