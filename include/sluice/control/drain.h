// The order in which the shards go away.
#pragma once

#include <optional>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/ids.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// Refuse new work and let streams end; then cut them with an error event; then close what is left.
// A pure state machine: the caller brings the time and sends what it is told to.
class Drain {
 public:
  // What a cut stream has to send its error event.
  static constexpr Duration kCutTime = seconds(2);
  // After the last command only a bug can keep a shard.
  static constexpr Duration kKillTime = seconds(10);

  enum class Stage : uint8_t { kServing, kWaiting, kCutting, kKilling, kDrained, kStuck };

  explicit Drain(uint32_t shards) : drained_(shards, false), left_(shards) {}

  // BeginDrain, or nothing when the drain has begun before. A hand-over begins the same way.
  [[nodiscard]] std::optional<upstream::DrainCommand> begin(MonoTime now, Duration timeout);
  // What all shards are to be told now, if anything. Never twice the same.
  [[nodiscard]] std::optional<upstream::DrainCommand> advance(MonoTime now);
  void on_drained(ShardId shard) noexcept;

  [[nodiscard]] Stage stage() const noexcept { return stage_; }
  [[nodiscard]] bool has_begun() const noexcept { return stage_ != Stage::kServing; }
  // All shards are drained, or never will be.
  [[nodiscard]] bool is_over() const noexcept {
    return stage_ == Stage::kDrained || stage_ == Stage::kStuck;
  }
  // When advance() has something to do next.
  [[nodiscard]] Deadline next() const noexcept { return next_; }
  [[nodiscard]] uint32_t shards_left() const noexcept { return left_; }

 private:
  Stage stage_ = Stage::kServing;
  Deadline next_;
  std::vector<bool> drained_;
  uint32_t left_;
};

}  // namespace sluice::control
