#include "url.h"

#include <algorithm>
#include <array>
#include <optional>

#include "address.h"
#include "endpoint_names.h"

namespace sluice::config {
namespace {

constexpr size_t kUrlBytesMax = 2048;
constexpr size_t kHostBytesMax = 253;
constexpr size_t kHostLabelBytesMax = 63;
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;
constexpr std::string_view kSchemeEnd = "://";

using Failed = std::unexpected<Fault>;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_alnum(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// RFC 3986's pchar with '/', and '?' where a query may have it.
bool is_clean(std::string_view text, bool is_query) noexcept {
  constexpr std::string_view kOthers = "-._~!$&'()*+,;=:@/";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_alnum(c) || kOthers.find(c) != std::string_view::npos) continue;
    if (is_query && c == '?') continue;
    if (c != '%' || i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) {
      return false;
    }
  }
  return true;
}

// A segment that is ".", ".." or empty, dots also percent-encoded: servers differ in reading it.
bool has_odd_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    std::string segment = lower_case(path.substr(0, end));
    for (size_t at = segment.find("%2e"); at != std::string::npos; at = segment.find("%2e")) {
      segment.replace(at, 3, ".");
    }
    if (segment.empty() || segment == "." || segment == "..") return true;
    path.remove_prefix(end);
  }
  return false;
}

// Old resolvers take "127.1", "0177.0.0.1" and "2130706433" for addresses, so a name must not end
// in a number.
bool ends_in_number(std::string_view host) noexcept {
  const size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x")) return true;
  return std::all_of(last.begin(), last.end(), is_digit);
}

bool has_host_syntax(std::string_view host) noexcept {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  size_t label_bytes = 0;
  for (size_t i = 0; i < host.size(); ++i) {
    if (host[i] == '.') {
      if (label_bytes == 0 || host[i - 1] == '-') return false;
      label_bytes = 0;
      continue;
    }
    const bool is_first = label_bytes == 0;
    if (!is_alnum(host[i]) && host[i] != '_' && (host[i] != '-' || is_first)) return false;
    if (++label_bytes > kHostLabelBytesMax) return false;
  }
  return label_bytes > 0 && host.back() != '-';
}

std::optional<Fault> refuse_address(const IpAddress& address) {
  if (!address.is_v4 && address.maps_v4()) {
    return Fault{"has an IPv4 address in IPv6 clothes", "write the IPv4 address itself"};
  }
  if (address.is_unspecified()) {
    return Fault{"has the address of no host", "write 127.0.0.1 for this machine"};
  }
  if (address.is_link_local()) {
    return Fault{"has a link-local address, where clouds keep their metadata",
                 "write the server's routable address"};
  }
  return std::nullopt;
}

// Takes "host", "host:port" or "[v6]:port" apart into `endpoint`, whose port is the scheme's.
std::optional<Fault> read_authority(std::string_view authority, Endpoint& endpoint) {
  if (authority.find('@') != std::string_view::npos) {
    return Fault{"has a user or password before its host", "move the secret to `credential`"};
  }
  const bool is_v6 = authority.starts_with('[');
  const size_t bracket = authority.find(']');
  if (is_v6 && bracket == std::string_view::npos) {
    return Fault{"has a '[' without its ']'", "write http://[::1]:8000"};
  }
  const size_t colon = authority.find(':', is_v6 ? bracket : 0);
  const std::string_view host = authority.substr(0, std::min(colon, authority.size()));
  if (host.empty()) return Fault{"has no host", "write http://host:port"};
  const uint16_t default_port = endpoint.port;
  if (colon != std::string_view::npos) {
    const auto port = parse_port(authority.substr(colon + 1));
    if (!port || *port == 0) return Fault{"has a bad port", "write a port from 1 to 65535"};
    endpoint.port = *port;
  }
  endpoint.host = lower_case(is_v6 ? host.substr(1, bracket - 1) : host);
  const auto address = parse_ip(endpoint.host);
  if (address && address->is_v4 != is_v6) {
    if (auto fault = refuse_address(*address)) return fault;
  } else if (is_v6 || ends_in_number(endpoint.host) || !has_host_syntax(endpoint.host)) {
    return Fault{"has a bad host", "write a host name, 10.0.0.7 or [fd00::7]"};
  }
  if (is_v6 && bracket + 1 != host.size()) {
    return Fault{"has a bad host", "write http://[::1]:8000"};
  }
  endpoint.authority = is_v6 ? '[' + endpoint.host + ']' : endpoint.host;
  if (endpoint.port != default_port) endpoint.authority += ':' + std::to_string(endpoint.port);
  return std::nullopt;
}

