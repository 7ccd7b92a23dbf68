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
  RedisFaults(uint64_t seed, bool is_hostile, bool is_cluster = false)
      : RedisWorld(options_of(seed, is_hostile)) {
    serve(1).answer = echo;
    if (is_cluster) {
      serve_nodes();
      start({.kind = RedisOptions::Kind::kCluster, .endpoints = {at(2), at(1)}, .seed = seed});
    } else {
      start({.endpoints = {at(1)}, .seed = seed});
    }
  }
  void TestBody() override {}

  // Two nodes that send some keys away, for once or for ever, and change who has which half.
  void serve_nodes() {
    serve(2);
    for (int number : {1, 2}) {
      servers_[static_cast<size_t>(number - 1)]->answer =
          [this, number](const Words& words) -> std::optional<std::string> {
        if (words[0] == "CLUSTER") return slots();
        if (words[0] == "ASKING") return "+OK\r\n";
        if (words[0] != "GET") return std::nullopt;
        const uint64_t chance = world_.random().below(100);
        const std::string other = " 1 " + host(3 - number) + ":6379\r\n";
        if (chance < 10) return "-MOVED" + other;
        if (chance < 20) return "-ASK" + other;
        return bulk(words.at(1));
      };
    }
  }
  std::string slots() {
    const uint64_t first = world_.random().chance(500) ? 1 : 2;
    const auto node = [](uint64_t number) {
      return "*2\r\n" + bulk(host(static_cast<int>(number))) + ":6379\r\n";
    };
    return "*2\r\n*3\r\n:0\r\n:8191\r\n" + node(first) + "*3\r\n:8192\r\n:16383\r\n" +
           node(3 - first);
  }

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
        const bool is_redirection = result && result->is_error();  // One too many.
        if (result && !is_redirection) EXPECT_EQ(result->text, keys[i] + (part == 0 ? "" : "b"));
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

TEST(RedisFaults, clusters_that_redirect_at_random_let_no_call_hang) {
  size_t answered = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    RedisFaults world(seed, seed % 2 == 0, true);
    answered += world.hammer(milliseconds(300)).answered;
  }
  EXPECT_GT(answered, 10'000u);
}

}  // namespace
}  // namespace sluice::store
