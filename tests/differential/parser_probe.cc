// Reads framed cases from stdin and says for each, in one line of JSON, how our parsers read it.
//
// A case is one byte of kind, four bytes of length (little-endian), and so many bytes. Kinds: q a
// stream of requests, s an upstream's answers, h the same to a HEAD, j a body.
#include <fmt/format.h>
#include <sluice/http/chunked.h>
#include <sluice/http/request_parser.h>
#include <sluice/http/response_parser.h>
#include <sluice/json/envelope_reader.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>

#include "probe_case.h"

namespace {

using namespace sluice;

constexpr uint32_t kDepthMax = 128;

std::string hex(std::string_view text) {
  std::string out;
  for (const char c : text) fmt::format_to(std::back_inserter(out), "{:02x}", c & 0xff);
  return out;
}

std::string describe(const http::HeaderList& headers) {
  std::string out;
  for (const http::HeaderField field : headers) {
    fmt::format_to(std::back_inserter(out), "{}[\"{}\",\"{}\"]", out.empty() ? "" : ",",
                   hex(field.name), hex(field.value));
  }
  return out;
}

// How a stream of messages ends.
struct Tail {
  const char* kind = "clean";  // Or waits, closed, refused.
  std::string why;
  unsigned status = 0;
  const char* part = "head";  // Where it ended.
};

// A body that its framing bounds.
struct Body {
  std::string payload;
  size_t bytes = 0;  // As sent.
};

// Nothing when the body is not whole or is refused; `tail` says which.
std::optional<Body> read_body(const http::BodyFraming& framing, std::string_view bytes, Side side,
                              Tail& tail) {
  Body body;
  if (framing.kind == http::BodyKind::kNone) return body;
  tail = {"waits", "", 0, "body"};
  if (framing.kind == http::BodyKind::kLength) {
    if (bytes.size() < framing.length) return std::nullopt;
    body.bytes = framing.length;
    body.payload = bytes.substr(0, body.bytes);
    return body;
  }
  if (framing.kind == http::BodyKind::kUntilClose) {
    return Body{std::string(bytes), bytes.size()};
  }
  http::ChunkedDecoder decoder(side);
  while (!decoder.finished() && body.bytes < bytes.size()) {
    const Result<std::string_view> span = decoder.next(bytes, body.bytes);
    if (!span) {
      tail = {"refused", std::string(span.error().detail), 400, "body"};
      return std::nullopt;
    }
    body.payload += *span;
  }
  if (!decoder.finished()) return std::nullopt;
  return body;
}

void print_stream(const std::string& messages, const Tail& tail) {
  fmt::print("{{\"messages\":[{}],\"tail\":\"{}\",\"why\":\"{}\",\"status\":{},\"part\":\"{}\"}}\n",
             messages, tail.kind, tail.why, tail.status, tail.part);
}

void read_requests(std::string_view bytes) {
  std::string messages;
  Tail tail;
  http::RequestParser parser{http::HeadLimits()};
  size_t at = 0;
  while (at < bytes.size()) {
    parser.reset();
    const http::ParseState state = parser.parse(bytes.substr(at));
    if (state == http::ParseState::kError) {
      tail = {"refused", std::string(parser.error().detail), parser.error_status()};
      break;
    }
    if (state == http::ParseState::kNeedMore) {
      if (!parser.is_idle()) tail = {"waits", "", 0};
      break;
    }
    const http::RequestHead& head = parser.head();
    const std::string_view rest = bytes.substr(at + head.head_bytes);
    const std::optional<Body> body = read_body(head.body, rest, Side::kDownstream, tail);
    if (!body) break;
    tail = {};
    const size_t begin = at;
    at += head.head_bytes + body->bytes;
    const bool has_query = head.target.find('?') != std::string_view::npos;
    fmt::format_to(
        std::back_inserter(messages),
        "{}{{\"begin\":{},\"end\":{},\"method\":\"{}\",\"target\":\"{}\",\"path\":\"{}{}{}\","
        "\"minor\":{},\"keep\":{},\"fields\":[{}],\"body\":\"{}\"}}",
        messages.empty() ? "" : ",", begin, at, hex(head.method_text), hex(head.target),
        hex(head.path), has_query ? "3f" : "", hex(head.query),
        head.version == http::Version::kHttp11 ? 1 : 0, head.keep_alive, describe(head.headers),
        hex(body->payload));
    if (!head.keep_alive) {
      tail.kind = "closed";
      break;
    }
  }
  print_stream(messages, tail);
}

void read_answers(std::string_view bytes, http::AnswerTo request) {
  std::string messages;
  Tail tail{"waits", "", 0};
  http::ResponseParser parser(http::HeadLimits(), request);
  size_t at = 0;
  while (at < bytes.size()) {
    parser.reset(request);
    const http::ParseState state = parser.parse(bytes.substr(at));
    if (state == http::ParseState::kError) {
      tail = {"refused", std::string(parser.error().detail), 502};
      break;
    }
    if (state == http::ParseState::kNeedMore) break;
    const http::ResponseHead& head = parser.head();
    const std::string_view rest = bytes.substr(at + head.head_bytes);
    const std::optional<Body> body = read_body(head.body, rest, Side::kUpstream, tail);
    if (!body) break;
    const size_t begin = at;
    at += head.head_bytes + body->bytes;
    fmt::format_to(std::back_inserter(messages),
                   "{}{{\"begin\":{},\"end\":{},\"code\":{},\"minor\":{},\"keep\":{},"
                   "\"fields\":[{}],\"body\":\"{}\"}}",
                   messages.empty() ? "" : ",", begin, at, head.status,
                   head.version == http::Version::kHttp11 ? 1 : 0, head.keep_alive,
                   describe(head.headers), hex(body->payload));
    tail = {"waits", "", 0};
    if (head.is_interim()) continue;
    tail = {"closed", "", 0};
    break;
  }
  print_stream(messages, tail);
}

std::string number_or_null(const std::optional<uint64_t>& value) {
  return value ? std::to_string(*value) : "null";
}

void read_envelope(std::string_view bytes) {
  static json::EnvelopeReader reader;
  std::string padded(bytes);
  padded.append(json::EnvelopeReader::kPadding, '}');
  const std::string_view body = std::string_view(padded).substr(0, bytes.size());
  const auto envelope = reader.read(body, kDepthMax);
  if (!envelope) {
    const json::EnvelopeError& error = envelope.error();
    fmt::print("{{\"ok\":false,\"why\":\"{}{}{}\"}}\n", error.param,
               error.param.empty() ? "" : ": ", error.error.detail);
    return;
  }
  fmt::print(
      "{{\"ok\":true,\"model\":\"{}\",\"stream\":{},\"usage\":{},\"max_tokens\":{},"
      "\"max_completion_tokens\":{},\"max_output_tokens\":{},\"n\":{},\"user\":\"{}\","
      "\"prompt_cache_key\":\"{}\"}}\n",
      hex(envelope->model), envelope->stream, envelope->include_usage == json::IncludeUsage::kOn,
      number_or_null(envelope->max_tokens), number_or_null(envelope->max_completion_tokens),
      number_or_null(envelope->max_output_tokens), number_or_null(envelope->n), hex(envelope->user),
      hex(envelope->prompt_cache_key));
}

}  // namespace

int main() {
  char kind = 0;
  std::string bytes;
  while (read_case(kind, bytes)) {
    switch (kind) {
      case 'q': read_requests(bytes); break;
      case 's': read_answers(bytes, http::AnswerTo::kOther); break;
      case 'h': read_answers(bytes, http::AnswerTo::kHead); break;
      case 'j': read_envelope(bytes); break;
      default: return 1;
    }
  }
  return 0;
}
