// The addresses of what is dialled, looked up without blocking and kept fresh.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// A name that cannot be looked up keeps the addresses it had, or has none; both are warned of once,
// until it resolves again. Behind a proxy it is the proxy's name that is looked up.
// Control thread only.
class AddressBook {
 public:
  using Addresses = std::vector<net::Address>;

  // For how long an answer is used, whatever the name server allows.
  static constexpr Duration kValidMin = seconds(1);
  static constexpr Duration kValidMax = seconds(300);
  static constexpr Duration kRetryAfter = seconds(5);  // A failed look-up.
  static constexpr uint32_t kLookUpsAtOnce = 128;

  // Both outlive the book.
  AddressBook(io::Ring& ring, net::Resolver& resolver, Logger& log) noexcept;
  AddressBook(const AddressBook&) = delete;
  AddressBook& operator=(const AddressBook&) = delete;
  // end() comes first when is_busy().
  ~AddressBook();

  // The addresses of all upstreams, by UpstreamId. Names not known yet are looked up and waited
  // for until `deadline`, after which they are left empty. One caller at a time. Suspends.
  Task<std::vector<Addresses>> find(const config::Snapshot& snapshot, Deadline deadline);

  // Looks those names of `snapshot` up again whose answers are over, and forgets all others. Does
  // not wait; cheap when nothing is due.
  void refresh(const config::Snapshot& snapshot);
  // What refresh() and late answers have changed since the last call, for one shard.
  [[nodiscard]] std::vector<upstream::UpdateAddresses> take_changes(
      const config::Snapshot& snapshot);

  // Whether a look-up runs.
  [[nodiscard]] bool is_busy() const noexcept { return in_flight_ > 0; }
  // Ends the look-ups that run, and the resolver. Suspends.
  Task<void> end();

 private:
  struct Entry {
    Addresses addresses;
    Deadline valid;  // Looked up again after it.
    bool is_numeric = false;
    bool is_answered = false;  // One look-up at least has ended.
    bool is_in_flight = false;
    bool has_failed = false;   // The last look-up did; it has been warned of.
    bool has_changed = false;  // Since take_changes().
  };
  // Host and port.
  using Key = std::pair<std::string, uint16_t>;
  using Entries = std::map<Key, Entry>;

  [[nodiscard]] Entries::value_type& entry_of(const config::Upstream& upstream);
  void look_up(Entries::value_type& entry);
  Task<void> ask(Key key);
  void finish(const Key& key, std::expected<net::NameAnswer, std::string> outcome);
  // Starts the look-ups that `snapshot` needs; whether some have not ended.
  [[nodiscard]] bool start_missing(const config::Snapshot& snapshot);
  void warn_of_missing(const config::Snapshot& snapshot);
  // When shards will dial none of them (D61).
  void warn_of_refused(const config::Upstream& upstream, const Addresses& addresses);

  io::Ring& ring_;
  net::Resolver& resolver_;
  Logger& log_;
  Entries entries_;
  uint32_t in_flight_ = 0;
  bool is_ending_ = false;
  bool has_changes_ = false;  // Some entry has.
  uint64_t refreshed_generation_ = 0;
  Deadline next_refresh_;  // The soonest of what is kept.
  io::Event answered_;
  io::Event emptied_;
};

}  // namespace sluice::control
