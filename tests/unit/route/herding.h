// Shards that know of each other only what the last merge said, in simulated time: how unevenly do
// they load equal servers?
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <queue>
#include <tuple>
#include <vector>

#include "fleet.h"

namespace sluice::route {

struct Herding {
  config::StrategyKind strategy = config::StrategyKind::kLeastBusy;
  uint32_t shards = 2;
  Duration merge_every = milliseconds(100);  // Zero: each pick knows all of that instant.
  uint32_t servers = 8;
  double requests_per_second = 160;
  Duration lasts = seconds(1);  // On average; half of that to one and a half.
  Duration first_token = milliseconds(50);
  Duration length = seconds(60);
  uint64_t seed = 1;
};

// Requests in flight at the busiest server, as a multiple of the mean over all servers.
struct HerdingResult {
  double worst = 0;
  double mean = 0;  // Over time.
};

class HerdingSimulation {
 public:
  explicit HerdingSimulation(const Herding& setting)
      : setting_(setting),
        fleet_(setting.strategy, std::vector<Shape>(setting.servers)),
        draws_(setting.seed),
        in_flight_(setting.servers) {
    for (uint32_t i = 0; i < setting.shards; ++i) {
      shards_.push_back(std::make_unique<ShardRouter>(fleet_, i, setting.seed));
    }
  }

  [[nodiscard]] HerdingResult run() {
    constexpr Duration kWarmUp = seconds(5);
    constexpr Duration kLookEvery = milliseconds(10);
    const MonoTime end = kStart + setting_.length;
    MonoTime next_arrival = kStart;
    MonoTime next_merge = kStart;
    MonoTime next_look = kStart + kWarmUp;
    HerdingResult result;
    uint64_t looks = 0;
    for (MonoTime now = kStart; now < end;) {
      const MonoTime next_event = events_.empty() ? end : std::get<MonoTime>(events_.top());
      now = std::min({next_arrival, next_merge, next_look, next_event});
      if (now == next_event) {
        happen();
      } else if (now == next_merge) {
        next_merge += std::max(setting_.merge_every, Duration{milliseconds(100)});
        if (setting_.merge_every > Duration{0}) merge(now);
      } else if (now == next_look) {
        next_look += kLookEvery;
        result.worst = std::max(result.worst, ratio());
        result.mean += ratio();
        ++looks;
      } else {
        next_arrival += until_next_arrival();
        arrive(now);
      }
    }
    result.mean /= static_cast<double>(looks);
    return result;
  }

 private:
  enum class What : uint8_t { kFirstToken, kEnd };
  // Time, what, shard, server, and how long after the request was sent.
  using Event = std::tuple<MonoTime, What, uint32_t, uint32_t, Duration>;

  [[nodiscard]] double unit() noexcept {
    return static_cast<double>(draws_.next() >> 11) * 0x1p-53;
  }
  [[nodiscard]] Duration around(Duration mean) noexcept {
    return Duration(static_cast<int64_t>(static_cast<double>(mean.count()) * (0.5 + unit())));
  }
  [[nodiscard]] Duration until_next_arrival() noexcept {
    return Duration(
        static_cast<int64_t>(-std::log(1 - unit()) * 1e9 / setting_.requests_per_second));
  }

  void arrive(MonoTime now) {
    if (setting_.merge_every == Duration{0}) merge(now);
    const auto shard = static_cast<uint32_t>(draws_.next() % setting_.shards);
    const uint32_t server =
        shards_[shard]->pick(RouteSet::first_n(setting_.servers), {.now = now, .is_stream = true});
    shards_[shard]->stats(server).begin();
    ++in_flight_[server];
    const Duration first = around(setting_.first_token);
    events_.emplace(now + first, What::kFirstToken, shard, server, first);
    const Duration whole = first + around(setting_.lasts);
    events_.emplace(now + whole, What::kEnd, shard, server, whole);
  }

  void happen() {
    const auto [at, what, shard, server, took] = events_.top();
    events_.pop();
    DeploymentStats& stats = shards_[shard]->stats(server);
    if (what == What::kFirstToken) {
      stats.first_token.note(took, at);
    } else {
      stats.end();
      --in_flight_[server];
    }
  }

  void merge(MonoTime now) {
    for (uint32_t server = 0; server < setting_.servers; ++server) {
      for (uint32_t hearer = 0; hearer < setting_.shards; ++hearer) {
        OthersStats others;
        int64_t known = 0;
        for (uint32_t other = 0; other < setting_.shards; ++other) {
          const DeploymentStats& stats = shards_[other]->stats(server);
          if (other == hearer) continue;
          others.in_flight += stats.in_flight();
          others.first_token += stats.first_token.value();
          known += stats.first_token.is_known() ? 1 : 0;
        }
        if (known > 0) others.first_token /= known;
        shards_[hearer]->stats(server).hear(others, now);
      }
    }
  }

  [[nodiscard]] double ratio() const {
    uint64_t sum = 0;
    for (const uint32_t here : in_flight_) sum += here;
    const double mean = static_cast<double>(sum) / static_cast<double>(in_flight_.size());
    return mean == 0 ? 1 : *std::ranges::max_element(in_flight_) / mean;
  }

  Herding setting_;
  Fleet fleet_;
  support::Prng draws_;
  std::vector<uint32_t> in_flight_;  // By server, of all shards.
  std::vector<std::unique_ptr<ShardRouter>> shards_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace sluice::route
