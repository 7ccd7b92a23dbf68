// What happens to some requests only: decided by a seed, so that a run can be had again.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "settings.h"

namespace sluice::sim {

// Spreads neighbouring numbers over all of 64 bits (the finalizer of SplitMix64).
[[nodiscard]] constexpr uint64_t scatter(uint64_t number) noexcept {
  number += 0x9E3779B97F4A7C15u;
  number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9u;
  number = (number ^ (number >> 27)) * 0x94D049BB133111EBu;
  return number ^ (number >> 31);
}

// A share of all requests.
struct Chance {
  static constexpr uint32_t kAlways = 1'000'000;
  uint32_t per_million = kAlways;

  // Whether it comes true for the request whose number was drawn. Different `topic`s of one
  // request are decided apart from each other.
  [[nodiscard]] bool comes_true(uint64_t draw, uint64_t topic) const noexcept {
    if (per_million >= kAlways) return true;
    return scatter(draw ^ scatter(topic)) % kAlways < per_million;
  }

  // "20%" or "0.5%".
  [[nodiscard]] static std::optional<Chance> parse(std::string_view text) noexcept {
    if (!text.ends_with('%')) return std::nullopt;
    text.remove_suffix(1);
    const auto percent = parse_number<double>(text, 0, 100);
    if (!percent) return std::nullopt;
    return Chance{static_cast<uint32_t>(*percent / 100 * kAlways + 0.5)};
  }
};

}  // namespace sluice::sim