// A last segment such as "v1", "v4" or "v1beta".
bool ends_in_version(std::string_view path) noexcept {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  return last.size() >= 2 && last[0] == 'v' && is_digit(last[1]) &&
         std::all_of(last.begin() + 1, last.end(), is_alnum);
}

std::optional<Fault> read_path(std::string_view path, Endpoint& endpoint) {
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!is_clean(path, false)) {
    return Fault{"has a character in its path that must be percent-encoded", "encode it, as %20"};
  }
  if (has_odd_segment(path)) {
    return Fault{"has an empty, '.' or '..' segment in its path", "write the path without it"};
  }
  if (!endpoint_suffix(path).empty()) {
    endpoint.full_path = path;
    return std::nullopt;
  }
  endpoint.base_path = path;
  endpoint.has_version = !path.empty() && ends_in_version(path);
  return std::nullopt;
}

std::expected<std::string_view, Fault> after_scheme(std::string_view url) {
  const size_t at = url.find(kSchemeEnd);
  if (at == std::string_view::npos || at > url.find_first_of("/?#")) {
    return Failed(Fault{"has no scheme", "write http://host:port"});
  }
  const std::string scheme = lower_case(url.substr(0, at));
  if (scheme != "http" && scheme != "https") {
    return Failed(Fault{"has a scheme other than http and https", "write http://host:port"});
  }
  return url.substr(at + kSchemeEnd.size());
}

}  // namespace

bool is_https(std::string_view url) noexcept {
  constexpr std::string_view kHttps = "https";
  if (url.find(kSchemeEnd) != kHttps.size()) return false;
  return std::equal(kHttps.begin(), kHttps.end(), url.begin(),
                    [](char scheme, char c) { return scheme == (c | 0x20); });
}

std::optional<std::string> parse_server_name(std::string_view text) {
  std::string name = lower_case(text);
  if (parse_ip(name)) return name;
  if (ends_in_number(name) || !has_host_syntax(name)) return std::nullopt;
  return name;
}

std::expected<Endpoint, Fault> parse_url(std::string_view url) {
  if (url.size() > kUrlBytesMax) {
    return Failed(Fault{"is longer than 2048 bytes", "write a shorter one"});
  }
  const auto rest = after_scheme(url);
  if (!rest) return Failed(rest.error());
  if (rest->find('#') != std::string_view::npos) {
    return Failed(Fault{"has a fragment", "remove the '#' and what follows it"});
  }
  const size_t question = std::min(rest->find('?'), rest->size());
  const std::string_view before_query = rest->substr(0, question);
  const size_t slash = std::min(before_query.find('/'), before_query.size());
  Endpoint endpoint;
  endpoint.port = is_https(url) ? kHttpsPort : kHttpPort;
  if (question < rest->size()) endpoint.query = rest->substr(question + 1);
  if (!is_clean(endpoint.query, true)) {
    return Failed(
        Fault{"has a character in its query that must be percent-encoded", "encode it, as %20"});
  }
  if (auto fault = read_authority(before_query.substr(0, slash), endpoint)) return Failed(*fault);
  if (auto fault = read_path(before_query.substr(slash), endpoint)) return Failed(*fault);
  return endpoint;
}

}  // namespace sluice::config
