// A response head parses the same whole and in pieces; what is accepted frames its body in one way.
#include <sluice/http/response_parser.h>
#include <sluice/http/serializer.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

std::string fields_of(const http::ResponseHead& head) {
  std::string text = std::to_string(head.status) + "|" + std::to_string(head.keep_alive) +
                     std::to_string(static_cast<int>(head.body.kind)) + "|" +
                     std::to_string(head.body.length);
  for (const http::HeaderField field : head.headers) {
    text.append("|").append(field.name).append("=").append(field.value);
    text += std::to_string(static_cast<int>(field.id));
  }
  return text;
}

std::string outcome(const fuzz::Pieces& pieces, bool whole, http::HeadLimits limits,
                    http::AnswerTo request) {
  http::ResponseParser parser(limits, request);
  std::vector<char> bytes;
  http::ParseState state = http::ParseState::kNeedMore;
  for (const size_t cut : pieces.cuts) {
    if (whole || state != http::ParseState::kNeedMore) break;
    std::vector<char> next = fuzz::copy_of(pieces.text.substr(0, cut));
    state = parser.parse(fuzz::view_of(next));
    bytes = std::move(next);
  }
  if (state == http::ParseState::kNeedMore) {
    std::vector<char> next = fuzz::copy_of(pieces.text);
    state = parser.parse(fuzz::view_of(next));
    bytes = std::move(next);
  }
  if (state == http::ParseState::kNeedMore) return "more";
  if (state == http::ParseState::kDone) {
    return fields_of(parser.head()) + "|" + std::to_string(parser.head().head_bytes) + "|" +
           std::to_string(static_cast<int>(parser.head().version));
  }
  expect(parser.error().code == ErrorCode::kUpstreamProtocol, "the upstream is blamed");
  return std::string(parser.error().detail);
}

void check_accepted(std::string_view text, http::HeadLimits limits, http::AnswerTo request) {
  http::ResponseParser parser(limits, request);
  if (parser.parse(text) != http::ParseState::kDone) return;
  const http::ResponseHead& head = parser.head();
  expect(head.status >= 100 && head.status <= 599 && head.status != 101, "status in its range");
  expect(head.head_bytes <= limits.head_bytes_max, "in the limit");
  expect(head.body.kind != http::BodyKind::kUntilClose || !head.keep_alive,
         "a body until close ends the connection");
  const bool has_length = head.headers.has(http::HeaderName::kContentLength);
  const bool has_coding = head.headers.has(http::HeaderName::kTransferEncoding);
  expect(!has_length || !has_coding, "one framing at most");
  const bool bodiless = head.is_interim() || head.status == 204 || head.status == 304 ||
                        request == http::AnswerTo::kHead;
  expect(bodiless == (head.body.kind == http::BodyKind::kNone), "bodiless answers have none");
  if (head.version == http::Version::kHttp10) return;

  std::vector<char> out(text.size() + 4 * head.headers.size() + 64);
  http::HeadWriter writer(out);
  writer.status_line(head.status);
  for (const http::HeaderField field : head.headers) writer.any_header(field.name, field.value);
  writer.end();
  expect(writer.ok(), "what was accepted can be written");
  http::ResponseParser again({http::HeaderList::kOffsetMax, limits.header_count_max}, request);
  expect(again.parse(writer.text()) == http::ParseState::kDone, "what was written is accepted");
  expect(fields_of(again.head()) == fields_of(head), "and reads the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  const bool narrow = bytes[0] % 4 == 0;
  const http::HeadLimits limits = {narrow ? 40u + bytes[1] : 16'000u, narrow ? 3u : 100u};
  const auto request = bytes[1] % 4 == 0 ? http::AnswerTo::kHead : http::AnswerTo::kOther;
  expect(outcome(pieces, true, limits, request) == outcome(pieces, false, limits, request),
         "the cuts do not change the outcome");
  check_accepted(pieces.text, limits, request);
  return 0;
}
