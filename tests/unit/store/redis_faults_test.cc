// The client in a world that breaks things: each call ends in time, with its own replies or errors.
#include <algorithm>

#include "redis_world.h"

namespace sluice::store {
namespace {

support::SimOptions options_of(uint64_t seed, bool is_hostile) {
  support::Prng prng(seed);
  return {
      .seed = seed,
      .faults = is_hostile ? support::FaultPlan::hostile(prng) : support::FaultPlan::rough(prng)};
}

class RedisFaults : public RedisWorld {
 public:
  RedisFaults(uint64_t seed, bool is_hostile) : RedisWorld(options_of(seed, is_hostile)) {
    serve(1).answer = echo;
    start({.endpoints = {at(1)}, .seed = seed});
  }
  void TestBody() override {}

  struct Outcome {
    size_t answered = 0;
    size_t failed = 0;
  };

  // Many calls over a second; whatever happens, each ends within `patience` and what turns cost.
  Outcome hammer(Duration patience) {
    constexpr size_t kCalls = 60;
    std::vector<std::optional<Results>> results(kCalls);
    std::vector<std::string> keys;
    for (size_t i = 0; i < kCalls; ++i) keys.push_back("k" + std::to_string(i));
    for (size_t i = 0; i < kCalls; ++i) {
      begin({get(keys[i]), get(keys[i] + "b")}, &results[i], patience);
      EXPECT_TRUE(run_for(microseconds(world_.random().below(30'000))));
    }
    EXPECT_TRUE(run_for(patience + milliseconds(50)));
    Outcome outcome;
    for (size_t i = 0; i < kCalls; ++i) {
      EXPECT_TRUE(results[i].has_value()) << "call " << i << " did not end";
      if (!results[i]) continue;
      for (size_t part = 0; part < 2; ++part) {
        const auto& result = results[i]->at(part);
        ++(result ? outcome.answered : outcome.failed);
        if (result) EXPECT_EQ(result->text, keys[i] + (part == 0 ? "" : "b"));
      }
    }
    EXPECT_TRUE(end_now());
    EXPECT_EQ(ring_.figures().stale, 0u);
    return outcome;
  }
};

TEST(RedisFaults, rough_worlds_change_no_reply) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    RedisFaults world(seed, false);
    const RedisFaults::Outcome outcome = world.hammer(seconds(10));
    EXPECT_EQ(outcome.answered, 120u);
  }
}

TEST(RedisFaults, hostile_worlds_let_no_call_hang_and_mix_no_replies) {
  size_t answered = 0;
  size_t failed = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    RedisFaults world(seed, true);
    const RedisFaults::Outcome outcome = world.hammer(milliseconds(100));
    answered += outcome.answered;
    failed += outcome.failed;
  }
  // Both happen, or the worlds show nothing.
  EXPECT_GT(answered, 3000u);
  EXPECT_GT(failed, 300u);
}

}  // namespace
}  // namespace sluice::store
