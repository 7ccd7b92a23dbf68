// What one shard knows of keys that are not of the configuration, and who waits to hear of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include <sluice/auth/answer_cache.h>
#include <sluice/auth/chain.h>
#include <sluice/auth/key_messages.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/exchange/caller.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/shard/mailbox.h>

namespace sluice::exchange {

using KeyReports = shard::Mailbox<auth::KeyReport>;

// Owned by the worker; one shard. Asks once for each key, however many requests wait for it, and
// for a bounded number of unknown keys from one client address: whoever makes up keys asks nobody.
class KeyRoom {
 public:
  static constexpr size_t kAskedMost = 1'024;      // Keys that are being asked about.
  static constexpr size_t kAddressesMost = 4'096;  // Counted in one kWindow; beyond them together.
  static constexpr Duration kWindow = seconds(10);

  // Lives in the frame of its wait, and leaves when it dies.
  struct Waiting : ListLink {
    explicit Waiting(io::ReadyQueue& ready) noexcept : answered(ready) {}
    io::Event answered;
  };

  // `reports` may be null in tests without a control thread: then nobody can be asked.
  KeyRoom(KeyReports* reports, io::Ring* control_ring) noexcept
      : reports_(reports), control_ring_(control_ring) {}
  KeyRoom(const KeyRoom&) = delete;
  KeyRoom& operator=(const KeyRoom&) = delete;

  // A new configuration: callers are made anew, answers of unchanged sources are kept.
  void follow(const config::Snapshot& config);
  void adopt(const auth::AdoptDirectory& adopted) noexcept { directory_ = adopted.directory; }
  void take(auth::LookupAnswered&& answered, MonoTime now);
  // Reports that found no room, again.
  void flush() noexcept;
  [[nodiscard]] bool has_unsent() const noexcept {
    return adopted_version_ != directory_.version();
  }

  // The key of the request, without asking anybody.
  [[nodiscard]] Caller* find_caller(const crypto::Digest& digest, const Generation& generation,
                                    MonoTime now) noexcept {
    return callers_.find(digest, generation, directory_.version(), now);
  }
  [[nodiscard]] Result<auth::Identified> identify(const auth::Chain& chain,
                                                  const crypto::Digest& digest, WallTime wall,
                                                  MonoTime now, auth::Decider* decider) const {
    return chain.identify(digest, wall, now, directory_, answers_, decider);
  }
  Caller& add_caller(std::unique_ptr<Caller> caller, MonoTime holds_until) {
    return callers_.add(std::move(caller), directory_.version(), holds_until);
  }

  // False when nobody can be asked: too many for `address`, or in all, or control is behind.
  [[nodiscard]] bool ask(std::string_view secret, const crypto::Digest& digest,
                         uint32_t sources_end, const std::optional<Ipv6Bytes>& address,
                         MonoTime now);
  // For the answer about `digest`, which was asked.
  void join(const crypto::Digest& digest, Waiting& waiting) noexcept;

 private:
  struct Flight {
    IntrusiveList<Waiting> waiting;
  };

  [[nodiscard]] bool charge(const std::optional<Ipv6Bytes>& address, MonoTime now);

  KeyReports* reports_;
  io::Ring* control_ring_;
  auth::Directory directory_;
  auth::AnswerCache answers_;
  CallerRoom callers_;
  absl::flat_hash_map<crypto::Digest, std::unique_ptr<Flight>> flights_;
  absl::flat_hash_map<Ipv6Bytes, uint32_t> asked_by_;  // In this window.
  uint32_t asked_by_others_ = 0;  // Of those that found no place in `asked_by_`.
  MonoTime window_ends_ = MonoTime::min();
  uint32_t lookups_per_address_ = 0;
  uint64_t generation_ = 0;
  uint64_t oldest_generation_ = 0;  // Whose sources are those of the present one.
  uint64_t adopted_version_ = 0;    // That control has been told of.
  config::AuthSettings settings_;
};

}  // namespace sluice::exchange
