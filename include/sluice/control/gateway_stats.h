// What gateways tell each other of their deployments: the words, and what the others' come to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/resilience/deployment_health.h>

namespace sluice::control {

// The bounds of what a gateway tells; a greater amount of our own is told as the bound.
inline constexpr size_t kStatsTextMost = 256u << 10;
inline constexpr size_t kStatsNameMost = 256;
inline constexpr uint64_t kStatsInFlightMost = 1'000'000;
inline constexpr uint64_t kStatsTokensMost = 1'000'000'000'000;
inline constexpr uint32_t kStatsShardsMost = 256;
inline constexpr Duration kStatsMeanMost = seconds(3600);
// No cooldown is longer, so one that was cleared so long ago clears nothing any more.
inline constexpr Duration kStatsCooldownMost = seconds(24 * 3600);

// A mean, and of how many shards; unknown when that is 0.
struct SharedMean {
  Duration value{};
  uint32_t shards = 0;
  bool operator==(const SharedMean&) const = default;
};

// The last change of a cooldown that a gateway has seen itself. Clocks differ between gateways, so
// times are lengths, in microseconds.
struct SharedCooldown {
  uint64_t number = 0;  // Of the change; rises with each of one gateway. 0: there was none.
  Duration age{};       // Of the change.
  Duration left{};      // Zero when it was cleared.
  bool operator==(const SharedCooldown&) const = default;
};

// What one gateway knows of one deployment by itself: nothing that it was told by others.
struct OwnStats {
  uint64_t in_flight = 0;
  uint64_t minute_tokens = 0;
  SharedMean first_token;
  SharedMean whole;
  SharedCooldown cooldown;
  bool operator==(const OwnStats&) const = default;
};

using OwnStatsByName = std::map<std::string, OwnStats, std::less<>>;  // By name.

// Leaves out those of which nothing is known, and those that would make the text too long.
[[nodiscard]] std::string encode_stats(const OwnStatsByName& stats);
// nullopt for whatever encode_stats() would not have written.
[[nodiscard]] std::optional<OwnStatsByName> decode_stats(std::string_view text);

// What all other gateways together say of a deployment.
struct OthersStats {
  uint64_t in_flight = 0;
  uint64_t minute_tokens = 0;
  SharedMean first_token;
  SharedMean whole;
  resilience::CooldownChange cooldown;  // In the time of our clock.
};

using OthersStatsByName = std::map<std::string, OthersStats, std::less<>>;  // By name.

// What one gateway has written where all read.
struct GatewayText {
  std::string gateway;
  Duration age{};  // Of the writing.
  std::string text;
};

// The other gateways as they were heard last.
class OtherGateways {
 public:
  static constexpr size_t kMost = 64;
  // One that has not written for so long counts no more.
  static constexpr Duration kSilenceMost = seconds(3);

  // All that is there now. A text that cannot be read counts as none.
  void hear(const std::vector<GatewayText>& texts, MonoTime now);
  void forget_silent(MonoTime now);
  [[nodiscard]] OthersStatsByName sum() const;

 private:
  struct Change {
    uint64_t number = 0;
    resilience::CooldownChange change;
  };
  struct Gateway {
    MonoTime written_at;
    OwnStatsByName stats;
    // By deployment. A change keeps the time that it was first given, so that it stays the same
    // change however long its way takes.
    std::map<std::string, Change, std::less<>> cooldowns;
  };
  static void take_cooldowns(Gateway& gateway, const Gateway* before, MonoTime now);

  std::map<std::string, Gateway, std::less<>> gateways_;
};

}  // namespace sluice::control
