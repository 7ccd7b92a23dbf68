#include <sluice/limit/rate_limiter.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../../support/allocations.h"

namespace sluice::limit {
namespace {

using config::LimitMeasure;
using Verdict = Decision::Verdict;

// A gateway of some shards with one key, tenant and model; limits are added by tests.
class RateLimiterTest : public testing::Test {
 protected:
  RateLimiterTest() {
    config_.tenants = {{.name = "default"}, {.name = "org"}, {.name = "team"}};
    config_.tenants[2].parent = TenantId{1};
    config_.keys.resize(1);
    config_.keys[0].name = "k";
    config_.keys[0].tenant = TenantId{2};
    config_.models.resize(2);
    config_.models[0].name = "m";
    config_.models[1].name = "n";
    config_.upstreams.resize(1);
    config_.upstreams[0].name = "u";
  }

  LimitId add(LimitMeasure measure, uint64_t most, Duration length = seconds(60)) {
    const LimitId id{static_cast<uint32_t>(config_.limit_rules.size())};
    config_.limit_rules.push_back({.name = "rule" + std::to_string(id.value),
                                   .measure = measure,
                                   .most = most,
                                   .length = length});
    if (measure == LimitMeasure::kConcurrency) {
      config_.limit_rules.back().window = config::LimitWindow::kNone;
    }
    return id;
  }
  void start(uint32_t shards = 1, uint32_t subjects_max = 1024) {
    banks_ = std::move(*BankTable::make(
        {.subjects_max = subjects_max, .now = now_, .wall = {1'700'000'000'000'000}}));
    for (uint32_t i = 0; i < shards; ++i) {
      shards_.push_back(std::make_unique<Shard>(*banks_, ShardId{i}, shards, config_));
    }
  }
  Decision admit(Reservation& reservation, const Demand& demand = {}, size_t shard = 0,
                 ModelId model = ModelId{0}) {
    const Party party{KeyId{0}, TenantId{2}, model};
    return shards_[shard]->limiter.admit(shards_[shard]->subjects, party, demand, now_,
                                         reservation);
  }
  // Requests that are admitted, each settled at once, until one is refused.
  uint64_t admit_all(size_t shard = 0) {
    for (uint64_t count = 0;; ++count) {
      Reservation reservation;
      if (admit(reservation, {}, shard).verdict != Verdict::kGranted) return count;
      shards_[shard]->limiter.settle(reservation, {}, now_);
    }
  }

  struct Shard {
    Shard(BankTable& banks, ShardId id, uint32_t count, const config::Snapshot& config)
        : subjects(config), limiter(banks, id, count) {}
    SubjectTable subjects;
    RateLimiter limiter;
  };

  MonoTime now_{seconds(100)};
  config::Snapshot config_;
  std::unique_ptr<BankTable> banks_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

TEST_F(RateLimiterTest, D013_a_key_gets_its_requests_and_then_is_told_how_long_to_wait) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 100)};
  start();
  EXPECT_EQ(admit_all(), 100u);
  Reservation reservation;
  const Decision refused = admit(reservation);
  EXPECT_EQ(refused.verdict, Verdict::kRefused);
  EXPECT_EQ(refused.rule, &config_.limit_rules[0]);
  EXPECT_GT(refused.retry_after, seconds(60));
  EXPECT_LT(refused.retry_after, seconds(62));
  EXPECT_EQ(refused.view.most, 100);
  EXPECT_EQ(refused.view.remaining, 0);
  EXPECT_TRUE(reservation.is_empty());
  now_ += refused.retry_after;
  EXPECT_EQ(admit_all(), 100u);
}

TEST_F(RateLimiterTest, D138_no_minute_sees_more_and_the_last_shard_finds_what_others_left) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 1000)};
  start(4);
  uint64_t sum = 0;
  for (size_t shard = 0; shard < 4; ++shard) {
    for (int i = 0; i < 20; ++i) {
      Reservation reservation;
      sum += admit(reservation, {}, shard).verdict == Verdict::kGranted ? 1 : 0;
      shards_[shard]->limiter.settle(reservation, {}, now_);
    }
  }
  sum += admit_all(0);
  EXPECT_LE(sum, 1000u);
  EXPECT_GE(sum, 980u) << "what lies in the leases of the others is less than 2 %";
  // What they do not use comes back.
  for (auto& shard : shards_) {
    shard->limiter.sweep(now_);
    shard->limiter.sweep(now_);
  }
  EXPECT_EQ(sum + admit_all(0), 1000u);
}

TEST_F(RateLimiterTest, small_limits_are_exact_at_once) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 10)};
  start(16);
  uint64_t sum = 0;
  for (size_t shard = 0; shard < 16; ++shard) {
    Reservation reservation;
    sum += admit(reservation, {}, shard).verdict == Verdict::kGranted ? 1 : 0;
    shards_[shard]->limiter.settle(reservation, {}, now_);
  }
  EXPECT_EQ(sum, 10u);
}

