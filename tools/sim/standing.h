// What the server as a whole is like at present. POST /sim/shape changes it while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "shape.h"

namespace sluice::sim {

struct Standing {
  static constexpr uint32_t kSlotsMax = 1'000'000;

  Shape shape;                   // Of requests that ask for no other.
  bool is_down = false;          // Connections are reset in place of an answer.
  uint32_t slots = 0;            // Answers made at a time by each shard; 0 is no bound.
  uint32_t waiting = kSlotsMax;  // Requests of each shard that wait for a slot; more are refused.
  uint16_t busy = 503;           // Status of such a refusal.
  uint16_t health = 0;           // Status of GET /health; 0 is what the shape says.

  // One setting by its name: "down", "slots", "waiting", "busy", "health", or one of Shape's.
  // False, with nothing changed, when it is unknown or wrong.
  [[nodiscard]] bool set(std::string_view name, std::string_view value) noexcept;
  // All of "slots=4&fault=none". False at the first that is wrong.
  [[nodiscard]] bool set_all(std::string_view text) noexcept;
};

// The one of the process, of which every shard keeps a copy.
class SharedStanding {
 public:
  explicit SharedStanding(const Standing& standing) : standing_(standing) {}

  // Changes with every change of the standing. Any thread.
  [[nodiscard]] uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }
  // Rare; locks.
  [[nodiscard]] Standing copy();
  // Applies settings as Standing::set_all() does; nothing changes when one is wrong.
  [[nodiscard]] bool change(std::string_view text);

 private:
  std::mutex mutex_;
  Standing standing_;
  std::atomic<uint64_t> version_{1};
};

}  // namespace sluice::sim
