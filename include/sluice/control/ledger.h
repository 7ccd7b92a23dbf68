// The one count of all gateways: what a gateway asks of it, and what it answers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/result.h>
#include <sluice/io/task.h>
#include <sluice/limit/bank.h>

namespace sluice::control {

// Subjects lie in buckets, each of which is known or forgotten as a whole.
inline constexpr uint32_t kLedgerBuckets = 16;
[[nodiscard]] constexpr uint32_t bucket_of(const limit::BankKey& key) noexcept {
  const uint64_t turned = key.subject << 32 | key.subject >> 32;
  return static_cast<uint32_t>(((key.rule ^ turned) * 0x9e37'79b9'7f4a'7c15) >> 60);
}

// How a subject is counted: granted by slots of time, or split into parts of gateways.
enum class LedgerKind : uint8_t { kRolling, kDay, kWeek, kMonth, kTotal, kSplit };
[[nodiscard]] LedgerKind ledger_kind_of(const limit::BankTerms& terms) noexcept;

// About one subject. Amounts are not negative.
struct LedgerAsk {
  limit::BankKey key;
  LedgerKind kind = LedgerKind::kRolling;
  int64_t most = 0;
  // Of the window; of kSplit how long a part that is given back still counts.
  microseconds length{};
  int64_t want = 0;      // Of kSplit the part that is wanted; a smaller one is given back.
  int64_t least = 0;     // What requests wait for; of kSplit what is in flight.
  int64_t returned = 0;  // Unused, of what was granted in `return_slot`.
  int64_t return_slot = 0;
  int64_t owed = 0;  // Used without having been granted.
  bool operator==(const LedgerAsk&) const = default;
};

struct LedgerAnswer {
  bool is_answered = false;
  int64_t granted = 0;     // Of kSplit the whole part.
  int64_t slot = 0;        // That it is counted in.
  microseconds lives{};    // May be used for so long, counted from when it was asked for.
  int64_t remaining = 0;   // That others could have.
  microseconds returns{};  // Until more may be there; 0 is unknown.
  int64_t most = 0;        // The lowest that a gateway stated lately.
  int64_t gateways = 1;    // That ask in this bucket, or have a part.
  int64_t cap = 0;         // Of kSplit: whoever has more should give it back.
  bool operator==(const LedgerAnswer&) const = default;
};

struct LedgerBucket {
  bool is_answered = false;
  int64_t since = 0;        // When it came to be; another one has forgotten what this one knew.
  microseconds learning{};  // For so long it grants nothing, so that it can be told what it forgot.
  bool operator==(const LedgerBucket&) const = default;
};

// Sent again after a loss it must be the same, or what was not answered of it, in the same order.
struct LedgerCall {
  uint32_t lane = 0;  // One call at a time in each.
  uint64_t batch =
      1;  // What is known of each bucket; 0 is nothing. What is returned to another one is ignored.
  std::array<int64_t, kLedgerBuckets> since{};
  bool greets_all = false;  // Asks each bucket whether it is there; else those of the subjects.
  std::vector<LedgerAsk> asks;
};

struct LedgerReply {
  std::vector<LedgerAnswer> answers;  // By position.
  std::array<LedgerBucket, kLedgerBuckets> buckets;

  [[nodiscard]] bool is_whole() const noexcept;
};

// In all that have not returned by themselves, no subject has more granted, or in parts, than the
// lowest limit that was stated in the last 10 s: but what is owed counts beyond it.
class Ledger {
 public:
  static constexpr uint32_t kLanes = 2;
  static constexpr uint32_t kAsksMost = 512;  // In a call; Redis works on them for 20 ms.
  static constexpr microseconds kLearning = seconds(2);
  // A gateway that is not heard for so long has no part, and a limit that is not stated for so long
  // does not count, though it may count for twice as long.
  static constexpr microseconds kSilence = seconds(10);
  static constexpr int64_t kSlotsPerLength = 64;
  // The part of a limit, as 1 in so many, that all gateways hold unused at most.
  static constexpr int64_t kHeldPart = 100;

  virtual ~Ledger() = default;
  // Suspends, until `deadline` at the most. What was not answered is marked so; the error says that
  // nothing was.
  virtual Task<Result<LedgerReply>> ask(const LedgerCall& call, Deadline deadline) = 0;

  // What this gateway is called there; a successor goes on by the name of its predecessor.
  [[nodiscard]] virtual std::string_view name() const noexcept { return ""; }
  virtual void set_name(std::string_view /*name*/) {}
  // What it said when it refused the last call; "" when it did not.
  [[nodiscard]] virtual std::string_view refusal() const noexcept { return ""; }
  // Sent so far.
  [[nodiscard]] virtual uint64_t commands() const noexcept { return 0; }
};

// What Redis runs, for tests that run it elsewhere.
[[nodiscard]] std::string_view ledger_script() noexcept;

}  // namespace sluice::control
