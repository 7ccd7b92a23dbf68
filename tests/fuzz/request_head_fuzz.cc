// A request head parses the same whole and in pieces; what is accepted has one reading: its lines
// end in CRLF, and written anew it parses to the same.
#include <sluice/http/request_parser.h>
#include <sluice/http/serializer.h>

#include <algorithm>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

std::string describe(const http::RequestHead& head) {
  std::string text;
  for (const std::string_view view :
       {head.method_text, head.target, head.path, head.query, head.authority}) {
    text.append(view).append("|");
  }
  text += std::to_string(static_cast<int>(head.version)) + std::to_string(head.keep_alive) +
          std::to_string(head.expect_continue) + std::to_string(static_cast<int>(head.body.kind)) +
          "|" + std::to_string(head.body.length);
  for (const http::HeaderField field : head.headers) {
    text.append("|").append(field.name).append("=").append(field.value);
    text += std::to_string(static_cast<int>(field.id));
  }
  return text;
}

std::string outcome(const fuzz::Pieces& pieces, bool whole, http::HeadLimits limits) {
  http::RequestParser parser(limits);
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
    return describe(parser.head()) + "|" + std::to_string(parser.head().head_bytes);
  }
  return std::to_string(parser.error_status()) + " " + std::string(parser.error().detail);
}

// Returns the count of lines in a head whose line ends are all CRLF, and that ends in an empty one.
size_t count_lines(std::string_view head) {
  size_t lines = 0;
  for (size_t i = 0; i < head.size(); ++i) {
    expect(head[i] != '\0', "an accepted head holds no NUL");
    if (head[i] == '\n') expect(i > 0 && head[i - 1] == '\r', "LF stands behind CR");
    if (head[i] != '\r') continue;
    expect(i + 1 < head.size() && head[i + 1] == '\n', "CR stands before LF");
    ++lines;
  }
  expect(head.ends_with("\r\n\r\n"), "an accepted head ends in an empty line");
  return lines;
}

void check_accepted(std::string_view text, http::HeadLimits limits) {
  http::RequestParser parser(limits);
  if (parser.parse(text) != http::ParseState::kDone) return;
  const http::RequestHead& head = parser.head();
  expect(head.head_bytes <= std::min<size_t>(text.size(), limits.head_bytes_max), "in the limit");
  const size_t skipped = text.starts_with("\r\n") ? 1 : 0;
  expect(count_lines(text.substr(0, head.head_bytes)) == head.headers.size() + 2 + skipped,
         "each line is one field");
  expect(head.headers.size() <= limits.header_count_max, "fields are bounded");
  const size_t framings = head.headers.count(http::HeaderName::kContentLength) +
                          head.headers.count(http::HeaderName::kTransferEncoding);
  expect(framings <= 1, "one framing at most");
  expect((framings == 1) == (head.body.kind != http::BodyKind::kNone), "framing is obeyed");
  if (head.version == http::Version::kHttp10) return;

  std::vector<char> out(text.size() + 4 * head.headers.size() + 64);
  http::HeadWriter writer(out);
  writer.request_line(head.method_text, head.target);
  for (const http::HeaderField field : head.headers) writer.any_header(field.name, field.value);
  writer.end();
  expect(writer.ok(), "what was accepted can be written");
  http::RequestParser again({http::HeaderList::kOffsetMax, limits.header_count_max});
  expect(again.parse(writer.text()) == http::ParseState::kDone, "what was written is accepted");
  expect(describe(again.head()) == describe(head), "and reads the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const fuzz::Pieces pieces = fuzz::make_pieces(bytes, size);
  if (pieces.text.empty()) return 0;
  // The first byte also chooses between wide limits and ones that inputs of this size reach.
  const bool narrow = bytes[0] % 4 == 0;
  const http::HeadLimits limits = {narrow ? 40u + bytes[1] : 16'000u, narrow ? 3u : 100u};
  expect(outcome(pieces, true, limits) == outcome(pieces, false, limits),
         "the cuts do not change the outcome");
  check_accepted(pieces.text, limits);
  return 0;
}
