#include "http2_client.h"

#include <nghttp2/nghttp2.h>  // tidy: allow(third-party) its client side, of no other use

#include <algorithm>
#include <cstring>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::sim {

// What nghttp2 calls; `user` is the client.
struct Http2Client::Callbacks {
  static Stream* find(void* user, int32_t id) {
    auto& self = *static_cast<Http2Client*>(user);
    const auto found = self.by_id_.find(id);
    return found == self.by_id_.end() ? nullptr : &self.streams_[found->second];
  }
  static void tell(void* user, const Stream& stream) {
    auto& self = *static_cast<Http2Client*>(user);
    if (self.when_heard) self.when_heard(stream.index);
  }
  static int begin_head(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Stream* const stream = find(user, frame->hd.stream_id);
    if (stream != nullptr && !stream->has_answer) stream->answer = {};
    return 0;
  }
  static int take_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                         size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                         void* user) {
    Stream* const stream = find(user, frame->hd.stream_id);
    if (stream == nullptr || stream->has_answer) return 0;
    const std::string key(reinterpret_cast<const char*>(name), name_length);
    const std::string text(reinterpret_cast<const char*>(value), value_length);
    if (key == ":status") {
      stream->answer.status = static_cast<uint16_t>(std::atoi(text.c_str()));
      stream->answer.head = "HTTP/2 " + text + "\r\n";
    } else {
      stream->answer.head += key + ": " + text + "\r\n";
    }
    return 0;
  }
  static int take_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& self = *static_cast<Http2Client*>(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) self.is_refused_ = true;
    Stream* const stream = find(user, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && stream->answer.status >= 200 && !stream->has_answer) {
      stream->answer.head += "\r\n";
      stream->has_answer = true;
    }
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      if (std::exchange(stream->has_ended, true)) self.fault_ = "END_STREAM twice";
      stream->answer.is_complete = true;
    }
    if (carries && stream->has_answer) tell(user, *stream);
    return 0;
  }
  static int take_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                       void* user) {
    auto& self = *static_cast<Http2Client*>(user);
    Stream* const stream = find(user, id);
    if (stream == nullptr || !stream->has_answer || stream->has_ended) {
      self.fault_ = "a body where none belongs";
      return 0;
    }
    stream->answer.body.append(reinterpret_cast<const char*>(bytes), length);
    tell(user, *stream);
    self.consume(id, length);
    return 0;
  }
  static int close(nghttp2_session*, int32_t id, uint32_t, void* user) {
    auto& self = *static_cast<Http2Client*>(user);
    Stream* const stream = find(user, id);
    if (stream == nullptr || std::exchange(stream->is_over, true)) return 0;
    ++self.over_;
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* out, size_t length,
                           uint32_t* flags, nghttp2_data_source*, void* user) {
    auto& self = *static_cast<Http2Client*>(user);
    Stream* const stream = find(user, id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string& payload = self.plan_.client.requests[stream->index].payload;
    const size_t end = std::min(payload.size(), stream->may_upload);
    const size_t count = std::min(length, end - stream->uploaded);
    const bool has_rest = stream->never_ends || stream->uploaded < payload.size();
    if (count == 0 && has_rest) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(out, payload.data() + stream->uploaded, count);
    stream->uploaded += count;
    const bool is_last = stream->uploaded == payload.size() && !stream->never_ends;
    if (is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }
  static ssize_t pad(nghttp2_session*, const nghttp2_frame* frame, size_t length_max, void* user) {
    const auto& self = *static_cast<Http2Client*>(user);
    if (frame->hd.type != NGHTTP2_DATA || self.plan_.padding == 0)
      return static_cast<ssize_t>(frame->hd.length);
    // The byte that says how much there is counts.
    return static_cast<ssize_t>(std::min(length_max, frame->hd.length + 1 + self.plan_.padding));
  }
};

Http2Client::Http2Client(support::SimWorld& world, Http2Plan plan)
    : SimPeer(world), plan_(std::move(plan)), streams_(plan_.client.requests.size()) {
  for (size_t i = 0; i < streams_.size(); ++i) streams_[i].index = i;
  nghttp2_session_callbacks* callbacks = nullptr;
  SLUICE_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &Callbacks::begin_head);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::take_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::take_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::take_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::close);
  nghttp2_session_callbacks_set_select_padding_callback(callbacks, &Callbacks::pad);
  nghttp2_option* options = nullptr;
  SLUICE_ASSERT(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_auto_window_update(options, 1);
  SLUICE_ASSERT(nghttp2_session_client_new2(&session_, callbacks, this, options) == 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
}

Http2Client::~Http2Client() { nghttp2_session_del(session_); }

Asked Http2Client::asked(size_t index) const {
  const Stream& stream = streams_[index];
  return {.request = &plan_.client.requests[index],
          .answer = stream.has_answer ? &stream.answer : nullptr,
          .was_sent = stream.was_sent,
          .is_over = stream.is_over || is_over()};
}

void Http2Client::leave() {
  if (plan_.client.leaves_by_reset) {
    reset();
  } else {
    resume_reading();
    close();
  }
}

size_t Http2Client::ask(Request request, bool ends) {
  const size_t index = streams_.size();
  SLUICE_ASSERT(begun_ == index);
  plan_.client.requests.push_back(std::move(request));
  streams_.emplace_back();
  streams_.back().index = index;
  streams_.back().never_ends = !ends;
  ++begun_;
  send_request(index);
  return index;
}

void Http2Client::open_window(size_t index, int32_t bytes) {
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, streams_[index].id, bytes);
  flush();
}

