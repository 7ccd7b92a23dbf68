#include "plan/url.h"

#include <algorithm>
#include <charconv>

#include <sluice/net/resolver.h>

namespace sluice::load {

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const size_t slash = std::min(text.find('/'), text.size());
  Url url;
  url.authority = text.substr(0, slash);
  url.path = text.substr(slash);
  if (url.path.ends_with('/')) url.path.pop_back();
  std::string_view host = url.authority;
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const std::string_view port = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    host = host.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  url.host = host;
  if (url.host.empty()) return std::nullopt;
  return url;
}

std::expected<Target, std::string> find_target(const std::string& text) {
  auto url = parse_url(text);
  if (!url) return std::unexpected(text + " is not like http://127.0.0.1:8080");
  auto addresses = net::resolve_blocking(url->host, url->port);
  if (!addresses) return std::unexpected(addresses.error());
  return Target{std::move(*url), addresses->front()};
}

}  // namespace sluice::load
