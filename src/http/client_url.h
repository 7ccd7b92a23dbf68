// The URL that a client is made for, taken apart.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sluice::http {

struct ClientUrl {
  bool is_https = false;
  std::string host;  // Lower case; a numeric IPv6 address without brackets.
  uint16_t port = 0;
  std::string authority;  // As the Host field says it.
  std::string path;       // "" or from the first slash on.
  std::string query;      // With its question mark; "" without one.
};

// The error continues "the URL ..." and repeats nothing of it, since it may hold a secret.
[[nodiscard]] std::expected<ClientUrl, std::string_view> read_client_url(std::string_view url);

}  // namespace sluice::http
