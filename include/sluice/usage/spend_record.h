// What one exchange leaves in the spend journal: opened at dispatch, settled once at its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <sluice/base/bounded_text.h>
#include <sluice/base/clock.h>
#include <sluice/base/error.h>
#include <sluice/metrics/labels.h>

namespace sluice::usage {

enum class SpendKind : uint8_t { kOpened = 1, kSettled = 2 };

// How the tokens of a settled exchange are known.
enum class SpendSource : uint8_t {
  kReported = 0,   // The upstream said so.
  kCounted = 1,    // The output was counted while it passed; the input is estimated.
  kUnknown = 2,    // Nobody was there to see: the process died, or nothing was answered.
  kEstimated = 3,  // The upstream said nothing; from the length of the prompt, and what is usual.
};

// The source's name in files and payloads. Static storage.
[[nodiscard]] std::string_view to_string(SpendSource source) noexcept;

// A value of fixed size that a shard makes and the control thread writes. Names are copied, because
// a journal is read by another process than the one that wrote it. There is no field that could
// hold a prompt, an answer or a secret.
//
// Every exchange that is dispatched makes one kOpened and then exactly one kSettled. Of kOpened,
// tokens and cost are what was set aside: what is booked if the process dies before it settles.
struct SpendRecord {
  // `shard` in the upper 16 bits, a count of the shard below: unique within one run of the process.
  [[nodiscard]] static constexpr uint64_t make_exchange(uint16_t shard, uint64_t count) noexcept {
    return uint64_t{shard} << 48 | (count & ((uint64_t{1} << 48) - 1));
  }

  uint64_t exchange = 0;
  uint64_t run = 0;  // Of the process, by the control thread; 0 in journals of earlier versions.
  WallTime at;       // When it was opened, or settled.
  WallTime began;    // When the request began.
  SpendKind kind = SpendKind::kOpened;
  SpendSource source = SpendSource::kUnknown;
  bool is_partial = false;  // The answer broke off.
  bool is_stream = false;
  metrics::Endpoint endpoint = metrics::Endpoint::kOther;
  uint16_t status = 0;             // As the access log has it; 0 while it is opened.
  std::optional<ErrorCode> error;  // How it ended, unless well.
  BoundedText<128> request_id;
  BoundedText<64> key;  // Its name or id; empty for anonymous requests.
  BoundedText<64> tenant;
  BoundedText<64> organisation;
  BoundedText<64> team;
  BoundedText<64> user;
  BoundedText<64> model;         // The configured name, empty when unknown.
  BoundedText<64> served_model;  // When another one answered, by fallback; else empty.
  BoundedText<64> upstream;      // The deployment of the last attempt.
  // What is absent is unknown, never zero.
  std::optional<uint64_t> input_tokens;
  std::optional<uint64_t> output_tokens;
  std::optional<uint64_t> cached_tokens;
  std::optional<uint64_t> reasoning_tokens;
  std::optional<uint64_t> cost_micro_dollars;  // Absent without a price.
  std::optional<uint64_t> duration_us;
  std::optional<uint64_t> ttft_us;  // Of an event stream.
};
static_assert(std::is_trivially_copyable_v<SpendRecord>);
static_assert(sizeof(SpendRecord) <= 832);

// An encoded record is never longer. A usual one is a third of it.
inline constexpr size_t kSpendBytesMax = 832;

// Appends the record as the journal keeps it, little endian.
void append_spend(std::string& out, const SpendRecord& record);
// Empty for anything that append_spend() does not write, or wrote before there was a `run`. Names
// of endpoints and errors that are not of this version come as kOther and kInternal.
[[nodiscard]] std::optional<SpendRecord> read_spend(std::string_view bytes) noexcept;

}  // namespace sluice::usage
