#include "reply.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <sluice/json/writer.h>
#include <sluice/relay/send_watch.h>

#include "limit_fields.h"

namespace sluice::exchange {
namespace {

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kPermission = "permission_error";
constexpr std::string_view kServer = "server_error";
constexpr std::string_view kUpstream = "upstream_error";
constexpr std::string_view kTimeout = "timeout_error";

// Overload passes in a moment; a client that waits this long has a fair chance.
constexpr Duration kRetryAfter = seconds(1);
// Whatever the reason, a client that is told to wait longer would rather ask somebody.
constexpr Duration kRetryAfterMax = seconds(3600);

// Both spellings: the SDKs of OpenAI read milliseconds first.
void add_retry_after(http::ResponseSink& sink, Duration after) noexcept {
  const auto write = [&sink](http::FieldName name, int64_t number) {
    std::array<char, 20> digits;
    const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    sink.add_header(name, {digits.data(), static_cast<size_t>(end - digits.data())});
  };
  const auto ms = std::chrono::ceil<milliseconds>(std::min(after, kRetryAfterMax));
  write("retry-after", std::chrono::ceil<seconds>(ms).count());
  write("retry-after-ms", ms.count());
}

// Appends to a small fixed text; what does not fit is cut.
class MessageText {
 public:
  MessageText& add(std::string_view text) noexcept {
    const size_t count = std::min(text.size(), text_.size() - length_);
    std::copy_n(text.data(), count, text_.data() + length_);  // An empty view may be null.
    length_ += count;
    return *this;
  }
  MessageText& add(uint64_t number) noexcept {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return add({digits.data(), static_cast<size_t>(end - digits.data())});
  }
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), length_}; }

 private:
  std::array<char, 512> text_;
  size_t length_ = 0;
};

std::string_view noun_of(config::LimitMeasure measure) noexcept {
  switch (measure) {
    case config::LimitMeasure::kRequests: return "requests";
    case config::LimitMeasure::kTokens: return "tokens";
    case config::LimitMeasure::kInputTokens: return "input tokens";
    case config::LimitMeasure::kOutputTokens: return "output tokens";
    case config::LimitMeasure::kMicroDollars: return "micro-dollars";
    case config::LimitMeasure::kConcurrency: return "requests in flight";
  }
  return "";
}

std::string_view window_of(const config::LimitRule& rule) noexcept {
  switch (rule.window) {
    case config::LimitWindow::kNone: return " at a time";
    case config::LimitWindow::kDay: return " a day";
    case config::LimitWindow::kWeek: return " a week";
    case config::LimitWindow::kMonth: return " a month";
    case config::LimitWindow::kTotal: return " in all";
    case config::LimitWindow::kRolling: break;
  }
  if (rule.length <= seconds(1)) return " a second";
  return rule.length <= seconds(60) ? " a minute" : " in 24 hours";
}

// "Limit `free/requests_per_minute` of 60 requests a minute is reached. Try again in 12ms."
void write_limit_message(MessageText& text, const ErrorDetails& details) noexcept {
  const config::LimitRule& rule = *details.rule;
  text.add("The limit `").add(rule.name).add("` of ");
  if (rule.measure == config::LimitMeasure::kMicroDollars) {
    const uint64_t cents = rule.most / 10'000;
    text.add("$").add(cents / 100).add(".").add(cents % 100 / 10).add(cents % 10);
  } else {
    text.add(rule.most).add(" ").add(noun_of(rule.measure));
  }
  text.add(window_of(rule));
  if (details.is_too_large_for_limit) {
    text.add(" is smaller than this request needs. Ask for fewer tokens.");
    return;
  }
  text.add(" is reached. ");
  if (rule.measure == config::LimitMeasure::kConcurrency) {
    text.add("Wait until a request has ended.");
    return;
  }
  if (rule.window == config::LimitWindow::kTotal) {
    text.add("Ask whoever runs this gateway for more.");
    return;
  }
  std::array<char, kDurationTextMost> wait;
  const char* const end =
      write_duration(wait.data(), std::chrono::ceil<milliseconds>(details.retry_after));
  text.add("Try again in ").add({wait.data(), static_cast<size_t>(end - wait.data())}).add(".");
}

