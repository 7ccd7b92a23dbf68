// How one request is to be answered: its pace, its size and its faults, as the client asked.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/base/clock.h>

#include "chance.h"

namespace sluice::sim {

// What goes wrong with an answer. README.md says what each does.
enum class Fault : uint8_t {
  kStatus,
  kStall,
  kStallAfter,
  kCutBeforeHead,
  kCutAfter,
  kCutMidEvent,
  kCutMidChunk,
  kResetAfter,
  kGarbage,
  kBadChunk,
  kSlow,
  kNoUsage,
  kUsageFirst,
  kSplit,
  kOneChunk,
  kContentLength,
  kUntilClose,
  kCrlf,
  kComments,
  kBigEvent,
  kErrorEvent,
  kClose,
  kEarlyClose,
  kHangBody,
  kEarlyAnswer,
};
inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kEarlyAnswer) + 1;

// Any number of faults together, each with its number where it has one.
class Faults {
 public:
  // Reads "cut-after:3" or a list like "crlf,20%:status:503", and adds to what is there. "none"
  // removes all. False, with nothing changed, when a name is unknown or a number is missing,
  // needless or out of range.
  [[nodiscard]] bool add(std::string_view text) noexcept;

  [[nodiscard]] bool has(Fault fault) const noexcept { return set_[index(fault)]; }
  [[nodiscard]] bool any() const noexcept { return set_.any(); }
  // The fault's number; 0 when it has none.
  [[nodiscard]] uint64_t number(Fault fault) const noexcept { return numbers_[index(fault)]; }
  // Whether the fault is there and `count` has come to its number.
  [[nodiscard]] bool strikes(Fault fault, uint64_t count) const noexcept {
    return has(fault) && count >= number(fault);
  }
  // Removes those that spare the request of this draw.
  void settle(uint64_t draw) noexcept;

 private:
  static constexpr size_t index(Fault fault) noexcept { return static_cast<size_t>(fault); }
  [[nodiscard]] bool add_one(std::string_view text) noexcept;

  std::bitset<kFaultCount> set_;
  std::array<uint64_t, kFaultCount> numbers_{};
  std::array<Chance, kFaultCount> chances_{};
};

// The whole of it. Set by the command line, then by the model's suffix, then by x-sim-* headers.
struct Shape {
  static constexpr uint64_t kTokensMax = 100'000'000;
  static constexpr uint32_t kTokenBytesMax = 128 * 1024;

  Duration ttft = milliseconds(20);  // From the end of the request to the first token.
  double tps = 100;                  // Tokens a second after the first; 0 is as fast as possible.
  uint64_t tokens = 64;
  uint32_t token_bytes = 0;  // Bytes a token; 0 is words as they come.
  uint32_t retry_after = 0;  // Seconds in a retry-after header; 0 is none.
  bool stamp = false;        // Events carry the time of their send.
  bool burst = false;        // All events in one write.
  bool fixed = false;        // Ids and times are constants, for comparisons by byte.
  Chance slow_first{0};      // Of a first token that comes later,
  Duration slow_first_by{};  // by so much.
  Faults faults;

  // One setting by its name ("ttft", "tps", "tokens", "token-bytes", "retry-after", "stamp",
  // "burst", "fixed", "slow-first", "fault"). False, with nothing changed, when it is unknown or
  // wrong.
  [[nodiscard]] bool set(std::string_view name, std::string_view value) noexcept;
  // All of "ttft=50ms&tps=20". False at the first that is wrong.
  [[nodiscard]] bool set_all(std::string_view text) noexcept;
  // Decides what happens to some requests only, for the one of this draw.
  void settle(uint64_t draw) noexcept;

 private:
  [[nodiscard]] bool set_slow_first(std::string_view text) noexcept;
};

// The part of a model's name behind its '?'; empty when there is none.
[[nodiscard]] std::string_view shape_of_model(std::string_view model) noexcept;

}  // namespace sluice::sim
