// TLS contexts for every shard, and the turning of the keys of their session tickets.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/control/tls_files.h>
#include <sluice/net/tls.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// One set for each of `shards`: contexts of their own spare the shards the locks that the library
// shares them with. Takes milliseconds for each certificate and shard: runs on a lane. The error is
// a sentence with cause and remedy.
[[nodiscard]] std::expected<std::vector<upstream::ShardTls>, std::string> make_tls_profiles(
    const TlsFiles& files, size_t shards, net::SystemAuthorities& system);

// What stays of the files once the contexts are made; the private keys do not.
struct PreparedTls {
  std::vector<upstream::ShardTls> shards;  // By ShardId; the last is the control thread's own.
  std::vector<CertificateLife> lives;
};

// A configuration with what its connections are secured by. `config.snapshot` is null when that
// cannot be made, too, or a script of it does not compile.
struct LoadedWithTls {
  config::LoadOutcome config;
  PreparedTls tls;
};

// load_with_files() and make_tls_profiles(). Blocks on the disk.
[[nodiscard]] LoadedWithTls load_with_tls(const std::string& path,
                                          const config::Environment& environment, WallTime now,
                                          size_t shards, net::SystemAuthorities& system,
                                          const config::Members& members = {});

// A ticket can be resumed for one to two periods, and a key that leaks tells no more than that.
class TicketRotation {
 public:
  static constexpr Duration kPeriod = seconds(12 * 3600);

  explicit TicketRotation(MonoTime now) noexcept
      : keys_(net::TicketKeys::generate()), next_(Deadline{now + kPeriod}) {}
  // True when the keys have turned, and the shards must be told.
  [[nodiscard]] bool advance(MonoTime now) noexcept;
  [[nodiscard]] const net::TicketKeys& keys() const noexcept { return keys_; }

 private:
  net::TicketKeys keys_;
  Deadline next_;
};

}  // namespace sluice::control