void write_message(MessageText& text, ErrorCode code, const ErrorAnswer& answer,
                   const ErrorDetails& details) noexcept {
  switch (code) {
    case ErrorCode::kModelNotFound:
      text.add("The model `")
          .add(details.model)
          .add("` does not exist or you do not have access to it.");
      return;
    case ErrorCode::kModelNotAllowed:
      text.add("Your API key may not use the model `").add(details.model).add("`.");
      return;
    case ErrorCode::kUnsupportedEndpoint:
      text.add("The model `").add(details.model).add("` does not serve this endpoint.");
      return;
    case ErrorCode::kRequestTooLarge:
      text.add("The request body is larger than the limit of ").add(details.limit).add(" bytes.");
      return;
    case ErrorCode::kMissingParameter:
      text.add("The parameter `").add(details.param).add("` is required.");
      return;
    case ErrorCode::kUnsupportedValue:
      text.add("The parameter `")
          .add(details.param)
          .add("` has a type or value that is not supported.");
      return;
    case ErrorCode::kRateLimited:
    case ErrorCode::kInsufficientQuota:
    case ErrorCode::kConcurrencyLimit:
      if (details.rule != nullptr) return write_limit_message(text, details);
      text.add("All servers of the model have reached their limits. Try again in a moment.");
      return;
    default: text.add(details.message.empty() ? answer.message : details.message);
  }
}

// What went wrong behind us.
ErrorAnswer answer_for_upstream(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kUpstreamConnect:
      return {502, kUpstream, "upstream_connect_error", "The upstream could not be reached."};
    case ErrorCode::kConnectTimeout:
      return {504, kTimeout, "connect_timeout", "The upstream could not be reached in time."};
    case ErrorCode::kFirstTokenTimeout:
      return {504, kTimeout, "ttft_timeout", "The upstream did not begin its answer in time."};
    case ErrorCode::kTotalTimeout:
      return {504, kTimeout, "total_timeout", "The request took longer than it may."};
    case ErrorCode::kUpstreamTls:
      return {502, kUpstream, "upstream_tls_error",
              "No secure connection to the upstream could be made."};
    case ErrorCode::kUpstreamProtocol:
      return {502, kUpstream, "upstream_protocol_error", "The upstream sent an invalid answer."};
    case ErrorCode::kUpstreamTimeout:
      return {504, kTimeout, "upstream_timeout", "The upstream did not answer in time."};
    case ErrorCode::kUpstreamLost:
      return {502, kUpstream, "upstream_lost",
              "The upstream closed the connection before it answered."};
    case ErrorCode::kUpstreamStalled:
      return {504, kTimeout, "stream_timeout", "The upstream stopped sending."};
    case ErrorCode::kUpstreamStatus:
      return {502, kUpstream, "upstream_error", "The upstream failed."};
    default: return {500, kServer, "internal_error", "The server had an error. Try again."};
  }
}

}  // namespace

namespace {

// What a key that is known may not do.
ErrorAnswer answer_for_key(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kKeyBlocked:
      return {403, kPermission, "key_blocked", "This API key is blocked."};
    case ErrorCode::kKeyExpired:
      return {401, "authentication_error", "key_expired", "This API key has expired."};
    case ErrorCode::kKeyNotYetValid:
      return {403, kPermission, "key_not_yet_valid", "This API key is not valid yet."};
    case ErrorCode::kWrongKeyType:
      return {403, kPermission, "wrong_key_type", "This API key is not for calling models."};
    case ErrorCode::kAddressNotAllowed:
      return {403, kPermission, "address_not_allowed",
              "This API key may not be used from your address."};
    case ErrorCode::kScriptRefused:
      return {403, kPermission, "refused_by_policy", "The request was refused by policy."};
    case ErrorCode::kKeySourceFailed:
      return {503, "service_unavailable_error", "auth_unavailable",
              "API keys cannot be checked at the moment. Try again in a moment."};
    case ErrorCode::kScriptFailed:
      return {500, kServer, "policy_failed", "A policy of this gateway could not be applied."};
    default: return answer_for_upstream(code);
  }
}

}  // namespace

