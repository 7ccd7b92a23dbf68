#include <sluice/resilience/deployment_health.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

#include "attempts.h"

namespace sluice::resilience {
namespace {

constexpr Judgement judgement_of(Verdict verdict, Duration cooldown = Duration(0)) {
  return {.verdict = verdict, .cooldown = cooldown};
}

// The same rules written down plainly: every result is kept, nothing is counted ahead.
class PlainHealth {
 public:
  explicit PlainHealth(const config::BreakerSettings& settings) : settings_(settings) {}

  void record(const Judgement& judgement, bool was_probe, MonoTime now, MonoTime began_at) {
    const bool failed = judgement.verdict == Verdict::kFailure;
    if (judgement.verdict == Verdict::kNothing) return;
    if (judgement.verdict != Verdict::kOverloaded) {
      if (state == BreakerState::kClosed) {
        if (began_at >= changed_at) note(failed, now);
      } else if (was_probe && began_at >= open_until) {
        probes_passed_ = failed ? 0 : probes_passed_ + 1;
        if (failed)
          open(now);
        else if (probes_passed_ == settings_.successes)
          close(now);
        else
          state = BreakerState::kHalfOpen;
      }
    }
    if (judgement.cooldown > Duration(0) && now + judgement.cooldown > rests_until) {
      rests_until = now + judgement.cooldown;
    }
    if (judgement.verdict == Verdict::kSuccess && was_probe && began_at >= rests_until) {
      rests_until = MonoTime::min();
    }
  }

  [[nodiscard]] Admits admits(MonoTime now) const {
    if (rests_until > now) return Admits::kNo;
    if (state != BreakerState::kClosed && open_until > now) return Admits::kNo;
    const bool is_clean = state == BreakerState::kClosed && rests_until == MonoTime::min();
    return is_clean ? Admits::kYes : Admits::kProbe;
  }

  BreakerState state = BreakerState::kClosed;
  MonoTime changed_at = MonoTime::min();
  MonoTime open_until = MonoTime::min();
  MonoTime rests_until = MonoTime::min();

 private:
  struct Result {
    int64_t bucket;
    bool failed;
  };

  void note(bool failed, MonoTime now) {
    const Duration width = settings_.window / 10;
    const int64_t bucket = now.time_since_epoch() / width;
    results_.push_back({bucket, failed});
    while (bucket - results_.front().bucket >= 10) results_.pop_front();
    row_ = failed ? row_ + 1 : 0;
    const auto failures = std::ranges::count_if(results_, &Result::failed);
    const auto requests = static_cast<double>(results_.size());
    const bool by_ratio = results_.size() >= settings_.requests_min &&
                          static_cast<double>(failures) >= settings_.failure_ratio * requests;
    if (failed && (row_ >= settings_.consecutive || by_ratio)) open(now);
  }

  void open(MonoTime now) {
    turn(BreakerState::kOpen, now);
    open_until = now + settings_.open_for;
  }
  void close(MonoTime now) {
    turn(BreakerState::kClosed, now);
    open_until = MonoTime::min();
  }
  void turn(BreakerState to, MonoTime now) {
    state = to;
    changed_at = now;
    results_.clear();
    row_ = 0;
    probes_passed_ = 0;
  }

