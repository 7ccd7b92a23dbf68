// The configurations that were in force, with their texts.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/config/yaml_tree.h>

namespace sluice::control {

struct ConfigVersion {
  uint64_t generation = 0;  // With which this text came into force.
  std::string checksum;     // SHA-256 of the text, as 64 hexadecimal digits.
  WallTime at;
  std::string asked_by;
  std::vector<std::string> changes;  // To what was in force before; never with a secret.
  std::string text;
  std::vector<config::TextPlace> secrets;
};

[[nodiscard]] std::string checksum_of(std::string_view text);

// Control thread only.
class ConfigHistory {
 public:
  static constexpr size_t kVersionsMost = 32;
  // Of texts; the oldest go first, never the last two.
  static constexpr size_t kBytesMost = 128u << 20;

  // Good until the caller suspends.
  using Version = const ConfigVersion*;

  void add(ConfigVersion version);
  // The one in force; null before the first.
  [[nodiscard]] Version newest() const noexcept;
  // Null when there is none (any more).
  [[nodiscard]] Version find(uint64_t generation) const noexcept;
  // Oldest first.
  [[nodiscard]] const std::deque<ConfigVersion>& versions() const noexcept { return versions_; }

 private:
  std::deque<ConfigVersion> versions_;
  size_t bytes_ = 0;
};

}  // namespace sluice::control
