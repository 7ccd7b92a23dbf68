#include <sluice/http/forwarded.h>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <sluice/http/headers.h>

namespace sluice::http {
namespace {

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kBlank = " \t";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool parse_numeric(std::string_view text, int family, void* out) noexcept {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (text.empty() || text.size() >= buffer.size()) return false;
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(buffer.data(), text.data(), text.size());
  return inet_pton(family, buffer.data(), out) == 1;
}

std::optional<Ipv6Bytes> parse_ipv4(std::string_view text) noexcept {
  Ipv6Bytes bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (!parse_numeric(text, AF_INET, bytes.data() + 12)) return std::nullopt;
  return bytes;
}

std::optional<Ipv6Bytes> parse_ipv6(std::string_view text) noexcept {
  Ipv6Bytes bytes{};
  if (!parse_numeric(text, AF_INET6, bytes.data())) return std::nullopt;
  return bytes;
}

bool is_port(std::string_view text) noexcept {
  constexpr size_t kPortDigitsMax = 5;
  return !text.empty() && text.size() <= kPortDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_for(std::string_view name) noexcept {
  return name.size() == 3 && (name[0] | 0x20) == 'f' && (name[1] | 0x20) == 'o' &&
         (name[2] | 0x20) == 'r';
}

// A token, or a quoted string without escapes, which no address needs; its inside.
std::optional<std::string_view> unquote(std::string_view text) noexcept {
  if (!text.starts_with('"')) {
    if (!is_token(text)) return std::nullopt;
    return text;
  }
  if (text.size() < 2 || !text.ends_with('"')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  if (text.find_first_of("\"\\") != std::string_view::npos) return std::nullopt;
  return text;
}

// Where the first `;` stands that is not quoted; else the end.
size_t find_semicolon(std::string_view text) noexcept {
  bool is_quoted = false;
  size_t at = 0;
  for (; at < text.size() && (is_quoted || text[at] != ';'); ++at) {
    if (text[at] == '"') is_quoted = !is_quoted;
  }
  return at;
}

// "for=192.0.2.1;proto=https": the node of its one `for`.
std::optional<Ipv6Bytes> parse_element(std::string_view element) noexcept {
  std::optional<std::string_view> node;
  for (bool is_last = false; !is_last;) {
    const size_t semicolon = find_semicolon(element);
    const std::string_view pair = trim(element.substr(0, semicolon));
    is_last = semicolon == element.size();
    if (!is_last) element.remove_prefix(semicolon + 1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || !is_token(pair.substr(0, equals))) return std::nullopt;
    const auto value = unquote(pair.substr(equals + 1));
    if (!value) return std::nullopt;
    if (!is_for(pair.substr(0, equals))) continue;
    if (node) return std::nullopt;
    node = value;
  }
  return node ? parse_node(*node, false) : std::nullopt;
}

}  // namespace

std::optional<Ipv6Bytes> parse_node(std::string_view text, bool bare_ipv6) noexcept {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view behind = text.substr(close + 1);
    if (!behind.empty() && (behind[0] != ':' || !is_port(behind.substr(1)))) return std::nullopt;
    return parse_ipv6(text.substr(1, close - 1));
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return parse_ipv4(text);
  if (is_port(text.substr(colon + 1))) {
    if (const auto v4 = parse_ipv4(text.substr(0, colon))) return v4;
  }
  return bare_ipv6 ? parse_ipv6(text) : std::nullopt;
}

std::optional<Ipv6Bytes> ForwardedWalk::next() noexcept {
  if (is_over_) return std::nullopt;
  std::optional<Ipv6Bytes> address;
  if (const auto element = take_element()) {
    address = syntax_ == ForwardedSyntax::kForwarded ? parse_element(*element)
                                                     : parse_node(*element, true);
  }
  is_over_ = !address;
  return address;
}

std::optional<std::string_view> ForwardedWalk::take_element() noexcept {
  while (!has_line_) {
    if (lines_.empty()) return std::nullopt;
    rest_ = trim(lines_.back());
    lines_ = lines_.first(lines_.size() - 1);
    has_line_ = !rest_.empty();
  }
  const bool has_quotes = syntax_ == ForwardedSyntax::kForwarded;
  bool is_quoted = false;
  size_t at = rest_.size();
  while (at > 0 && (is_quoted || rest_[at - 1] != ',')) {
    --at;
    if (has_quotes && rest_[at] == '"') is_quoted = !is_quoted;
  }
  const std::string_view element = trim(rest_.substr(at));
  has_line_ = at > 0;
  rest_ = rest_.substr(0, at > 0 ? at - 1 : 0);
  return element;
}

}  // namespace sluice::http