TEST_F(RateLimiterTest, D102_a_denied_request_is_charged_nowhere) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 100)};
  config_.tenants[1].limits = {add(LimitMeasure::kRequests, 5)};
  start();
  EXPECT_EQ(admit_all(), 5u);
  for (int i = 0; i < 1000; ++i) {
    Reservation reservation;
    EXPECT_EQ(admit(reservation).rule, &config_.limit_rules[1]);
  }
  // Only the five.
  config::Snapshot& config = config_;
  config.tenants[1].limits.clear();
  shards_[0] = std::make_unique<Shard>(*banks_, ShardId{0}, 1, config_);
  EXPECT_EQ(admit_all(), 95u);
}

TEST_F(RateLimiterTest, D102_as_many_limits_as_may_match_are_all_charged_and_all_given_back) {
  for (uint32_t count = 1; count <= config::kMatchingLimitsMost; ++count) {
    config_.limit_rules.clear();
    config_.keys[0].limits.clear();
    shards_.clear();
    // Each one but the last has more room than it, so that none is missed.
    for (uint32_t i = 0; i < count; ++i) {
      config_.keys[0].limits.push_back(add(LimitMeasure::kRequests, 10 + count - i));
    }
    start();
    for (int i = 0; i < 100; ++i) {
      Reservation dropped;
      ASSERT_EQ(admit(dropped).verdict, Verdict::kGranted) << count;
    }
    EXPECT_EQ(admit_all(), 11u) << count;
    Reservation refused;
    EXPECT_EQ(admit(refused).rule, &config_.limit_rules.back()) << count;
    // What each was charged is what the last one let in.
    for (uint32_t left = count; left > 1; --left) {
      config_.keys[0].limits.pop_back();
      shards_[0] = std::make_unique<Shard>(*banks_, ShardId{0}, 1, config_);
      EXPECT_EQ(admit_all(), 1u) << left - 1 << " of " << count;
    }
  }
}

TEST_F(RateLimiterTest, D102_a_request_that_too_many_limits_match_is_charged_by_none) {
  config_.tenants[1].limits = {add(LimitMeasure::kRequests, 10)};
  for (uint32_t i = 0; i < config::kMatchingLimitsMost; ++i) {
    config_.keys[0].limits.push_back(add(LimitMeasure::kRequests, 10));
  }
  start();
  for (int i = 0; i < 100; ++i) {
    Reservation reservation;
    ASSERT_EQ(admit(reservation).verdict, Verdict::kNoRoom);
    EXPECT_TRUE(reservation.is_empty());
  }
  config_.keys[0].limits.pop_back();
  shards_[0] = std::make_unique<Shard>(*banks_, ShardId{0}, 1, config_);
  EXPECT_EQ(admit_all(), 10u);
}

TEST_F(RateLimiterTest, D046_a_request_is_charged_once_by_each_limit_of_each_layer) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 50)};
  config_.tenants[1].limits = {add(LimitMeasure::kRequests, 50)};
  config_.tenants[2].limits = {add(LimitMeasure::kRequests, 50)};
  config_.models[0].limits = {add(LimitMeasure::kRequests, 50)};
  config_.gateway_limits = {add(LimitMeasure::kRequests, 50)};
  config_.upstreams[0].limits = {add(LimitMeasure::kRequests, 50)};
  start();
  for (int i = 0; i < 50; ++i) {
    Reservation reservation;
    Reservation upstream;
    Shard& shard = *shards_[0];
    ASSERT_EQ(admit(reservation).verdict, Verdict::kGranted) << i;
    ASSERT_EQ(
        shard.limiter.admit_upstream(shard.subjects, UpstreamId{0}, {}, now_, upstream).verdict,
        Verdict::kGranted);
    shard.limiter.settle(reservation, {}, now_);
    shard.limiter.settle(upstream, {}, now_);
  }
  Reservation reservation;
  EXPECT_EQ(admit(reservation).verdict, Verdict::kRefused);
}

