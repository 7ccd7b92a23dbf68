// What is decided as connections come: whether one may stay, and whether more may come.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <sluice/base/byte_budget.h>
#include <sluice/base/ip_class.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/ring.h>
#include <sluice/metrics/cells.h>
#include <sluice/net/address_counts.h>
#include <sluice/net/stream.h>

namespace sluice::server {

// A connection that is let in.
struct Arrival {
  net::AddressPass pass;          // Empty where nothing limits its address.
  std::optional<Ipv6Bytes> peer;  // Meaningful when it was asked for.
  bool has_asked_peer = false;

  // Of each request anew, since a reload may bring what wants to know: asks the kernel the first
  // time that it `is_wanted`.
  [[nodiscard]] const std::optional<Ipv6Bytes>& find_peer(const net::Stream& stream,
                                                          bool is_wanted) noexcept {
    if (!has_asked_peer && is_wanted) {
      peer = stream.peer_ip();
      has_asked_peer = true;
    }
    return peer;
  }
};

// Of one worker. Nothing here suspends.
class Door {
 public:
  struct Parts {
    io::Ring& ring;
    io::BlockPool& blocks;
    ByteBudget& budget;
    metrics::ShardCells& cells;
    Logger& log;
    net::AddressCounts* addresses = nullptr;  // Null: no limits by address.
    uint64_t descriptors_max = 0;             // 0 is unknown.
  };
  // Between two looks while nothing is accepted, and how many of them at most: then those who wait
  // get their turn all the same, and a 503 where there is nothing for them.
  static constexpr Duration kPause = milliseconds(100);
  static constexpr int kPausesMost = 10;

  explicit Door(Parts parts) noexcept : parts_(parts) {}

  // By the limits of its address, which `arrival` counts in from now on; trusted proxies have none.
  // A refusal is counted. The kernel is asked for the peer only where that matters.
  [[nodiscard]] std::optional<metrics::RefusedConnection> let_in(const config::Snapshot& config,
                                                                 int fd, Arrival& arrival) noexcept;
  // The same for a peer that a balancer has told.
  [[nodiscard]] std::optional<metrics::RefusedConnection> let_in_peer(
      const config::Snapshot& config, Arrival& arrival) noexcept;

  // Whether accepting should pause after `accepted`, a descriptor or a negative errno. Counted, and
  // told in the log at most once in kTellAgain.
  [[nodiscard]] std::optional<metrics::AcceptPause> find_shortage(int accepted);
  // Whether what was short still is, as far as that can be seen.
  [[nodiscard]] bool is_short(metrics::AcceptPause what) const noexcept;

 private:
  // Left for upstreams, logs and the files of a reload.
  static constexpr uint64_t kDescriptorReserve = 64;
  static constexpr Duration kTellAgain = seconds(60);

  [[nodiscard]] std::optional<metrics::AcceptPause> what_is_short(int accepted) const noexcept;
  void tell(metrics::AcceptPause what);

  Parts parts_;
  std::array<MonoTime, metrics::kAcceptPauseNames.size()> told_at_{};
};

}  // namespace sluice::server
