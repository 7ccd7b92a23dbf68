// Where a request came from, by the word of the proxies before us: Forwarded (RFC 7239) and
// X-Forwarded-For, read from the right.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <sluice/base/ip_class.h>

namespace sluice::http {

enum class ForwardedSyntax : uint8_t { kForwarded, kXForwardedFor };

// Goes through the addresses that proxies wrote, the one nearest to us first.
//
// The caller asks for the next one only while it trusts the one before: what stands further left
// was written by whoever that is. Elements are found from the right for the same reason: a quote
// that a client left open cannot swallow what a proxy wrote behind it.
//
// Borrows the lines; nothing allocates. Each byte is looked at a bounded number of times.
class ForwardedWalk {
 public:
  // The values of all header lines of that name, in order. Empty lines are skipped.
  ForwardedWalk(std::span<const std::string_view> lines, ForwardedSyntax syntax) noexcept
      : lines_(lines), syntax_(syntax) {}

  // IPv4 as ::ffff:a.b.c.d. Empty at the end, and for good once an element is malformed or names
  // no address (`unknown`, `_hidden`).
  [[nodiscard]] std::optional<Ipv6Bytes> next() noexcept;

 private:
  [[nodiscard]] std::optional<std::string_view> take_element() noexcept;

  std::span<const std::string_view> lines_;  // Those not begun.
  std::string_view rest_;                    // Of the present line, what is left of the last comma.
  ForwardedSyntax syntax_;
  bool has_line_ = false;
  bool is_over_ = false;
};

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"; IPv6 without
// brackets only where `bare_ipv6` says so.
[[nodiscard]] std::optional<Ipv6Bytes> parse_node(std::string_view text, bool bare_ipv6) noexcept;

}  // namespace sluice::http