TEST_F(RateLimiterTest, D100_tokens_are_set_aside_and_corrected) {
  config_.keys[0].limits = {add(LimitMeasure::kTokens, 1000)};
  start();
  const Demand demand{.input_tokens = 100, .output_tokens = {400, 50, 0}};
  Reservation first;
  Reservation second;
  Reservation third;
  EXPECT_EQ(admit(first, demand).verdict, Verdict::kGranted);
  EXPECT_EQ(admit(second, demand).verdict, Verdict::kGranted);
  EXPECT_EQ(admit(third, demand).verdict, Verdict::kRefused);
  // The first used 120 of its 500.
  RateLimiter& limiter = shards_[0]->limiter;
  limiter.settle(first, {.input_tokens = 90, .output_tokens = 30}, now_);
  EXPECT_EQ(limiter.views(second, now_).tokens->remaining, 380);
  // The second used more than it had set aside: the rest is owed.
  limiter.settle(second, {.input_tokens = 100, .output_tokens = 900}, now_);
  EXPECT_EQ(admit(third, {.input_tokens = 1}).verdict, Verdict::kRefused);
  EXPECT_EQ(banks_->find(key_of(config_.limit_rules[0], "k"))->used(banks_->clock().at(now_)),
            1120);
}

TEST_F(RateLimiterTest, what_a_long_stream_uses_is_counted_while_it_runs) {
  const LimitId id = add(LimitMeasure::kOutputTokens, 100);
  config_.limit_rules[0].reserve = config::Reserve::kNone;
  config_.limit_rules[0].stops_streams = true;
  config_.keys[0].limits = {id};
  start();
  RateLimiter& limiter = shards_[0]->limiter;
  Reservation stream;
  ASSERT_EQ(admit(stream, {.input_tokens = 5}).verdict, Verdict::kGranted);
  EXPECT_FALSE(limiter.advance(stream, {.output_tokens = 60}, now_));
  EXPECT_FALSE(limiter.advance(stream, {.output_tokens = 100}, now_));
  Reservation other;
  EXPECT_EQ(admit(other, {.input_tokens = 5}).verdict, Verdict::kRefused);
  EXPECT_TRUE(limiter.advance(stream, {.output_tokens = 110}, now_));
  limiter.settle(stream, {.output_tokens = 110}, now_);
  EXPECT_EQ(banks_->find(key_of(config_.limit_rules[0], "k"))->used(banks_->clock().at(now_)), 110);
}

TEST_F(RateLimiterTest, places_in_flight_come_back_whichever_way_a_request_ends) {
  config_.keys[0].limits = {add(LimitMeasure::kConcurrency, 2)};
  start(2);
  Reservation third;
  {
    Reservation first;
    Reservation second;
    EXPECT_EQ(admit(first, {}, 0).verdict, Verdict::kGranted);
    EXPECT_EQ(admit(second, {}, 1).verdict, Verdict::kGranted);
    EXPECT_EQ(admit(third, {}, 0).verdict, Verdict::kRefused);
    shards_[0]->limiter.settle(first, {}, now_);
    EXPECT_EQ(admit(third, {}, 0).verdict, Verdict::kGranted);
  }
  Reservation fourth;
  EXPECT_EQ(admit(fourth, {}, 1).verdict, Verdict::kGranted);
}

TEST_F(RateLimiterTest, a_rule_without_force_only_tells) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 3)};
  config_.limit_rules[0].enforce = false;
  start();
  for (int i = 0; i < 10; ++i) {
    Reservation reservation;
    const Decision decision = admit(reservation);
    EXPECT_EQ(decision.verdict, Verdict::kGranted);
    EXPECT_EQ(decision.dry, i < 3 ? nullptr : &config_.limit_rules[0]);
    shards_[0]->limiter.settle(reservation, {}, now_);
  }
}

