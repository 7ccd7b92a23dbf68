// Where requests go.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/net/address.h>

namespace sluice::load {

// http://host[:port][/path]
struct Url {
  std::string host;
  std::string authority;  // host[:port], for the Host field.
  std::string path;       // Empty, or with a leading slash.
  uint16_t port = 80;
};

// Empty unless `text` is such a URL.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text);

struct Target {
  Url url;
  net::Address address;
};

// Looks the host up, which blocks. The error is a sentence without the option's name.
[[nodiscard]] std::expected<Target, std::string> find_target(const std::string& text);

}  // namespace sluice::load