ErrorAnswer answer_for(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kMalformedRequest:
      return {400, kInvalid, "malformed_request",
              "The request is not valid HTTP. The connection is closed."};
    case ErrorCode::kHeadTooLarge:
      return {431, kInvalid, "head_too_large",
              "The request's header fields are too large or too many."};
    case ErrorCode::kRequestTooLarge: return {413, kInvalid, "request_too_large", ""};
    case ErrorCode::kRequestTimeout:
      return {408, kTimeout, "request_timeout", "The request did not arrive in time."};
    case ErrorCode::kLengthRequired:
      return {400, kInvalid, "missing_body", "A JSON body is required."};
    case ErrorCode::kExpectationFailed:
      return {417, kInvalid, "expectation_failed", "Only `Expect: 100-continue` is supported."};
    case ErrorCode::kInvalidJson:
      return {400, kInvalid, "invalid_json",
              "We could not parse the JSON body of your request. It must be one valid JSON object "
              "in UTF-8."};
    case ErrorCode::kMissingParameter: return {400, kInvalid, "missing_required_parameter", ""};
    case ErrorCode::kUnsupportedValue: return {400, kInvalid, "unsupported_value", ""};
    case ErrorCode::kInvalidApiKey:
      return {401, "authentication_error", "invalid_api_key",
              "No valid API key was provided. Send it as `Authorization: Bearer YOUR_KEY`."};
    case ErrorCode::kModelNotAllowed: return {403, kPermission, "model_not_allowed", ""};
    case ErrorCode::kModelNotFound: return {404, kInvalid, "model_not_found", ""};
    case ErrorCode::kEndpointNotFound:
      return {404, kInvalid, "unknown_url",
              "Unknown request URL. Check the path and the base_url of your client."};
    case ErrorCode::kMethodNotAllowed:
      return {405, kInvalid, "method_not_allowed", "This URL does not support this HTTP method."};
    case ErrorCode::kUnsupportedEndpoint: return {400, kInvalid, "endpoint_not_supported", ""};
    case ErrorCode::kRateLimited: return {429, "rate_limit_error", "rate_limit_exceeded", ""};
    case ErrorCode::kInsufficientQuota:
      return {429, "insufficient_quota", "insufficient_quota", ""};
    case ErrorCode::kConcurrencyLimit: return {429, "rate_limit_error", "concurrency_limit", ""};
    case ErrorCode::kQueueFull:
      return {503, "service_unavailable_error", "queue_full",
              "The model is busy and its queue is full. Try again in a moment."};
    case ErrorCode::kQueueTimeout:
      return {503, "service_unavailable_error", "queue_timeout",
              "The model is busy and no place came free in time. Try again in a moment."};
    case ErrorCode::kLimit:
    case ErrorCode::kOverloaded:
      return {503, "service_unavailable_error", "server_overloaded",
              "The server is overloaded. Try again in a moment."};
    case ErrorCode::kDraining:
      return {503, "service_unavailable_error", "draining",
              "The server is shutting down. Try again in a moment."};
    case ErrorCode::kNoHealthyUpstream:
      return {503, "service_unavailable_error", "no_healthy_upstream",
              "No upstream is available for this model. Try again in a moment."};
    default: return answer_for_key(code);
  }
}

relay::BrokenEvents broken_events() noexcept {
  return {
      .lost =
          "data: {\"error\":{\"message\":\"The upstream closed the stream before its end.\","
          "\"type\":\"upstream_error\",\"param\":null,\"code\":\"upstream_lost\"}}\n\n",
      .stalled =
          "data: {\"error\":{\"message\":\"The upstream stopped sending.\","
          "\"type\":\"timeout_error\",\"param\":null,\"code\":\"stream_timeout\"}}\n\n",
      .draining =
          "data: {\"error\":{\"message\":\"The server is shutting down.\","
          "\"type\":\"service_unavailable_error\",\"param\":null,\"code\":\"draining\"}}\n\n",
      .differs =
          "data: {\"error\":{\"message\":\"The answer could not be continued.\","
          "\"type\":\"upstream_error\",\"param\":null,\"code\":\"upstream_lost\"}}\n\n",
      .first_token_late =
          "data: {\"error\":{\"message\":\"The upstream did not begin its answer in time.\","
          "\"type\":\"timeout_error\",\"param\":null,\"code\":\"ttft_timeout\"}}\n\n",
      .total_late =
          "data: {\"error\":{\"message\":\"The request took longer than it may.\","
          "\"type\":\"timeout_error\",\"param\":null,\"code\":\"total_timeout\"}}\n\n",
      .tap_ended =
          "data: {\"error\":{\"message\":\"The answer has used up what a limit allows.\","
          "\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}\n\n",
  };
}

