// The resolver that asks the name servers of the system, by c-ares on a ring.
#pragma once

#include <memory>

#include <sluice/io/ring.h>
#include <sluice/net/resolver.h>

namespace sluice::net {

class NameChannel;

struct ResolverSettings {
  std::string servers;            // "127.0.0.1:5300,[::1]:5300"; "" for those of /etc/resolv.conf.
  Duration timeout = seconds(2);  // Of the first try at each server; later ones take longer.
  int tries = 3;
};

// Reads /etc/hosts and /etc/resolv.conf anew whenever it starts after having had nothing to do.
// Those two small files are all that it blocks on. One thread.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(io::Ring& ring, ResolverSettings settings = {});
  ~SystemResolver() override;

  Task<std::expected<NameAnswer, std::string>> find_addresses(std::string host,
                                                              uint16_t port) override;
  Task<std::expected<std::vector<ServiceRecord>, std::string>> resolve_srv(
      std::string name) override;
  Task<void> end() override;

  [[nodiscard]] bool is_idle() const noexcept { return channel_ == nullptr; }

 private:
  // Null when there is no memory, or the settings are wrong.
  [[nodiscard]] NameChannel* open_channel();
  Task<void> drive();

  io::Ring& ring_;
  ResolverSettings settings_;
  std::unique_ptr<NameChannel> channel_;  // While look-ups run.
  io::Event became_idle_;
};

}  // namespace sluice::net
