// URLs and addresses of Redis, of upstreams and of our own calls: what is taken reads back from its
// plainest spelling, holds nothing that could end a line, and two readers see one host.
#include <algorithm>
#include <array>

#include <sluice/config/upstream_path.h>

#include "client_url.h"  // tidy: allow(private-header) the client needs a socket
#include "fuzz_pieces.h"
#include "redis_url.h"  // tidy: allow(private-header) a whole configuration would stand before it
#include "url.h"        // tidy: allow(private-header) the same

namespace {

using namespace sluice;
using namespace sluice::config;
using fuzz::expect;

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::string authority_of(const std::string& host, uint16_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

void check_redis_address(std::string_view text) {
  const auto address = parse_redis_address(text, 6379);
  if (!address) return;
  expect(!address->host.empty() && address->port != 0, "Redis is somewhere");
  expect(is_visible(address->host), "its host is clean");
  const auto again = parse_redis_address(authority_of(address->host, address->port), 1);
  expect(again && again->host == address->host && again->port == address->port,
         "an address reads back");
}

std::string spell(const RedisUrl& url) {
  const bool is_socket = url.address.port == 0;
  std::string text = is_socket ? "unix://" : url.tls ? "rediss://" : "redis://";
  if (is_socket) {
    text += '/' + encode(std::string_view(url.address.host).substr(1));
    if (url.database) text += "?db=" + std::to_string(*url.database);
    return text;
  }
  if (!url.username.empty() || !url.password.empty()) {
    text += encode(url.username) + ':' + encode(url.password) + '@';
  }
  text += authority_of(url.address.host, url.address.port);
  if (url.database) text += '/' + std::to_string(*url.database);
  return text;
}

void check_redis_url(std::string_view text) {
  const auto url = parse_redis_url(text);
  if (!url) {
    expect(!url.error().cause.empty() && !url.error().remedy.empty(), "cause and remedy are there");
    return;
  }
  const bool is_socket = url->address.port == 0;
  expect(is_socket == url->address.host.starts_with('/'), "only a socket has no port");
  expect(!url->database || *url->database <= kRedisDatabaseMax, "databases are bounded");
  for (const std::string& part : {url->address.host, url->username, url->password}) {
    expect(part.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "no line ends");
  }
  const std::string spelled = spell(*url);
  if (spelled.size() > 2048) return;  // Encoded, it may become too long.
  const auto again = parse_redis_url(spelled);
  expect(again && spell(*again) == spelled && again->password == url->password, "a URL reads back");
  const bool has_variable = text.find_first_of("${}") != std::string_view::npos;
  if (!is_socket && !has_variable) {
    expect(spells_password(text) == !url->password.empty(), "a password in it is seen");
  }
}

std::string spell(const Endpoint& endpoint, bool is_https) {
  std::string text = is_https ? "https://" : "http://";
  text +=
      endpoint.authority + (endpoint.full_path.empty() ? endpoint.base_path : endpoint.full_path);
  if (!endpoint.query.empty()) text += '?' + endpoint.query;
  return text;
}

void check_target(const Endpoint& endpoint) {
  std::array<char, 8192> out;
  for (const std::string_view path : {"/v1/chat/completions", "/v1/models", "/x"}) {
    const std::string_view target = upstream_path(endpoint, path, "a=b", out);
    expect(target.starts_with('/') && is_visible(target), "a request target is clean");
    expect(target.size() <= upstream_path_bytes_max(endpoint, path, "a=b"), "its bound holds");
    const auto tight = std::span(out).first(target.size() - 1);
    expect(upstream_path(endpoint, path, "a=b", tight).empty(), "too small a room is seen");
  }
}

std::optional<Endpoint> check_url(std::string_view text) {
  const auto endpoint = parse_url(text);
  if (!endpoint) {
    expect(!endpoint.error().cause.empty() && !endpoint.error().remedy.empty(), "both are there");
    return std::nullopt;
  }
  expect(is_visible(endpoint->authority) && !endpoint->host.empty(), "an authority is clean");
  expect(endpoint->authority.find_first_of("/?#@") == std::string::npos, "and nothing but that");
  const auto again = parse_url(spell(*endpoint, is_https(text)));
  expect(again && again->host == endpoint->host && again->port == endpoint->port &&
             again->base_path == endpoint->base_path && again->query == endpoint->query &&
             again->full_path == endpoint->full_path,
         "a URL reads back");
  check_target(*endpoint);
  return *endpoint;
}

std::optional<http::ClientUrl> check_client_url(std::string_view text) {
  const auto url = http::read_client_url(text);
  if (!url) {
    expect(!url.error().empty(), "a fault says what it is");
    return std::nullopt;
  }
  expect(!url->host.empty() && url->port != 0, "a server is somewhere");
  expect(is_visible(url->authority) && is_visible(url->path) && is_visible(url->query),
         "its parts are clean");
  expect(url->path.empty() || url->path.starts_with('/'), "a path begins with its slash");
  expect(url->query.empty() || url->query.starts_with('?'), "a query with its question mark");
  const std::string spelled =
      (url->is_https ? "https://" : "http://") + url->authority + url->path + url->query;
  const auto again = http::read_client_url(spelled);
  expect(again && again->host == url->host && again->port == url->port &&
             again->path == url->path && again->query == url->query,
         "a URL reads back");
  return *url;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  check_redis_address(text);
  check_redis_url(text);
  (void)spells_password(text);
  const auto upstream = check_url(text);
  const auto client = check_client_url(text);
  // One that the configuration has judged must not lead elsewhere when it is dialled.
  if (upstream && client) {
    expect(upstream->host == client->host, "two readers see one host");
    expect(upstream->port == client->port, "and one port");
  }
  return 0;
}