TEST_F(RateLimiterTest, a_key_s_use_of_each_model_counts_alone) {
  config_.keys[0].model_limits = {{ModelId{}, add(LimitMeasure::kRequests, 2)},
                                  {ModelId{1}, add(LimitMeasure::kRequests, 1)}};
  start();
  Reservation held[4];
  EXPECT_EQ(admit(held[0]).verdict, Verdict::kGranted);
  EXPECT_EQ(admit(held[1]).verdict, Verdict::kGranted);
  EXPECT_EQ(admit(held[2]).verdict, Verdict::kRefused);
  EXPECT_EQ(admit(held[2], {}, 0, ModelId{1}).verdict, Verdict::kGranted);
  EXPECT_EQ(admit(held[3], {}, 0, ModelId{1}).rule, &config_.limit_rules[1]);
}

TEST_F(RateLimiterTest, more_than_the_whole_limit_is_told_apart) {
  config_.keys[0].limits = {add(LimitMeasure::kTokens, 100)};
  start();
  Reservation reservation;
  const Decision decision = admit(reservation, {.input_tokens = 101});
  EXPECT_EQ(decision.verdict, Verdict::kRefused);
  EXPECT_TRUE(decision.is_too_large);
}

TEST_F(RateLimiterTest, asks_the_ledger_before_it_refuses) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 100)};
  start();
  banks_->set_ledger(BankTable::Ledger::kUp, 2);
  Reservation reservation;
  EXPECT_EQ(admit(reservation).verdict, Verdict::kAskLedger);
  EXPECT_EQ(banks_->take_asking()[0], 1u);
  Bank& bank = *banks_->find(key_of(config_.limit_rules[0], "k"));
  EXPECT_EQ(bank.take_asked(), 1);
  const LimitTime now = banks_->clock().at(now_);
  (void)bank.add_credit(10, now + milliseconds(500));
  EXPECT_EQ(admit_all(), 10u);
  // It has said that there is nothing for a while.
  bank.close_until(now + milliseconds(20));
  EXPECT_EQ(admit(reservation).verdict, Verdict::kRefused);
}

TEST_F(RateLimiterTest, D139_a_table_that_is_full_refuses_new_keys_but_no_new_address) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 100)};
  config_.ip_limits = {add(LimitMeasure::kRequests, 100)};
  config_.limit_rules[1].scope = config::LimitScope::kIp;
  start(1, 16);
  RateLimiter& limiter = shards_[0]->limiter;
  AddressBytes address{0x20, 0x01};
  for (int i = 0; i < 200; ++i) {
    address[4] = static_cast<uint8_t>(i);
    Reservation reservation;
    EXPECT_EQ(limiter.admit_address(config_, address, now_, reservation).verdict,
              Verdict::kGranted);
    limiter.settle(reservation, {}, now_);
  }
  Reservation reservation;
  EXPECT_EQ(admit(reservation).verdict, Verdict::kNoRoom);
}

TEST_F(RateLimiterTest, D098_idle_subjects_leave_nothing_behind) {
  config_.ip_limits = {add(LimitMeasure::kRequests, 100)};
  config_.limit_rules[0].scope = config::LimitScope::kIp;
  start();
  RateLimiter& limiter = shards_[0]->limiter;
  for (uint8_t i = 0; i < 200; ++i) {
    Reservation reservation;
    (void)limiter.admit_address(config_, AddressBytes{0x20, 0x01, i}, now_, reservation);
  }
  EXPECT_EQ(banks_->in_use(), 200u);
  limiter.sweep(now_);
  limiter.sweep(now_);
  EXPECT_FALSE(limiter.has_leases());
  banks_->sweep(banks_->size(), banks_->clock().at(now_));
  EXPECT_EQ(banks_->in_use(), 0u) << "all was given back";
}

TEST_F(RateLimiterTest, a_warm_request_allocates_nothing) {
  config_.keys[0].limits = {add(LimitMeasure::kRequests, 1'000'000),
                            add(LimitMeasure::kTokens, 1'000'000)};
  config_.models[0].limits = {add(LimitMeasure::kConcurrency, 10)};
  start();
  const auto run = [&] {
    Reservation reservation;
    ASSERT_EQ(admit(reservation, {.input_tokens = 10}).verdict, Verdict::kGranted);
    shards_[0]->limiter.settle(reservation, {.input_tokens = 9}, now_);
  };
  run();
  const uint64_t before = support::allocations;
  for (int i = 0; i < 100; ++i) run();
  EXPECT_EQ(support::allocations, before);
}

}  // namespace
}  // namespace sluice::limit
