#include "small_connection.h"

#include <array>
#include <string_view>

#include <sluice/crypto/secret.h>
#include <sluice/http/serializer.h>
#include <sluice/json/writer.h>
#include <sluice/net/tls.h>

namespace sluice::control {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr uint16_t kNoContent = 204;
constexpr size_t kHeadBytesMax = 1024;

// Of every answer: what is told may be a secret, and is no page, whatever a browser is made to do
// with it.
constexpr std::string_view kForBrowsers =
    "cache-control: no-store\r\n"
    "x-content-type-options: nosniff\r\n"
    "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "x-frame-options: DENY\r\n"
    "referrer-policy: no-referrer\r\n"
    "permissions-policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()\r\n";

std::string_view error_type(uint16_t status) noexcept {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

// All that it ever held, also what an erase() has left behind its end.
void wipe(std::string& text) {
  text.resize(text.capacity());
  crypto::wipe(text.data(), text.size());
}

}  // namespace

SmallAnswer error_answer(uint16_t status, std::string_view code, std::string_view message,
                         std::string_view param) {
  SmallAnswer answer{.status = status};
  json::Writer writer(answer.body);
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(message);
  writer.key("type").string(error_type(status));
  writer.key("param");
  param.empty() ? writer.null() : writer.string(param);
  writer.key("code").string(code);
  writer.end_object().end_object();
  answer.body += '\n';
  return answer;
}

SmallServer::Connection::~Connection() {
  wipe(input_);
  wipe(request_.authorization);
  wipe(request_.body);
}

Task<void> SmallServer::Connection::serve(SmallPeer peer) {
  const bool is_secured = co_await secure();
  if (is_secured) co_await serve_requests(peer);
  co_await stream_.close();
}

Task<bool> SmallServer::Connection::secure() {
  if (transport_.tls == nullptr) co_return true;
  if (!transport_.tls->secure(stream_)) co_return false;
  const Deadline deadline = Deadline::after(stream_.ring().now(), limits_.head);
  const Result<void> done = co_await net::handshake(stream_, deadline, nullptr);
  co_return done.has_value();
}

Task<void> SmallServer::Connection::serve_requests(const SmallPeer& peer) {
  while (keep_alive_) {
    Step step = co_await read_head();
    if (step == Step::kRead) step = co_await read_request();
    if (step == Step::kClosed) break;
    request_.peer = peer;
    if (step == Step::kRefused) {
      const bool sent = co_await send_answer(refusal_, false, false);
      if (sent) co_await linger();
      break;
    }
    timer_.clear();
    SmallAnswer answer = co_await service_.answer(request_);
    const bool is_head = request_.method == http::Method::kHead;
    if (is_leaving_) keep_alive_ = false;
    const bool sent = co_await send_answer(answer, keep_alive_, is_head);
    wipe(answer.body);  // It may have said a new key.
    if (!sent) break;
    is_idle_ = input_.empty();
  }
}

SmallServer::Connection::Step SmallServer::Connection::refuse(uint16_t status,
                                                              std::string_view code,
                                                              std::string_view message) {
  refusal_ = error_answer(status, code, message);
  return Step::kRefused;
}

Task<SmallServer::Connection::Step> SmallServer::Connection::receive() {
  stream_.start_receive();
  co_await io::first_of(&stream_.received(), &timer_);
  if (!stream_.received().is_ready()) co_return Step::kClosed;
  const Result<io::Buffer> received = stream_.take_received();
  if (!received || received->is_empty()) co_return Step::kClosed;
  input_ += received->bytes();
  co_return Step::kRead;
}

Task<void> SmallServer::Connection::linger() {
  timer_.set(Deadline::after(stream_.ring().now(), kLingerTime));
  const uint64_t bytes_most = stream_.bytes_received() + kLingerBytes;
  while (stream_.bytes_received() < bytes_most) {
    input_.clear();
    const Step step = co_await receive();
    if (step != Step::kRead) co_return;
  }
}

Task<SmallServer::Connection::Step> SmallServer::Connection::read_head() {
  parser_.reset();
  bool has_begun = false;
  timer_.set(Deadline::after(stream_.ring().now(), limits_.keep_alive));
  for (;;) {
    if (!input_.empty()) {
      const http::ParseState state = parser_.parse(input_);
      if (state == http::ParseState::kDone) co_return Step::kRead;
      if (state == http::ParseState::kError) {
        co_return refuse(parser_.error_status(), "malformed_request", parser_.error().detail);
      }
      if (!has_begun && !parser_.is_idle()) {
        has_begun = true;
        timer_.set(Deadline::after(stream_.ring().now(), limits_.head));
      }
    }
    const Step step = co_await receive();
    if (step != Step::kRead) co_return step;
  }
}

Task<SmallServer::Connection::Step> SmallServer::Connection::read_request() {
  const http::RequestHead& head = parser_.head();
  const std::string_view origin = head.headers.find("origin");
  request_ = {.method = head.method,
              .path = std::string(head.path),
              .content_type = std::string(head.headers.find(http::HeaderName::kContentType)),
              .body = {},
              .has_origin = origin.data() != nullptr,
              .origin = std::string(origin),
              .is_preflight = head.method == http::Method::kOptions &&
                              head.headers.find("access-control-request-method").data() != nullptr,
              .query = std::string(head.query),
              .authorization = std::string(head.headers.find(http::HeaderName::kAuthorization)),
              .idempotency_key = std::string(head.headers.find(http::HeaderName::kIdempotencyKey)),
              .peer = {}};
  keep_alive_ = head.keep_alive;
  is_idle_ = false;
  const http::BodyFraming framing = head.body;
  const bool expects_continue = head.expect_continue;
  input_.erase(0, head.head_bytes);  // The head's views are dead from here on.
  if (framing.kind == http::BodyKind::kNone) co_return Step::kRead;
  if (framing.kind == http::BodyKind::kLength && framing.length > limits_.body_bytes_max) {
    co_return refuse(413, "request_too_large", "the body is larger than this interface takes");
  }
  if (expects_continue && input_.empty()) {
    const bool sent = co_await send(kContinue);
    if (!sent) co_return Step::kClosed;
  }
  timer_.set(Deadline::after(stream_.ring().now(), limits_.body));
  const Step step = co_await read_body(framing);
  co_return step;
}

Task<SmallServer::Connection::Step> SmallServer::Connection::read_body(http::BodyFraming framing) {
  if (framing.kind == http::BodyKind::kChunked) {
    const Step step = co_await read_chunked_body();
    co_return step;
  }
  while (input_.size() < framing.length) {
    const Step step = co_await receive();
    if (step != Step::kRead) co_return step;
  }
  request_.body = input_.substr(0, framing.length);
  input_.erase(0, framing.length);
  co_return Step::kRead;
}

Task<SmallServer::Connection::Step> SmallServer::Connection::read_chunked_body() {
  http::ChunkedDecoder decoder(Side::kDownstream);
  for (;;) {
    size_t at = 0;
    while (at < input_.size() && !decoder.finished()) {
      const Result<std::string_view> payload = decoder.next(input_, at);
      if (!payload) co_return refuse(400, "malformed_request", payload.error().detail);
      if (request_.body.size() + payload->size() > limits_.body_bytes_max) {
        co_return refuse(413, "request_too_large", "the body is larger than this interface takes");
      }
      request_.body += *payload;
    }
    input_.erase(0, at);
    if (decoder.finished()) co_return Step::kRead;
    const Step step = co_await receive();
    if (step != Step::kRead) co_return step;
  }
}

Task<bool> SmallServer::Connection::send(std::string_view bytes) {
  if (stream_.is_shut_down()) co_return false;
  timer_.set(Deadline::after(stream_.ring().now(), limits_.send));
  stream_.start_send({&bytes, 1});
  co_await io::first_of(&stream_.sent(), &timer_);
  if (!stream_.sent().is_ready()) {
    // The bytes belong to the caller: the send must have ended before they die.
    stream_.shut_down();
    co_await io::first_of(&stream_.sent());
  }
  co_return stream_.take_sent().has_value();
}

Task<bool> SmallServer::Connection::send_answer(const SmallAnswer& answer, bool keep_alive,
                                                bool is_head) {
  const bool has_body = answer.status != kNoContent;
  SLUICE_ASSERT(answer.lines.size() <= SmallAnswer::kLinesMax);
  std::string room(kHeadBytesMax + answer.lines.size(), '\0');
  http::HeadWriter head(room);
  head.status_line(answer.status).lines(kForBrowsers);
  if (has_body) {
    head.header("content-type", answer.content_type).content_length(answer.body.size());
  }
  if (transport_.hsts > Duration::zero()) {
    const auto age = std::chrono::duration_cast<seconds>(transport_.hsts).count();
    head.header("strict-transport-security", "max-age=" + std::to_string(age));
  }
  head.lines(answer.lines);
  if (!answer.allow.empty()) head.header("allow", answer.allow);
  if (!keep_alive) head.header("connection", "close");
  head.end();
  SLUICE_ASSERT(head.ok());  // Everything in it is ours and short.
  std::string bytes(head.text());
  if (!is_head && has_body) bytes += answer.body;
  const bool sent = co_await send(bytes);
  wipe(bytes);
  co_return sent;
}

}  // namespace sluice::control