  config::BreakerSettings settings_;
  std::deque<Result> results_;
  uint32_t row_ = 0;
  uint32_t probes_passed_ = 0;
};

struct Attempt {
  MonoTime ends_at;
  MonoTime began_at;
  bool is_probe;
};

Verdict draw_verdict(std::mt19937_64& random, uint32_t failing_percent) {
  const uint64_t draw = random() % 100;
  if (draw < failing_percent) return Verdict::kFailure;
  if (draw < failing_percent + 2) return Verdict::kOverloaded;
  return random() % 10 == 0 ? Verdict::kNothing : Verdict::kSuccess;
}

Duration draw_time(std::mt19937_64& random) {
  return random() % 20 == 0 ? milliseconds(random() % 30'000) : milliseconds(random() % 500);
}

config::BreakerSettings draw_settings(std::mt19937_64& random) {
  return {.failure_ratio = 0.2 + 0.1 * static_cast<double>(random() % 7),
          .requests_min = static_cast<uint32_t>(1 + random() % 30),
          .window = seconds(1 + random() % 30),
          .consecutive = static_cast<uint32_t>(1 + random() % 8),
          .open_for = milliseconds(100 + random() % 10'000),
          .probes = static_cast<uint32_t>(1 + random() % 3),
          .successes = static_cast<uint32_t>(1 + random() % 3)};
}

TEST(DeploymentHealthModel, agrees_with_the_rules_written_down_plainly) {
  uint64_t openings = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const config::BreakerSettings settings = draw_settings(random);
    DeploymentHealth health(settings);
    PlainHealth plain(settings);
    std::vector<Attempt> running;
    MonoTime now = at(seconds(0));
    for (int step = 0; step < 5000; ++step) {
      now += milliseconds(1 + random() % 60);
      ASSERT_EQ(health.admits(now), plain.admits(now)) << "seed " << seed << " step " << step;
      if (health.admits(now) != Admits::kNo && running.size() < 50) {
        running.push_back({now + draw_time(random), now, health.admits(now) == Admits::kProbe});
      }
      const uint32_t failing_percent = (step / 500) % 2 == 0 ? 5 : 70;
      std::erase_if(running, [&](const Attempt& attempt) {
        if (attempt.ends_at > now) return false;
        const Verdict verdict = draw_verdict(random, failing_percent);
        const bool rests = verdict == Verdict::kOverloaded || verdict == Verdict::kFailure;
        const bool asks = rests && random() % 10 == 0;
        const Judgement judgement =
            judgement_of(verdict, asks ? milliseconds(random() % 5000) : milliseconds(0));
        health.record(judgement, attempt.is_probe, now, attempt.began_at);
        plain.record(judgement, attempt.is_probe, now, attempt.began_at);
        return true;
      });
      ASSERT_EQ(health.breaker().state, plain.state) << "seed " << seed << " step " << step;
      ASSERT_EQ(health.breaker().open_until, plain.open_until) << "seed " << seed;
      ASSERT_EQ(health.cooldown().until, plain.rests_until) << "seed " << seed;
      openings += health.breaker().at == now && plain.state == BreakerState::kOpen ? 1 : 0;
    }
  }
  EXPECT_GT(openings, 100u);
}

// Several shards and the news that travel between them: late, twice, out of order, lost.
class Shards {
 public:
  Shards(uint64_t seed, uint32_t count)
      : random_(seed), settings_(draw_settings(random_)), shards_(count, Shard(settings_)) {}

  void step() {
    now_ += milliseconds(1 + random_() % 30);
    for (Shard& shard : shards_) begin_attempts(shard);
    for (Shard& shard : shards_) end_attempts(shard);
    if (now_ >= merges_at_) {
      merge();
      merges_at_ = now_ + milliseconds(100);
    }
    deliver();
  }

  // No more attempts, and at last news that arrive everywhere.
  void come_to_rest() {
    letters_.clear();
    merge();
    for (Shard& shard : shards_) shard.health.apply(merged_, now_);
  }

  void expect_agreement() const {
    for (const Shard& shard : shards_) {
      EXPECT_EQ(shard.health.breaker(), merged_.breaker);
      EXPECT_EQ(shard.health.cooldown(), merged_.cooldown);
      EXPECT_EQ(shard.health.admits(now_), shards_[0].health.admits(now_));
      EXPECT_EQ(shard.health.usable_at(now_), shards_[0].health.usable_at(now_));
    }
    // The later change has won: none that ever happened is later.
    EXPECT_EQ(later_of(latest_breaker_, merged_.breaker), merged_.breaker);
    EXPECT_EQ(later_of(latest_cooldown_, merged_.cooldown), merged_.cooldown);
  }

  [[nodiscard]] uint64_t changes() const { return changes_; }

 private:
  struct Shard {
    explicit Shard(const config::BreakerSettings& settings) : health(settings) {}
    DeploymentHealth health;
    std::vector<Attempt> running;
  };
  struct Letter {
    MonoTime arrives_at;
    size_t shard;
    HealthNews news;
  };

  void begin_attempts(Shard& shard) {
    const Admits admits = shard.health.admits(now_);
    if (admits == Admits::kNo || shard.running.size() >= 30) return;
    const bool is_probe = admits == Admits::kProbe;
    if (is_probe && probes_ >= settings_.probes) return;
    probes_ += is_probe ? 1 : 0;
    shard.running.push_back({now_ + draw_time(random_), now_, is_probe});
  }

  void end_attempts(Shard& shard) {
    std::erase_if(shard.running, [&](const Attempt& attempt) {
      if (attempt.ends_at > now_) return false;
      probes_ -= attempt.is_probe ? 1 : 0;
      end_attempt(shard, attempt);
      return true;
    });
  }

  void end_attempt(Shard& shard, const Attempt& attempt) {
    const bool is_bad_time = now_.time_since_epoch() / seconds(20) % 2 == 1;
    const Verdict verdict = draw_verdict(random_, is_bad_time ? 70 : 3);
    const bool rests = verdict == Verdict::kOverloaded;
    const BreakerChange before = shard.health.breaker();
    shard.health.record(
        judgement_of(verdict, rests ? milliseconds(random_() % 3000) : milliseconds(0)),
        attempt.is_probe, now_, attempt.began_at);
    const BreakerChange& after = shard.health.breaker();
    if (after != before) {
      ++changes_;
      // Nothing that began before the state it would change is heard.
      EXPECT_GE(attempt.began_at, before.at);
      EXPECT_EQ(attempt.is_probe || before.state == BreakerState::kClosed, true);
      if (before.state != BreakerState::kClosed) EXPECT_GE(attempt.began_at, before.open_until);
      EXPECT_EQ(later_of(before, after), after);
    }
    latest_breaker_ = later_of(latest_breaker_, after);
    latest_cooldown_ = later_of(latest_cooldown_, shard.health.cooldown());
  }

  void merge() {
    for (const Shard& shard : shards_) {
      merged_.breaker = later_of(merged_.breaker, shard.health.breaker());
      merged_.cooldown = later_of(merged_.cooldown, shard.health.cooldown());
    }
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (uint64_t copies = random_() % 3; copies > 0; --copies) {
        letters_.push_back({now_ + milliseconds(random_() % 400), i, merged_});
      }
    }
  }

  void deliver() {
    std::ranges::shuffle(letters_, random_);
    std::erase_if(letters_, [&](const Letter& letter) {
      if (letter.arrives_at > now_) return false;
      shards_[letter.shard].health.apply(letter.news, now_);
      return true;
    });
  }

  std::mt19937_64 random_;
  config::BreakerSettings settings_;
  std::vector<Shard> shards_;
  std::vector<Letter> letters_;
  HealthNews merged_;
  BreakerChange latest_breaker_;
  CooldownChange latest_cooldown_;
  MonoTime now_ = at(seconds(0));
  MonoTime merges_at_ = now_;
  uint32_t probes_ = 0;
  uint64_t changes_ = 0;
};

TEST(DeploymentHealthModel, d032_d034_shards_agree_on_the_later_change) {
  uint64_t changes = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Shards shards(seed, 2 + seed % 4);
    for (int step = 0; step < 4000; ++step) shards.step();
    shards.come_to_rest();
    shards.expect_agreement();
    changes += shards.changes();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(changes, 500u);
}

BreakerChange draw_breaker(std::mt19937_64& random) {
  return {.at = at(seconds(random() % 3)),
          .state = static_cast<BreakerState>(random() % 3),
          .open_until = at(seconds(random() % 3))};
}

TEST(LaterOf, does_not_depend_on_order_or_repetition) {
  constexpr uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    const BreakerChange a = draw_breaker(random);
    const BreakerChange b = draw_breaker(random);
    const BreakerChange c = draw_breaker(random);
    ASSERT_EQ(later_of(a, b), later_of(b, a)) << "seed " << kSeed;
    ASSERT_EQ(later_of(later_of(a, b), c), later_of(a, later_of(b, c))) << "seed " << kSeed;
    ASSERT_EQ(later_of(a, a), a);
    const CooldownChange d{.at = a.at, .until = a.open_until};
    const CooldownChange e{.at = b.at, .until = b.open_until};
    ASSERT_EQ(later_of(d, e), later_of(e, d)) << "seed " << kSeed;
  }
}

// A thousand requests wait on four shards for one deployment; who finds it resting comes again.
struct Rush {
  uint32_t calls_before_success = 0;
  uint32_t served = 0;
};

Rush run_rush(uint64_t seed, const config::BreakerSettings& settings, const HealthNews& trouble,
              uint32_t failing_probes) {
  constexpr uint32_t kShards = 4;
  std::mt19937_64 random(seed);
  std::vector<DeploymentHealth> shards(kShards, DeploymentHealth(settings));
  MonoTime now = at(seconds(0));
  for (DeploymentHealth& shard : shards) shard.apply(trouble, now);
  std::vector<uint32_t> waiting(kShards, 250);
  std::vector<std::pair<uint32_t, Attempt>> running;
  HealthNews merged = trouble;
  uint32_t probes = 0;
  uint32_t ended = 0;
  Rush rush;
  for (int turn = 0; turn < 60'000 && rush.served < 1000; ++turn, now += milliseconds(1)) {
    for (uint32_t i = 0; i < kShards; ++i) {
      while (waiting[i] > 0 && shards[i].admits(now) != Admits::kNo) {
        const bool is_probe = shards[i].admits(now) == Admits::kProbe;
        if (is_probe && probes == settings.probes) break;
        probes += is_probe ? 1 : 0;
        --waiting[i];
        running.push_back({i, {now + milliseconds(20 + random() % 100), now, is_probe}});
        if (ended <= failing_probes) ++rush.calls_before_success;
      }
    }
    std::erase_if(running, [&](const auto& item) {
      const auto& [i, attempt] = item;
      if (attempt.ends_at > now) return false;
      probes -= attempt.is_probe ? 1 : 0;
      const bool fails = ++ended <= failing_probes;
      shards[i].record(judgement_of(fails ? Verdict::kFailure : Verdict::kSuccess),
                       attempt.is_probe, now, attempt.began_at);
      waiting[i] += fails ? 1 : 0;
      rush.served += fails ? 0 : 1;
      return true;
    });
    if (turn % 100 != 0) continue;
    for (const DeploymentHealth& shard : shards) {
      merged.breaker = later_of(merged.breaker, shard.breaker());
      merged.cooldown = later_of(merged.cooldown, shard.cooldown());
    }
    for (DeploymentHealth& shard : shards) shard.apply(merged, now);
  }
  return rush;
}

TEST(DeploymentHealthModel, d033_a_thousand_waiting_make_a_bounded_number_of_probes) {
  const MonoTime soon = at(seconds(2));
  const HealthNews open{
      .breaker = {.at = at(seconds(0)), .state = BreakerState::kOpen, .open_until = soon}};
  const HealthNews resting{.cooldown = {.at = at(seconds(0)), .until = soon}};
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const uint32_t probes : {1u, 2u, 3u}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " probes " << probes);
      const config::BreakerSettings settings{.open_for = seconds(2), .probes = probes};
      for (const HealthNews& trouble : {open, resting}) {
        const Rush rush = run_rush(seed, settings, trouble, 0);
        EXPECT_LE(rush.calls_before_success, probes);
        EXPECT_EQ(rush.served, 1000u);
      }
      // Each probe that fails lets one other through at most, beside those under way.
      const Rush rush = run_rush(seed, settings, open, 4);
      EXPECT_LE(rush.calls_before_success, 4 + probes);
      EXPECT_EQ(rush.served, 1000u);
    }
  }
}

}  // namespace
}  // namespace sluice::resilience