void Http2Client::on_connected() {
  if (plan_.client.leaves) {
    world().after(*plan_.client.leaves, [this] {
      if (!is_over()) leave();
    });
  }
  if (plan_.client.stall_for > Duration::zero()) stall();
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, plan_.window},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  if (plan_.pings_every > Duration::zero()) ping();
  advance();
}

void Http2Client::on_bytes(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0 || static_cast<size_t>(taken) != bytes.size()) {
    fault_ =
        "nghttp2 does not understand: " + std::string(nghttp2_strerror(static_cast<int>(taken)));
    return;
  }
  if (plan_.client.leaves_at && received().size() >= *plan_.client.leaves_at) return leave();
  advance();
}

void Http2Client::advance() {
  const std::vector<Request>& requests = plan_.client.requests;
  while (!is_refused_ && begun_ < requests.size() && begun_ - over_ < plan_.client.depth) {
    const size_t index = begun_++;
    if (requests[index].think_time > Duration::zero()) {
      world().after(requests[index].think_time, [this, index] {
        if (!is_over()) send_request(index);
        if (!is_over()) finish_if_done();
      });
    } else {
      send_request(index);
    }
  }
  flush();
  finish_if_done();
}

void Http2Client::send_request(size_t index) {
  const Request& request = plan_.client.requests[index];
  Stream& stream = streams_[index];
  if (is_refused_) {
    stream.is_over = true;
    ++over_;
    return;
  }
  std::vector<std::pair<std::string, std::string>> fields;
  const size_t method_end = request.head.find(' ');
  const size_t path_end = request.head.find(' ', method_end + 1);
  fields.emplace_back(":method", request.head.substr(0, method_end));
  fields.emplace_back(":scheme", "https");
  fields.emplace_back(":path", request.head.substr(method_end + 1, path_end - method_end - 1));
  fields.emplace_back(":authority", "sluice.test");
  for (size_t at = request.head.find("\r\n") + 2; at < request.head.size();) {
    const size_t end = request.head.find("\r\n", at);
    const std::string line = request.head.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) break;
    const std::string name = line.substr(0, colon);
    const bool is_of_one = name == "host" || name == "transfer-encoding" || name == "expect" ||
                           (name == "content-length" && !plan_.says_length);
    if (!is_of_one) fields.emplace_back(name, line.substr(colon + 2));
  }
  std::vector<nghttp2_nv> pairs;
  for (auto& [name, value] : fields) {
    pairs.push_back({reinterpret_cast<uint8_t*>(name.data()),
                     reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                     NGHTTP2_NV_FLAG_NONE});
  }
  const bool has_body = !request.payload.empty() || stream.never_ends;
  const nghttp2_data_provider body{.source = {}, .read_callback = &Callbacks::read_body};
  stream.may_upload = plan_.upload_bytes == 0 ? request.payload.size() : plan_.upload_bytes;
  const int32_t id = nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                            has_body ? &body : nullptr, nullptr);
  if (id < 0) {
    stream.is_over = true;
    ++over_;
    return;
  }
  by_id_[id] = index;
  stream.id = id;
  stream.was_sent = true;
  if (when_sent) when_sent(index);
  if (stream.may_upload < request.payload.size()) upload_more(id);
  if (index < plan_.resets.size() && plan_.resets[index]) {
    world().after(*plan_.resets[index], [this, id, index] {
      if (is_over() || streams_[index].is_over) return;
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      advance();
    });
  }
  flush();
}

void Http2Client::upload_more(int32_t id) {
  world().after(plan_.upload_pause, [this, id] {
    Stream& stream = streams_[by_id_[id]];
    if (is_over() || stream.is_over) return;
    stream.may_upload += plan_.upload_bytes;
    nghttp2_session_resume_data(session_, id);
    flush();
    if (stream.may_upload < plan_.client.requests[stream.index].payload.size()) upload_more(id);
  });
}

void Http2Client::consume(int32_t id, size_t count) {
  if (plan_.consumes_after <= Duration::zero()) {
    nghttp2_session_consume(session_, id, count);
    return;
  }
  world().after(plan_.consumes_after, [this, id, count] {
    if (is_over()) return;
    nghttp2_session_consume(session_, id, count);
    flush();
  });
}

void Http2Client::ping() {
  world().after(plan_.pings_every, [this] {
    if (is_over()) return;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    flush();
    ping();
  });
}

void Http2Client::stall() {
  if (is_over()) return;
  stall_reading();
  world().after(plan_.client.stall_for, [this] {
    if (is_over()) return;
    resume_reading();
    world().after(plan_.client.stall_every, [this] { stall(); });
  });
}

void Http2Client::flush() {
  std::string out;
  const uint8_t* bytes = nullptr;
  for (;;) {
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    if (count <= 0) break;
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  }
  if (!out.empty()) send(std::move(out));
}

void Http2Client::finish_if_done() {
  if (plan_.stays && !is_refused_) return;
  if (over_ < begun_ || (begun_ < streams_.size() && !is_refused_)) return;
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  flush();
  close();
}

}  // namespace sluice::sim
