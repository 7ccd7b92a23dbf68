// What one shard knows of one deployment, for strategies to compare.
#pragma once

#include <array>
#include <cstdint>

#include <sluice/base/assert.h>
#include <sluice/base/clock.h>

namespace sluice::route {

// A mean in which the past fades with time, whatever the rate of samples. It rises to a greater
// sample at once and falls slowly, so that a deployment which has become slow is left at once.
class DecayingMean {
 public:
  // After so long a sample counts for 1/e of what it did; after so long without one the mean is
  // too old to be believed.
  static constexpr Duration kMemory = seconds(10);

  void note(Duration sample, MonoTime now) noexcept;
  [[nodiscard]] bool is_known() const noexcept { return mean_ns_ != 0; }
  // As of the last sample; zero when there was none.
  [[nodiscard]] Duration value() const noexcept { return Duration(static_cast<int64_t>(mean_ns_)); }
  [[nodiscard]] bool is_recent(MonoTime now) const noexcept {
    return is_known() && now - at_ <= kMemory;
  }

 private:
  double mean_ns_ = 0;
  MonoTime at_{};
};

// A sum over the last minute, in steps of ten seconds.
class MinuteSum {
 public:
  void note(uint64_t amount, MonoTime now) noexcept;
  [[nodiscard]] uint64_t value(MonoTime now) const noexcept;

 private:
  static constexpr Duration kStep = seconds(10);
  static constexpr int64_t kSteps = 6;
  std::array<uint64_t, kSteps> sums_{};  // By the step's number modulo kSteps.
  int64_t newest_ = 0;                   // Number of the step of the last note().
  uint64_t total_ = 0;                   // Of `sums_`.
};

// Of all other shards together, as of the last merge. Zero where nothing is known.
struct OthersStats {
  uint32_t in_flight = 0;
  Duration first_token{};
  Duration whole{};
  uint64_t minute_tokens = 0;
};

// Owned by the shard and kept by the deployment's name, so that it outlives configurations.
class DeploymentStats {
 public:
  // A request is in flight from begin() until end(), which for a stream is its last event, not its
  // head. Exactly one end() for each begin().
  void begin() noexcept { ++in_flight_; }
  void end() noexcept {
    SLUICE_ASSERT(in_flight_ > 0);
    --in_flight_;
  }
  [[nodiscard]] uint32_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] uint32_t total_in_flight() const noexcept { return in_flight_ + others_.in_flight; }

  void note_tokens(uint64_t tokens, MonoTime now) noexcept;
  // Of all shards.
  [[nodiscard]] uint64_t minute_tokens(MonoTime now) const noexcept {
    return tokens_.value(now) + others_.minute_tokens;
  }
  // Mean of this shard's requests in the minute before the last note_tokens(); zero before any.
  [[nodiscard]] uint64_t tokens_per_request() const noexcept { return tokens_per_request_; }

  // Of this shard and the others: `first_token` for streams, else `whole`. Zero when unknown. What
  // nobody has measured lately is unknown too, but only while this shard has nothing in flight
  // there: so one request at a time goes to look.
  [[nodiscard]] Duration latency(bool is_stream, MonoTime now) const noexcept;

  void hear(const OthersStats& others, MonoTime now) noexcept;
  [[nodiscard]] const OthersStats& others() const noexcept { return others_; }
  // Own requests in flight at the last hear().
  [[nodiscard]] uint32_t in_flight_when_heard() const noexcept { return in_flight_when_heard_; }

  DecayingMean first_token;
  DecayingMean whole;
  // When it was last allowed to serve again; min() for a deployment that never rested.
  MonoTime returned_at = MonoTime::min();

 private:
  uint32_t in_flight_ = 0;
  uint32_t in_flight_when_heard_ = 0;
  OthersStats others_;
  MonoTime first_token_heard_at_{};  // When the others' mean was last a new one.
  MonoTime whole_heard_at_{};
  MinuteSum tokens_;
  MinuteSum requests_;
  uint64_t tokens_per_request_ = 0;
};

}  // namespace sluice::route
