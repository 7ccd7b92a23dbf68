// What an attack consists of: bytes, paces and bounds.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>

namespace sluice::edge {

enum class Reading : uint8_t {
  kAll,        // Whatever comes, at once.
  kByteAStep,  // One byte a step.
  kNothing,
};

struct Attack {
  std::string_view name;
  std::string opening;      // Sent first; may be empty.
  std::string drip;         // Sent behind it, over and over; may be empty.
  bool drips_bytes = true;  // One byte of `drip` a step; else all of it, as fast as it is taken.
  Reading reading = Reading::kAll;
  Duration step{0};               // Between two drips, or two bytes that are read.
  int receive_bytes_max = 0;      // SO_RCVBUF; 0 leaves the kernel's.
  uint64_t bytes_max = 1u << 30;  // That one connection sends before it leaves.
  bool gives_way = false;  // The oldest leaves when there are enough, so that the rate goes on.
};

struct AttackOptions {
  std::string path = "/v1/chat/completions";
  std::string headers;       // Whole lines.
  std::string client_hello;  // Of the attack `hello`.
  Duration step{0};          // 0: the attack's own.
};

inline constexpr std::array<std::string_view, 8> kAttackNames = {
    "silent", "slowloris", "hello", "body", "header", "reader", "dripping-reader", "flood"};

// The attack of this name; the error is a sentence.
[[nodiscard]] std::expected<Attack, std::string> make_attack(std::string_view name,
                                                             const AttackOptions& options);

}  // namespace sluice::edge
