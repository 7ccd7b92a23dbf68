// The fields of an HTTP/2 request make the head that a plain join of them makes, and the parser
// finds in it just these fields: no value begins a line, and nothing is left behind the head.
#include <sluice/http/headers.h>
#include <sluice/http/request_parser.h>

#include <algorithm>

#include "fuzz_pieces.h"
#include "http2_head.h"  // tidy: allow(private-header) the session would have to be fed by HPACK

namespace {

using namespace sluice;
using fuzz::expect;

constexpr char kBetween = '\n';  // No field of HTTP/2 has one: the library refuses it.

struct Field {
  std::string name;
  std::string value;
};

// What stands before the first mark, which is taken off too.
std::string_view take(std::string_view& text) {
  const size_t end = std::min(text.find(kBetween), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

// As the library checks names before it tells of them.
bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// White space at the ends of a value belongs to no value in HTTP/1.1.
std::string_view trim(std::string_view value) {
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  return value;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == '\x7f'; });
}

struct Request {
  std::string method;
  std::string path;
  std::string authority;
  std::vector<Field> fields;
};

Request split(std::string_view text) {
  Request request;
  request.method = take(text);
  request.path = take(text);
  request.authority = take(text);
  while (!text.empty() && request.fields.size() < 64) {
    const std::string_view line = take(text);
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    if (!is_name(name)) continue;
    request.fields.push_back(
        {std::string(name), std::string(line.substr(std::min(colon + 1, line.size())))});
  }
  return request;
}

// The lines that must come out, in order.
std::vector<Field> lines_of(const Request& request) {
  std::vector<Field> lines;
  if (!request.authority.empty()) lines.push_back({"host", request.authority});
  Field* cookie = nullptr;
  lines.reserve(request.fields.size() + 1);
  for (const Field& field : request.fields) {
    if (field.name == "cookie" && cookie != nullptr) {
      cookie->value += "; " + field.value;
      continue;
    }
    const bool repeats = field.name == "host" && !request.authority.empty() &&
                         http::equals_ignoring_case(field.value, request.authority);
    if (repeats) continue;
    lines.push_back(field);
    if (field.name == "cookie") cookie = &lines.back();
  }
  return lines;
}

std::string text_of(const Request& request, const std::vector<Field>& lines) {
  std::string text = request.method + ' ';
  text += request.path.empty() ? request.authority : request.path;
  text += " HTTP/1.1\r\n";
  for (const Field& line : lines) text += line.name + ": " + line.value + "\r\n";
  return text + "\r\n";
}

void check_parsed(std::string_view text, const Request& request, const std::vector<Field>& lines) {
  http::RequestParser parser({http::HeaderList::kOffsetMax, 200});
  const http::ParseState state = parser.parse(text);
  expect(state != http::ParseState::kNeedMore, "a head has an end");
  if (state != http::ParseState::kDone) return;
  const http::RequestHead& head = parser.head();
  expect(head.head_bytes == text.size(), "nothing is left behind the head");
  size_t at = 0;
  for (const http::HeaderField field : head.headers) {
    expect(at < lines.size(), "no field is added");
    expect(field.name == lines[at].name, "fields keep their names and order");
    expect(field.value == trim(lines[at].value), "fields keep their values");
    ++at;
  }
  expect(at == lines.size(), "no field is lost");
  expect(request.method.find(' ') == std::string::npos, "the method is one word");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const bool is_narrow = bytes[0] % 4 == 0;
  const http::HeadLimits limits = {is_narrow ? 32u + bytes[1] : 16'000u, is_narrow ? 4u : 100u};
  const Request request = split(input);
  std::vector<char> room(bytes[0] % 8 == 1 ? bytes[1] : 16'384);
  http::Http2HeadText head(room, limits);
  if (!request.method.empty()) head.add(":method", request.method);
  if (!request.path.empty()) head.add(":path", request.path);
  if (!request.authority.empty()) head.add(":authority", request.authority);
  for (const Field& field : request.fields) head.add(field.name, field.value);
  const std::string_view text = head.finish();

  const std::vector<Field> lines = lines_of(request);
  const std::string expected = text_of(request, lines);
  const size_t pseudo = request.method.size() + request.path.size() + request.authority.size();
  const size_t most = std::min<size_t>(room.size(), limits.head_bytes_max);
  expect(text.size() <= most, "the room is enough");
  const bool fits = expected.size() + pseudo <= most && lines.size() <= limits.header_count_max;
  const std::string words = request.method + request.path + request.authority;
  const bool has_odd_line =
      std::ranges::any_of(lines, [](const Field& line) { return has_control(line.value); });
  if (has_odd_line || has_control(words) || words.find(' ') != std::string::npos) {
    http::RequestParser parser(limits);
    expect(text.empty() || parser.parse(text) == http::ParseState::kError, "it is refused as odd");
    return 0;
  }
  expect(!fits || !text.empty(), "what fits is written");
  if (text.empty()) return 0;
  expect(lines.size() <= limits.header_count_max, "fields are counted");
  expect(text == expected, "the head is the plain join of its fields");
  check_parsed(text, request, lines);
  return 0;
}
