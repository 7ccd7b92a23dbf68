// All of the control thread's work about keys: the desk, the look-ups outside, and what the shards
// say of either.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <sluice/auth/key_messages.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/control/key_desk.h>
#include <sluice/control/key_lookups.h>
#include <sluice/control/key_port.h>
#include <sluice/net/resolver.h>

namespace sluice::control {

// Control thread only. Await end() before it dies.
class KeyService {
 public:
  // Everything outlives it.
  struct Parts {
    io::Ring& ring;
    io::OffloadReturns& returns;
    metrics::Registry& registry;
    Logger& log;
    std::span<KeyPort> ports;
    // Null in tests without sources outside: every question is then answered by kFailed.
    net::Resolver* resolver = nullptr;
    KeyChangeObserver* observer = nullptr;  // May be null.
  };
  explicit KeyService(Parts parts);

  [[nodiscard]] KeyDesk& desk() noexcept { return desk_; }

  // Of each configuration as it comes into force.
  void follow(const config::AuthSettings& settings, uint64_t generation);
  // Whether a shard has said something. Cheap.
  [[nodiscard]] bool has_work() const noexcept;
  // Obeys what the shards have said.
  void run();
  // Tries to pass on what waits for room in a shard's mailbox.
  void flush();
  void on_shard_end(ShardId shard) { desk_.on_shard_end(shard); }

  // Behind end(): whether a job of the store or a source hangs, whose lane cannot be joined soon.
  [[nodiscard]] bool is_busy() const noexcept {
    return desk_.is_busy() || (lookups_ && lookups_->is_busy());
  }
  // Whether it may be destroyed.
  [[nodiscard]] bool is_quiet() const noexcept {
    return !desk_.is_busy() && (!lookups_ || lookups_->is_quiet());
  }
  // Suspends.
  Task<void> end();

 private:
  void obey(KeyPort& port, auth::KeyReport& report);
  void refuse(KeyPort& port, const auth::KeyAsked& asked) const;

  std::span<KeyPort> ports_;
  KeyDesk desk_;
  std::optional<KeyLookups> lookups_;
  uint64_t generation_ = 0;
  bool is_over_ = false;
};

}  // namespace sluice::control
