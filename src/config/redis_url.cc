#include "redis_url.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "address.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kUrlBytesMax = 2048;
constexpr size_t kSocketPathBytesMax = 107;  // sockaddr_un has 108 with the final NUL.
constexpr uint16_t kRedisPort = 6379;
constexpr std::string_view kUnix = "unix://";
constexpr std::string_view kDatabase = "db=";

using Failed = std::unexpected<Fault>;

Failed no_redis_url() {
  return Failed(Fault{"must be redis://host:port, rediss://host:port or unix:///path",
                      "write it as redis://redis.internal:6379/0"});
}

std::optional<uint32_t> parse_database(std::string_view text) noexcept {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return number > kRedisDatabaseMax ? std::nullopt : std::optional(number);
}

// Percent-encoding resolved; empty when it is broken or hides a control character.
std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      uint8_t byte = 0;
      const char* const end = text.data() + std::min(text.size(), i + 3);
      const auto [stop, error] = std::from_chars(text.data() + i + 1, end, byte, 16);
      if (error != std::errc{} || stop != text.data() + i + 3) return std::nullopt;
      c = static_cast<char>(byte);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    decoded += c;
  }
  return decoded;
}

std::optional<Fault> read_user(std::string_view user_part, RedisUrl& url) {
  const size_t colon = std::min(user_part.find(':'), user_part.size());
  auto username = decode(user_part.substr(0, colon));
  auto password = decode(user_part.substr(std::min(colon + 1, user_part.size())));
  if (!username || !password) {
    return Fault{"has a user or password that is not percent-encoded as it should",
                 "encode it, as %40 for '@', or write `username` and `password` beside the url"};
  }
  url.username = std::move(*username);
  url.password = std::move(*password);
  return std::nullopt;
}

std::expected<RedisUrl, Fault> parse_unix(std::string_view rest) {
  RedisUrl url;
  const size_t question = std::min(rest.find('?'), rest.size());
  auto path = decode(rest.substr(0, question));
  if (!path || !path->starts_with('/') || path->size() > kSocketPathBytesMax) {
    return Failed(Fault{"must name its socket with a full path of at most 107 bytes",
                        "write it as unix:///run/redis/redis.sock"});
  }
  url.address = {.host = std::move(*path), .port = 0};
  if (question == rest.size()) return url;
  const std::string_view query = rest.substr(question + 1);
  if (query.starts_with(kDatabase)) url.database = parse_database(query.substr(kDatabase.size()));
  if (url.database) return url;
  return Failed(Fault{"has a query that is not db=N", "write it as unix:///path?db=0"});
}

}  // namespace

std::optional<RedisAddress> parse_redis_address(std::string_view text, uint16_t default_port) {
  RedisAddress address{.host = {}, .port = default_port};
  const bool is_v6 = text.starts_with('[');
  const size_t host_end = is_v6 ? text.find(']') : std::min(text.find(':'), text.size());
  if (host_end == std::string_view::npos) return std::nullopt;
  auto host = parse_server_name(text.substr(is_v6 ? 1 : 0, host_end - (is_v6 ? 1 : 0)));
  if (!host || (host->find(':') != std::string::npos) != is_v6) return std::nullopt;
  const auto ip = parse_ip(*host);
  if (ip && ip->is_unspecified()) return std::nullopt;
  address.host = std::move(*host);
  const std::string_view behind = text.substr(is_v6 ? host_end + 1 : host_end);
  if (behind.empty()) return address;
  const auto port = behind.front() == ':' ? parse_port(behind.substr(1)) : std::nullopt;
  if (!port || *port == 0) return std::nullopt;
  address.port = *port;
  return address;
}

bool spells_password(std::string_view raw_url) noexcept {
  const size_t scheme = raw_url.find("://");
  const size_t at = raw_url.rfind('@');
  if (scheme == std::string_view::npos || at == std::string_view::npos) return false;
  if (at < scheme + 3) return false;
  const std::string_view user_part = raw_url.substr(scheme + 3, at - scheme - 3);
  // The colon of `${NAME:default}` parts nothing.
  size_t depth = 0;
  for (size_t i = 0; i < user_part.size(); ++i) {
    if (user_part[i] == '{') ++depth;
    if (user_part[i] == '}' && depth > 0) --depth;
    if (user_part[i] != ':' || depth > 0) continue;
    const std::string_view password = user_part.substr(i + 1);
    return !password.empty() && password.find("${") == std::string_view::npos;
  }
  return false;
}

std::expected<RedisUrl, Fault> parse_redis_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) {
    return Failed(Fault{"is longer than 2048 bytes", "write a shorter one"});
  }
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  RedisUrl url;
  url.tls = text.starts_with("rediss://");
  if (!url.tls && !text.starts_with("redis://")) return no_redis_url();
  std::string_view rest = text.substr(text.find("://") + 3);
  const size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    if (const auto fault = read_user(rest.substr(0, at), url)) return Failed(*fault);
    rest.remove_prefix(at + 1);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  auto address = parse_redis_address(rest.substr(0, slash), kRedisPort);
  if (!address) return no_redis_url();
  url.address = std::move(*address);
  const std::string_view path = rest.substr(slash);
  if (path.size() <= 1) return url;
  url.database = parse_database(path.substr(1));
  if (url.database) return url;
  return Failed(Fault{"has a path that is no number of a database", "write it as /0, or leave it"});
}

}  // namespace sluice::config