Task<uint64_t> reply_json(Services& services, http::ResponseSink& sink, HeadLines lines,
                          uint16_t status, std::string_view body, Duration retry_after,
                          std::string_view allow, const limit::RateLimiter::Views& limits) {
  if (sink.is_sending() || sink.is_committed()) co_return 0;
  begin_head(sink, status, 256, lines);
  sink.add_header("content-type", "application/json");
  if (retry_after > Duration::zero()) add_retry_after(sink, retry_after);
  if (!allow.empty()) sink.add_header("allow", allow);
  add_limit_fields(sink, limits);
  sink.end_head({.kind = http::BodyKind::kLength, .length = body.size()});
  sink.send({&body, 1});
  relay::SendWatch watch(services.ring, sink, services.generation->config.timeouts.stall);
  while (!watch.is_over()) co_await watch.step();
  co_return watch.end() == relay::RelayEnd::kFinished ? body.size() : 0;
}

namespace {

// On a refusal the limit that refused speaks for its measure.
limit::RateLimiter::Views limit_fields(const ErrorDetails& details) noexcept {
  limit::RateLimiter::Views views;
  if (details.rule == nullptr) return views;
  switch (details.rule->measure) {
    case config::LimitMeasure::kRequests: views.requests = details.view; break;
    case config::LimitMeasure::kTokens:
    case config::LimitMeasure::kInputTokens:
    case config::LimitMeasure::kOutputTokens: views.tokens = details.view; break;
    default: break;
  }
  return views;
}

}  // namespace

Task<uint16_t> reply_error(Services& services, http::ResponseSink& sink, HeadLines lines,
                           ErrorCode code, ErrorDetails details) {
  if (sink.interrupted().is_ready() && sink.interruption() == ErrorCode::kDownstreamLost) {
    co_return 0;
  }
  const ErrorAnswer answer = answer_for(code);
  const uint16_t status = details.status != 0 ? details.status : answer.status;
  MessageText message;
  write_message(message, code, answer, details);
  const io::Block block = services.blocks.take(4096);
  std::array<char, 1> nothing;
  json::Writer writer(block.is_held()
                          ? std::span<char>(const_cast<char*>(block.data()), block.capacity())
                          : std::span<char>(nothing.data(), 0));
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(message.text());
  writer.key("type").string(answer.type);
  writer.key("param");
  details.param.empty() ? writer.null() : writer.string(details.param);
  writer.key("code");
  answer.code.empty() ? writer.null() : writer.string(answer.code);
  writer.end_object().end_object();
  // Only where waiting helps.
  const bool may_help = (status == 503 || status == 429) && !details.is_too_large_for_limit;
  const Duration usual = may_help ? kRetryAfter : Duration::zero();
  // A limit knows to the millisecond.
  const bool is_exact = details.rule != nullptr && details.retry_after > Duration::zero();
  const Duration after = is_exact ? details.retry_after : std::max(usual, details.retry_after);
  co_await reply_json(services, sink, lines, status, writer.text(),
                      may_help ? after : Duration::zero(), details.allow, limit_fields(details));
  co_return status;
}

Task<uint16_t> reply_preflight(Services& services, http::ResponseSink& sink, HeadLines lines,
                               std::string_view preflight_lines) {
  constexpr uint16_t kNoContent = 204;
  constexpr uint16_t kForbidden = 403;
  if (preflight_lines.empty()) {
    co_await reply_json(services, sink, lines, kForbidden,
                        R"({"error":{"message":"Pages of this origin may not call this gateway.",)"
                        R"("type":"permission_error","param":null,"code":"origin_not_allowed"}})");
    co_return kForbidden;
  }
  lines.page = preflight_lines;
  begin_head(sink, kNoContent, 64, lines);
  sink.end_head({.kind = http::BodyKind::kNone});
  sink.send({});
  relay::SendWatch watch(services.ring, sink, services.generation->config.timeouts.stall);
  while (!watch.is_over()) co_await watch.step();
  co_return kNoContent;
}

}  // namespace sluice::exchange
