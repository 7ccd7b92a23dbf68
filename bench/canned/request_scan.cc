#include "request_scan.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace sluice::canned {
namespace {

bool is_named(std::string_view line, std::string_view name) noexcept {
  return line.size() > name.size() && line[name.size()] == ':' &&
         strncasecmp(line.data(), name.data(), name.size()) == 0;
}

std::optional<uint64_t> number_of(std::string_view text) noexcept {
  const size_t begin = std::min(text.find_first_not_of(' '), text.size());
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + begin, end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

// The length of the body, 0 without one; empty when it cannot be told.
std::optional<uint64_t> body_bytes(std::string_view head) noexcept {
  constexpr std::string_view kLength = "content-length", kCoding = "transfer-encoding";
  std::optional<uint64_t> length;
  for (size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, at - begin);
    if (is_named(line, kCoding)) return std::nullopt;
    if (!is_named(line, kLength)) continue;
    if (length) return std::nullopt;
    length = number_of(line.substr(kLength.size() + 1));
    if (!length) return std::nullopt;
  }
  return length.value_or(0);
}

// Whether `key`, with its quotes and colon, stands before "true".
bool is_true(std::string_view body, std::string_view key) noexcept {
  const size_t at = body.find(key);
  if (at == std::string_view::npos) return false;
  std::string_view value = body.substr(at + key.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value.starts_with("true");
}

}  // namespace

Request scan_request(std::string_view bytes) noexcept {
  Request request;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() > kHeadBytesMax) request.state = Request::State::kRefused;
    return request;
  }
  const std::optional<uint64_t> length = body_bytes(bytes.substr(0, end));
  if (!length) {
    request.state = Request::State::kRefused;
    return request;
  }
  const size_t head = end + 4;
  const size_t searched = std::min<uint64_t>(*length, kSearchBytesMax);
  if (bytes.size() < head + searched) return request;
  const std::string_view body = bytes.substr(head, searched);
  request.state = Request::State::kComplete;
  request.is_post = bytes.starts_with("POST ");
  request.is_stats = bytes.starts_with("GET /stats ");
  request.wants_stream = is_true(body, R"("stream":)");
  request.wants_usage = request.wants_stream && is_true(body, R"("include_usage":)");
  request.bytes = head + *length;
  return request;
}

}  // namespace sluice::canned
