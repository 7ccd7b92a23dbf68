// What one exchange used, and how we know.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::usage {

enum class UsageSource : uint8_t {
  kUnknown,   // Nothing is known; every count is absent.
  kCounted,   // The events with content were counted while they passed; the input is absent.
  kReported,  // The upstream said so.
};

// Token counts. Absent means unknown and is never written or charged as zero.
struct Usage {
  UsageSource source = UsageSource::kUnknown;
  std::optional<uint64_t> input;
  std::optional<uint64_t> output;
  std::optional<uint64_t> cached;     // Part of `input`.
  std::optional<uint64_t> reasoning;  // Part of `output`.
  bool partial = false;  // The answer was cut, or not all of it seen; more may have been used.
};

// The source's name in logs and metrics: "unknown", "counted" or "reported". Static storage.
[[nodiscard]] std::string_view to_string(UsageSource source) noexcept;

}  // namespace sluice::usage
