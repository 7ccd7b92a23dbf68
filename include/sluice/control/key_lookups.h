// Asks the sources of keys that are outside the process, for all shards.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <sluice/auth/key_messages.h>
#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/control/key_port.h>
#include <sluice/io/offload.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/resolver.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// One look-up at a time for each key, whoever asks (D5); what several shards ask meanwhile is
// answered together. Sources that a new configuration keeps as they are live on.
//
// Control thread only. Await end() before it dies; it cannot be destroyed before it is_quiet().
class KeyLookups {
 public:
  static constexpr size_t kFlightsMost = 4096;      // Keys being asked about; beyond it kFailed.
  static constexpr Duration kEndTime = seconds(2);  // That end() waits for the sources.

  struct Parts {
    io::Ring& ring;
    io::OffloadReturns& returns;
    net::Resolver& resolver;
    metrics::Registry& registry;
    Logger& log;
    std::span<KeyPort> ports;
  };
  explicit KeyLookups(Parts parts);
  ~KeyLookups();
  KeyLookups(const KeyLookups&) = delete;
  KeyLookups& operator=(const KeyLookups&) = delete;

  void follow(const config::AuthSettings& settings, uint64_t generation);
  void on_asked(ShardId shard, auth::KeyAsked asked);
  // Whether a source has not answered, or not ended. Behind end(): it hangs.
  [[nodiscard]] bool is_busy() const noexcept;
  // Whether it may be destroyed: it follows nothing, or has ended.
  [[nodiscard]] bool is_quiet() const noexcept;
  // Answers every question, and waits at most kEndTime for the sources. May be called again.
  // Suspends.
  Task<void> end();

 private:
  struct State;
  Parts parts_;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::control
