// The ways to choose among candidates.
#pragma once

#include <cstdint>
#include <span>

#include <sluice/route/route_set.h>
#include <sluice/route/strategy.h>

namespace sluice::route {

// Each chooses one of `usable`, which is not empty and within the span, and returns its index.
// None allocates or suspends. What one remembers is in Candidate::position.

// The one that was chosen least recently; weights do not count.
[[nodiscard]] uint32_t choose_round_robin(std::span<Candidate> candidates,
                                          const RouteSet& usable) noexcept;

// As evenly spread as the weights allow. Every choice raises each usable position by its share,
// takes the highest and lowers that one by the sum of the shares. Positions sum to zero and return
// to where they were after one cycle, so ratios are exact and nothing ever wraps.
[[nodiscard]] uint32_t choose_weighted(std::span<Candidate> candidates, const RouteSet& usable,
                                       const Choice& choice) noexcept;

// At random, by share. Others break their ties with it.
[[nodiscard]] uint32_t choose_random(std::span<const Candidate> candidates, const RouteSet& usable,
                                     const Choice& choice) noexcept;

// The fewest requests in flight for its share, over all shards.
[[nodiscard]] uint32_t choose_least_busy(std::span<const Candidate> candidates,
                                         const RouteSet& usable, const Choice& choice) noexcept;

// The better of two drawn at random: of less latency times requests in flight, for its share. When
// the latency of either is unknown, the requests in flight alone decide.
[[nodiscard]] uint32_t choose_power_of_two(std::span<const Candidate> candidates,
                                           const RouteSet& usable, const Choice& choice) noexcept;

// Those whose latency is within a tenth of the lowest take turns at random, by share. Of those
// whose latency is unknown, each gets one request at a time.
[[nodiscard]] uint32_t choose_lowest_latency(std::span<const Candidate> candidates,
                                             const RouteSet& usable, const Choice& choice) noexcept;

// The lowest sum of the prices in and out; equal ones at random, by share. Those without a price
// come last.
[[nodiscard]] uint32_t choose_lowest_cost(std::span<const Candidate> candidates,
                                          const RouteSet& usable, const Choice& choice) noexcept;

// The fewest tokens in the last minute for its share. A request in flight counts as much as the
// ended ones did on average, so that a burst is not sent to one deployment.
[[nodiscard]] uint32_t choose_lowest_usage(std::span<const Candidate> candidates,
                                           const RouteSet& usable, const Choice& choice) noexcept;

// The same key goes to the same candidate, by rendezvous hashing weighted by share: when one goes
// away only its keys move, and they move back when it returns. One that has `load_factor` (1 or
// more) times its part of the requests in flight is passed over. Without a key the power of two.
[[nodiscard]] uint32_t choose_by_affinity(std::span<const Candidate> candidates,
                                          const RouteSet& usable, const Choice& choice,
                                          double load_factor) noexcept;

// The first in the file.
[[nodiscard]] uint32_t choose_failover(const RouteSet& usable) noexcept;

}  // namespace sluice::route
