#include "client_url.h"

#include <algorithm>
#include <charconv>

namespace sluice::http {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;
constexpr size_t kUrlBytesMax = 2048;
constexpr size_t kHostBytesMax = 253;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_host_char(char c, bool is_bracketed) noexcept {
  const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  if (is_bracketed) return is_hex || c == ':' || c == '.';
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
}

bool is_visible(char c) noexcept { return c > ' ' && c < 0x7f; }

// Takes the scheme off `url`.
bool take_scheme(std::string_view& url, ClientUrl& out) noexcept {
  for (const std::string_view scheme :
       {std::string_view("http://"), std::string_view("https://")}) {
    const bool is_it = url.size() >= scheme.size() &&
                       std::ranges::equal(url.substr(0, scheme.size()), scheme, {}, lower);
    if (!is_it) continue;
    out.is_https = scheme.size() == std::string_view("https://").size();
    url.remove_prefix(scheme.size());
    return true;
  }
  return false;
}

std::string_view read_port(std::string_view text, uint16_t& port) noexcept {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_good = fault == std::errc() && end == text.data() + text.size() && port != 0;
  return is_good ? "" : "has a port that is none";
}

// `authority` has no user and no path.
std::string_view read_authority(std::string_view authority, ClientUrl& out) {
  out.port = out.is_https ? kHttpsPort : kHttpPort;
  out.authority.resize(authority.size());
  std::ranges::transform(authority, out.authority.begin(), lower);
  std::string_view host = out.authority;
  const bool is_bracketed = host.starts_with('[');
  const size_t host_end = is_bracketed ? host.find(']') : host.find(':');
  if (is_bracketed && host_end == std::string_view::npos) return "has a bracket without its pair";
  std::string_view rest;
  if (host_end != std::string_view::npos) {
    rest = host.substr(host_end + (is_bracketed ? 1 : 0));
    host = host.substr(is_bracketed ? 1 : 0, host_end - (is_bracketed ? 1 : 0));
  }
  if (host.empty() || host.size() > kHostBytesMax) return "has no usable host";
  if (!std::ranges::all_of(host, [&](char c) { return is_host_char(c, is_bracketed); })) {
    return "has a host with a character that no host has";
  }
  out.host = std::string(host);
  if (rest.empty()) return "";
  if (!rest.starts_with(':')) return "has something behind its host";
  return read_port(rest.substr(1), out.port);
}

}  // namespace

std::expected<ClientUrl, std::string_view> read_client_url(std::string_view url) {
  ClientUrl out;
  if (url.size() > kUrlBytesMax) return std::unexpected("is longer than 2048 bytes");
  if (!std::ranges::all_of(url, is_visible)) {
    return std::unexpected("has a character that must be percent-encoded");
  }
  if (!take_scheme(url, out)) return std::unexpected("must begin with http:// or https://");
  if (url.find('#') != std::string_view::npos) return std::unexpected("has a fragment");
  const size_t end = std::min(url.find_first_of("/?"), url.size());
  if (url.substr(0, end).find('@') != std::string_view::npos) {
    return std::unexpected("has a user in it; give credentials as a header");
  }
  if (const std::string_view fault = read_authority(url.substr(0, end), out); !fault.empty()) {
    return std::unexpected(fault);
  }
  url.remove_prefix(end);
  const size_t query = std::min(url.find('?'), url.size());
  out.path = std::string(url.substr(0, query));
  out.query = std::string(url.substr(query));
  return out;
}

}  // namespace sluice::http
