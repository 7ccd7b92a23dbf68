// What one exchange leaves in the spend journal: opened at dispatch, settled once at its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <sluice/base/bounded_text.h>
#include <sluice/base/clock.h>

namespace sluice::usage {

enum class SpendKind : uint8_t { kOpened = 1, kSettled = 2 };

// How the tokens of a settled exchange are known.
enum class SpendSource : uint8_t { kReported = 0, kCounted = 1, kUnknown = 2 };

// A value of fixed size that a shard makes and the control thread writes. Names are copied, because
// a journal is read by another process than the one that wrote it.
//
// Every exchange that is dispatched makes one kOpened and then exactly one kSettled. Of kOpened,
// tokens and cost are what was set aside: what is booked if the process dies before it settles.
struct SpendRecord {
  // `shard` in the upper 16 bits, a count of the shard below: unique within one run of the process.
  [[nodiscard]] static constexpr uint64_t make_exchange(uint16_t shard, uint64_t count) noexcept {
    return uint64_t{shard} << 48 | (count & ((uint64_t{1} << 48) - 1));
  }

  uint64_t exchange = 0;
  WallTime at;  // When it was opened, or settled.
  SpendKind kind = SpendKind::kOpened;
  SpendSource source = SpendSource::kUnknown;
  bool is_partial = false;  // The answer broke off.
  BoundedText<64> key;      // Empty for anonymous requests.
  BoundedText<64> tenant;
  BoundedText<64> model;  // The configured name, empty when unknown.
  // What is absent is unknown, never zero.
  std::optional<uint64_t> input_tokens;
  std::optional<uint64_t> output_tokens;
  std::optional<uint64_t> cached_tokens;
  std::optional<uint64_t> reasoning_tokens;
  std::optional<uint64_t> cost_micro_dollars;  // Absent without a price.
};
static_assert(std::is_trivially_copyable_v<SpendRecord>);
static_assert(sizeof(SpendRecord) <= 320);

// An encoded record is never longer.
inline constexpr size_t kSpendBytesMax = 320;

// Appends the record as the journal keeps it, little endian.
void append_spend(std::string& out, const SpendRecord& record);
// Empty for anything that append_spend() does not write.
[[nodiscard]] std::optional<SpendRecord> read_spend(std::string_view bytes) noexcept;

}  // namespace sluice::usage
