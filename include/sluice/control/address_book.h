// The addresses of upstreams' host names, looked up off the control thread and kept fresh.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/io/event.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// A name that cannot be looked up keeps the addresses it had, or has none; both are warned of once.
// Control thread only. Outlives its lane.
class AddressBook {
 public:
  using Addresses = std::vector<net::Address>;
  // Blocks; runs on the lane.
  using Resolve = std::expected<Addresses, std::string> (*)(const std::string& host, uint16_t port);

  AddressBook(io::Lane& lane, io::OffloadReturns& returns, Logger& log,
              Resolve resolve = net::resolve_blocking) noexcept;
  AddressBook(const AddressBook&) = delete;
  AddressBook& operator=(const AddressBook&) = delete;

  // The addresses of all upstreams, by UpstreamId. Names not known yet are looked up and waited
  // for until `deadline`, after which they are left empty. One caller at a time. Suspends.
  Task<std::vector<Addresses>> find(const config::Snapshot& snapshot, Deadline deadline);

  // Looks every name of `snapshot` up again and forgets all others. Does not wait.
  void refresh(const config::Snapshot& snapshot);
  // What refresh() and late answers have changed since the last call, for one shard.
  [[nodiscard]] std::vector<upstream::UpdateAddresses> take_changes(
      const config::Snapshot& snapshot);

  // Whether a look-up runs, perhaps for long.
  [[nodiscard]] bool is_busy() const noexcept { return in_flight_ > 0; }

 private:
  struct Entry {
    std::string host;
    uint16_t port = 0;
    Addresses addresses;
    bool is_numeric = false;
    bool is_answered = false;  // One look-up at least has ended.
    bool is_in_flight = false;
    bool has_failed = false;   // The last look-up did; it has been warned of.
    bool has_changed = false;  // Since take_changes().
  };
  using Key = std::pair<std::string, uint16_t>;

  [[nodiscard]] Entry& entry_of(const config::Upstream& upstream);
  void look_up(Entry& entry);
  void finish(const Key& key, std::expected<Addresses, std::string> outcome);
  // Starts the look-ups that `snapshot` needs; whether some have not ended.
  [[nodiscard]] bool start_missing(const config::Snapshot& snapshot);
  void warn_of_missing(const config::Snapshot& snapshot);

  io::Lane& lane_;
  io::OffloadReturns& returns_;
  Logger& log_;
  Resolve resolve_;
  std::map<Key, Entry> entries_;
  uint32_t in_flight_ = 0;
  io::Event answered_;
};

}  // namespace sluice::control
