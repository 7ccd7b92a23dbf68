// Host names to addresses, without blocking. For the control thread.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/io/task.h>
#include <sluice/net/address.h>

namespace sluice::net {

// At least one address, at most kKnownAddressesMost, in the order in which to try them (RFC 6724).
struct NameAnswer {
  std::vector<Address> addresses;
  Duration valid_for{};  // What the name server allows; zero when it may not be kept.
};

// One server of a service (RFC 2782).
struct ServiceRecord {
  std::string host;
  uint16_t port = 0;
  uint16_t priority = 0;  // The smallest is used first.
  uint16_t weight = 0;
  bool operator==(const ServiceRecord&) const = default;
};

// Each look-up that is awaited ends, whatever name servers do. Errors are sentences that name what
// was looked up.
class Resolver {
 public:
  static constexpr size_t kServicesMost = 256;

  virtual ~Resolver() = default;
  // All IPv4 and IPv6 addresses of `host`, each with `port`; a number is its own. Suspends.
  virtual Task<std::expected<NameAnswer, std::string>> find_addresses(std::string host,
                                                                      uint16_t port) = 0;
  // The SRV records of an absolute name such as "_http._tcp.example.com", at most kServicesMost;
  // none when the service is declared absent. Suspends.
  virtual Task<std::expected<std::vector<ServiceRecord>, std::string>> resolve_srv(
      std::string name) = 0;
  // Ends the look-ups that run, with errors, and waits until nothing of the resolver runs any more;
  // to be awaited before it dies. Suspends.
  virtual Task<void> end() = 0;
};

// For tools that have nothing else to do. Numeric hosts resolve without a look-up. The error is a
// sentence naming the host.
[[nodiscard]] std::expected<std::vector<Address>, std::string> resolve_blocking(
    const std::string& host, uint16_t port);

}  // namespace sluice::net
