#include "target.h"

#include "byte_scan.h"
#include "head_faults.h"

namespace sluice::http {
namespace {

bool is_hex(char c) noexcept {
  const char folded = static_cast<char>(c | 0x20);
  return (c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f');
}

bool escapes_are_whole(std::string_view text) noexcept {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    if (text.size() - at < 3 || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
  }
  return true;
}

bool is_port(std::string_view text) noexcept {
  if (text.size() > 5) return false;
  uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return port <= 65'535;
}

bool is_ipv6(std::string_view text) noexcept {
  size_t colons = 0;
  for (const char c : text) {
    if (!is_hex(c) && c != ':' && c != '.') return false;
    colons += c == ':';
  }
  return colons >= 2 && text.size() <= 45;
}

void split_query(std::string_view text, RequestHead& head) noexcept {
  const size_t mark = text.find('?');
  head.path = text.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);
}

}  // namespace

const HeadFault* read_target_form(RequestHead& head, std::string_view& authority) noexcept {
  const std::string_view target = head.target;
  if (!escapes_are_whole(target)) return &fault::kTargetEscape;
  if (target.front() == '/') {
    split_query(target, head);
    return nullptr;
  }
  if (target == "*") {
    head.path = target;
    head.query = {};
    return head.method == Method::kOptions ? nullptr : &fault::kTargetForm;
  }
  const size_t scheme_end = target.find("://");
  if (scheme_end == std::string_view::npos) return &fault::kTargetForm;
  const std::string_view scheme = target.substr(0, scheme_end);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) {
    return &fault::kTargetForm;
  }
  const std::string_view rest = target.substr(scheme_end + 3);
  const size_t authority_end = rest.find_first_of("/?");
  authority = rest.substr(0, authority_end);
  if (!is_host(authority)) return &fault::kTargetForm;
  split_query(
      authority_end == std::string_view::npos ? std::string_view() : rest.substr(authority_end),
      head);
  if (head.path.empty()) head.path = "/";
  return nullptr;
}

bool is_host(std::string_view value) noexcept {
  if (value.empty()) return false;
  if (value.front() == '[') {
    const size_t close = value.find(']');
    if (close == std::string_view::npos || !is_ipv6(value.substr(1, close - 1))) return false;
    const std::string_view rest = value.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const char* const end = value.data() + value.size();
  const auto name_bytes = static_cast<size_t>(scan_host(value.data(), end) - value.data());
  if (name_bytes == 0 || !escapes_are_whole(value.substr(0, name_bytes))) return false;
  if (name_bytes == value.size()) return true;
  return value[name_bytes] == ':' && is_port(value.substr(name_bytes + 1));
}

}  // namespace sluice::http
