// What a way to choose among candidates is told, and what all such ways have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include <sluice/base/clock.h>
#include <sluice/base/product.h>
#include <sluice/route/deployment_stats.h>
#include <sluice/route/route_set.h>

namespace sluice::route {

// What a strategy knows of one route of a model. Owned by the router of one shard.
struct Candidate {
  uint32_t weight = 1;   // 1 or more.
  int64_t position = 0;  // The strategy's own state; starts at 0.
  // Dollars per million tokens in and out; infinite without a price.
  double cost = std::numeric_limits<double>::infinity();
  uint64_t name_hash = 0;  // The same on all shards and after a restart.
  Duration slow_start{0};
  const DeploymentStats* stats = nullptr;  // Never null; outlives the candidate.
};

// What is known of the request.
struct Choice {
  MonoTime now;
  uint64_t random = 0;        // Fresh for every choice, uniform.
  uint64_t affinity_key = 0;  // See affinity_key.h; 0 is none.
  bool is_stream = false;
};

inline constexpr uint32_t kFullShare = 100;  // Per unit of weight.

// The candidate's weight in hundredths. One that has just returned begins with a tenth of it and
// has all of it after `slow_start`.
[[nodiscard]] inline uint64_t share(const Candidate& candidate, MonoTime now) noexcept {
  constexpr int64_t kFirstShare = 10;
  const uint64_t full = uint64_t{candidate.weight} * kFullShare;
  if (candidate.slow_start == Duration{0}) return full;  // Most; without a look at the stats.
  const MonoTime returned_at = candidate.stats->returned_at;
  if (now - candidate.slow_start >= returned_at) return full;
  const Duration since = std::max(now - returned_at, Duration{0});
  const auto percent = static_cast<uint64_t>(
      kFirstShare + (kFullShare - kFirstShare) * (since / microseconds(1)) /
                        std::max<int64_t>(candidate.slow_start / microseconds(1), 1));
  return uint64_t{candidate.weight} * percent;
}

// How many requests are in flight at this moment, though what is known of the other shards is as
// old as the last merge: what this shard has begun or ended since, the others are taken to have
// done as well, each by its part of the requests. Otherwise all shards would run to the deployment
// that was the least busy at the merge, until the next one.
class OthersEcho {
 public:
  // Call for all that are compared, before the first in_flight().
  void add(const DeploymentStats& stats) noexcept {
    own_ += stats.in_flight_when_heard();
    others_ += stats.others().in_flight;
  }
  [[nodiscard]] double in_flight(const DeploymentStats& stats) const noexcept {
    const double own = stats.in_flight();
    const double since = own - stats.in_flight_when_heard();
    const double per_own =
        static_cast<double>(others_) / static_cast<double>(std::max(own_, uint64_t{1}));
    return own + std::max(stats.others().in_flight + since * per_own, 0.0);
  }

 private:
  uint64_t own_ = 0;
  uint64_t others_ = 0;
};

// A number below `bound`, evenly spread as far as `random` is; `bound` is 1 or more.
[[nodiscard]] inline uint64_t scale_random(uint64_t random, uint64_t bound) noexcept {
  return multiply(random, bound).high;
}

// Those whose `rate(candidate)` is the lowest of all in `usable`, which must not be empty.
template <class Rate>
[[nodiscard]] RouteSet find_lowest(std::span<const Candidate> candidates, const RouteSet& usable,
                                   Rate rate) noexcept {
  auto lowest = rate(candidates[usable.first()]);
  RouteSet found;
  usable.for_each([&](uint32_t index) {
    const auto rated = rate(candidates[index]);
    if (rated > lowest) return;
    if (rated < lowest) {
      lowest = rated;
      found = {};
    }
    found.add(index);
  });
  return found;
}

}  // namespace sluice::route
