#include <sluice/limit/wait_queue.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../support/counted_new.h"
#include "../../support/prng.h"

namespace sluice::limit {
namespace {

constexpr TenantId kA{0};
constexpr TenantId kB{1};
constexpr TenantId kC{2};

// Requests that live as long as the test.
class Requests {
 public:
  Waiting& make(TenantId tenant, uint64_t tokens = 100, uint32_t weight = 1,
                uint32_t priority = 0) {
    Waiting& made = *all_.emplace_back(std::make_unique<Waiting>());
    made.tenant = tenant;
    made.tokens = tokens;
    made.weight = weight;
    made.priority = priority;
    made.since = MonoTime(seconds(static_cast<int64_t>(all_.size())));
    return made;
  }

 private:
  std::vector<std::unique_ptr<Waiting>> all_;
};

std::vector<Waiting*> take_all(WaitQueue& queue) {
  std::vector<Waiting*> taken;
  while (Waiting* next = queue.take_next()) taken.push_back(next);
  return taken;
}

TEST(WaitQueue, an_empty_one_gives_nothing) {
  WaitQueue queue;
  EXPECT_EQ(queue.take_next(), nullptr);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.oldest(), MonoTime::max());
}

TEST(WaitQueue, within_a_tenant_the_first_come_is_first) {
  Requests requests;
  WaitQueue queue;
  std::vector<Waiting*> added;
  for (uint64_t tokens : {900, 1, 50, 0}) added.push_back(&requests.make(kA, tokens));
  for (Waiting* one : added) queue.add(*one);
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_EQ(queue.oldest(), added[0]->since);
  EXPECT_EQ(take_all(queue), added);
}

TEST(WaitQueue, a_higher_priority_always_goes_first) {
  Requests requests;
  WaitQueue queue;
  Waiting& low = requests.make(kA, 1, 1000, 0);
  Waiting& middle = requests.make(kB, 1, 1000, 1);
  Waiting& high = requests.make(kC, 1'000'000, 1, 255);
  Waiting& high_again = requests.make(kC, 1'000'000, 1, 255);
  for (Waiting* one : {&low, &middle, &high, &high_again}) queue.add(*one);
  EXPECT_EQ(take_all(queue), (std::vector{&high, &high_again, &middle, &low}));
}

// Keeps every tenant waiting, the flooding one with very many, and counts the tokens given.
std::array<double, 3> shares_of(std::array<uint64_t, 3> tokens, std::array<uint32_t, 3> lengths) {
  constexpr std::array<uint32_t, 3> kWeights = {1, 2, 4};
  Requests requests;
  WaitQueue queue;
  for (uint32_t tenant = 0; tenant < 3; ++tenant) {
    for (uint32_t i = 0; i < lengths[tenant]; ++i) {
      queue.add(requests.make(TenantId{tenant}, tokens[tenant], kWeights[tenant]));
    }
  }
  std::array<double, 3> given{};
  double sum = 0;
  for (int turn = 0; turn < 70'000; ++turn) {
    Waiting* const next = queue.take_next();
    given[next->tenant.value] += static_cast<double>(next->tokens);
    sum += static_cast<double>(next->tokens);
    queue.add(*next);
  }
  for (double& share : given) share /= sum;
  return given;
}

TEST(WaitQueue, tenants_of_weights_1_2_4_get_such_shares_of_tokens_while_one_floods) {
  // Equal requests; then the flooding tenant's are small, then large.
  for (const std::array<uint64_t, 3> tokens :
       {std::array<uint64_t, 3>{100, 100, 100}, {7, 100, 900}, {5'000, 300, 40}}) {
    const std::array<double, 3> shares = shares_of(tokens, {1'000, 3, 3});
    EXPECT_NEAR(shares[0], 1.0 / 7, 0.02) << tokens[0];
    EXPECT_NEAR(shares[1], 2.0 / 7, 0.02) << tokens[0];
    EXPECT_NEAR(shares[2], 4.0 / 7, 0.02) << tokens[0];
  }
}

TEST(WaitQueue, one_request_does_not_wait_behind_a_flood) {
  Requests requests;
  WaitQueue queue;
  for (int i = 0; i < 1'000; ++i) queue.add(requests.make(kA));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(queue.take_next()->tenant, kA);
  Waiting& late = requests.make(kB);
  queue.add(late);
  const Waiting* const first = queue.take_next();
  const Waiting* const second = queue.take_next();
  EXPECT_TRUE(first == &late || second == &late);
}

TEST(WaitQueue, who_was_away_has_no_credit) {
  Requests requests;
  WaitQueue queue;
  for (int i = 0; i < 1'000; ++i) queue.add(requests.make(kA));
  queue.add(requests.make(kB));
  for (int i = 0; i < 500; ++i) ASSERT_NE(queue.take_next(), nullptr);
  for (int i = 0; i < 100; ++i) queue.add(requests.make(kB));
  int given_to_b = 0;
  for (int i = 0; i < 100; ++i) given_to_b += queue.take_next()->tenant == kB ? 1 : 0;
  EXPECT_NEAR(given_to_b, 50, 1);
}

TEST(WaitQueue, a_line_that_was_empty_leaves_no_debt) {
  Requests requests;
  WaitQueue queue;
  queue.add(requests.make(kA, 1'000'000));
  ASSERT_NE(queue.take_next(), nullptr);
  Waiting& a = requests.make(kA);
  Waiting& b = requests.make(kB);
  queue.add(a);
  queue.add(b);
  EXPECT_EQ(take_all(queue), (std::vector{&a, &b}));
}

// With one virtual time for all priorities, what the high one uses would be a debt of newcomers to
// the low one.
TEST(WaitQueue, what_one_priority_uses_is_no_debt_in_another) {
  Requests requests;
  WaitQueue queue;
  for (int i = 0; i < 100; ++i) queue.add(requests.make(kA, 100, 1, 0));
  for (int i = 0; i < 100; ++i) queue.add(requests.make(kC, 1'000'000, 1, 9));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(queue.take_next()->tenant, kC);
  Waiting& newcomer = requests.make(kB, 100, 1, 0);
  queue.add(newcomer);
  const Waiting* const first = queue.take_next();
  const Waiting* const second = queue.take_next();
  EXPECT_TRUE(first == &newcomer || second == &newcomer);
}

TEST(WaitQueue, nobody_starves_in_a_priority) {
  Requests requests;
  WaitQueue queue;
  Waiting& poor = requests.make(kA, 10'000, 1);
  queue.add(requests.make(kA, 10'000, 1));
  queue.add(poor);
  for (uint32_t tenant = 1; tenant <= 20; ++tenant) {
    for (int i = 0; i < 2; ++i) queue.add(requests.make(TenantId{tenant}, 10'000, 1'000));
  }
  // Behind 20 tenants of a thousand times the weight: their thousand each, and one more.
  int turns = 0;
  while (turns <= 20'100) {
    Waiting* const next = queue.take_next();
    ++turns;
    if (next == &poor) break;
    queue.add(*next);
  }
  EXPECT_LE(turns, 20'100);
}

TEST(WaitQueue, leaves_from_anywhere) {
  Requests requests;
  WaitQueue queue;
  std::vector<Waiting*> added;
  for (int i = 0; i < 5; ++i) added.push_back(&requests.make(kA));
  for (Waiting* one : added) queue.add(*one);
  for (int gone : {2, 0, 4}) queue.remove(*added[static_cast<size_t>(gone)]);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.oldest(), added[1]->since);
  EXPECT_EQ(take_all(queue), (std::vector{added[1], added[3]}));
  EXPECT_EQ(queue.oldest(), MonoTime::max());
}

TEST(WaitQueue, put_back_restores_the_order_and_the_charges) {
  for (const bool backwards : {true, false}) {
    Requests requests;
    WaitQueue tried;
    WaitQueue untouched;
    std::vector<Waiting*> twins;
    std::map<Waiting*, size_t> place_of;
    for (uint32_t i = 0; i < 60; ++i) {
      const TenantId tenant{i % 3};
      Waiting& one = requests.make(tenant, 10 + i * 7, 1 + i % 3);
      Waiting& twin = requests.make(tenant, 10 + i * 7, 1 + i % 3);
      twin.since = one.since;
      place_of[&one] = place_of[&twin] = i;
      tried.add(one);
      untouched.add(twin);
    }
    std::vector<Waiting*> taken;
    for (int i = 0; i < 25; ++i) taken.push_back(tried.take_next());
    for (size_t i = 0; i < taken.size(); ++i) {
      tried.put_back(*taken[backwards ? taken.size() - 1 - i : i]);
    }
    EXPECT_EQ(tried.size(), 60u);
    // A newcomer starts where it would have.
    Waiting& newcomer = requests.make(TenantId{7});
    Waiting& its_twin = requests.make(TenantId{7});
    its_twin.since = newcomer.since;
    place_of[&newcomer] = place_of[&its_twin] = 60;
    tried.add(newcomer);
    untouched.add(its_twin);
    for (int i = 0; i < 61; ++i) {
      EXPECT_EQ(place_of[tried.take_next()], place_of[untouched.take_next()]) << i;
    }
  }
}

TEST(WaitQueue, takes_the_next_that_can_use_it) {
  Requests requests;
  WaitQueue queue;
  std::vector<Waiting*> flood;
  for (int i = 0; i < 200; ++i) flood.push_back(&requests.make(kA, 100));
  for (Waiting* one : flood) queue.add(*one);
  Waiting& last = requests.make(kA, 55);
  Waiting& other = requests.make(kB, 55);
  queue.add(last);
  queue.add(other);
  const auto can_use = [](const Waiting& one) { return one.tokens == 55; };
  EXPECT_EQ(queue.take_next(can_use), &last);
  EXPECT_EQ(queue.take_next(can_use), &other);
  EXPECT_EQ(queue.take_next(can_use), nullptr);
  // Who was passed over has lost nothing.
  EXPECT_EQ(take_all(queue), flood);
}

TEST(WaitQueue, a_correction_shifts_the_turn) {
  Requests requests;
  WaitQueue queue;
  for (int i = 0; i < 20; ++i) queue.add(requests.make(kA, 1'000));
  for (int i = 0; i < 20; ++i) queue.add(requests.make(kB, 100));
  EXPECT_EQ(queue.take_next()->tenant, kA);
  // It had used no more than those of the other.
  queue.correct(kA, 0, 1, 1'000, 100);
  EXPECT_EQ(queue.take_next()->tenant, kB);
  EXPECT_EQ(queue.take_next()->tenant, kA);
  // And this one five times as much as was thought: five of theirs, and the one that comes anyway.
  queue.correct(kA, 0, 1, 1'000, 500);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(queue.take_next()->tenant, kB);
  EXPECT_EQ(queue.take_next()->tenant, kA);
}

// Else refunds of what has long been forgotten would let one tenant go first for long.
TEST(WaitQueue, a_correction_of_what_is_forgotten_is_ignored) {
  Requests requests;
  WaitQueue queue;
  for (int i = 0; i < 100; ++i) queue.add(requests.make(kA, 10'000));
  EXPECT_EQ(take_all(queue).size(), 100u);
  for (int i = 0; i < 10; ++i) queue.add(requests.make(kA, 100));
  for (int i = 0; i < 10; ++i) queue.add(requests.make(kB, 100));
  for (int i = 0; i < 100; ++i) queue.correct(kA, 0, 1, 10'000, 1);
  int given_to_b = 0;
  for (int i = 0; i < 10; ++i) given_to_b += queue.take_next()->tenant == kB ? 1 : 0;
  EXPECT_EQ(given_to_b, 5);
}

TEST(WaitQueue, allocates_nothing_once_it_has_seen_as_many_tenants) {
  Requests requests;
  std::vector<Waiting*> all;
  for (uint32_t i = 0; i < 300; ++i) {
    all.push_back(&requests.make(TenantId{i % 10}, 100 + i, 1 + i % 5, i % 3));
  }
  WaitQueue queue;
  const auto fill_and_empty = [&](uint32_t first_tenant, uint32_t first_priority) {
    for (uint32_t i = 0; i < all.size(); ++i) {
      all[i]->tenant = TenantId{first_tenant + i % 10};
      all[i]->priority = first_priority + i % 3;
      queue.add(*all[i]);
    }
    while (queue.take_next() != nullptr) {
    }
  };
  fill_and_empty(0, 0);
  const uint64_t before = support::allocations;
  for (uint32_t round = 0; round < 1'000; ++round) fill_and_empty(round * 7, round * 11);
  EXPECT_EQ(support::allocations, before);
}

// The same rules in the plainest way: lists and maps, everything looked for anew.
class NaiveQueue {
 public:
  void add(Waiting& waiting) {
    Class& its_class = classes_[waiting.priority];
    if (its_class.waiting.empty()) its_class = Class{};
    int64_t& start = its_class.starts.try_emplace(waiting.tenant, its_class.now).first->second;
    bool is_present = false;
    for (const Waiting* one : its_class.waiting) is_present |= one->tenant == waiting.tenant;
    if (!is_present) start = std::max(start, its_class.now);
    its_class.waiting.push_back(&waiting);
  }
  void remove(Waiting& waiting) { std::erase(classes_[waiting.priority].waiting, &waiting); }
  template <class CanUse>
  Waiting* take_next(CanUse can_use) {
    for (auto& [priority, its_class] : classes_) {
      Waiting* next = nullptr;
      for (Waiting* one : its_class.waiting) {
        if (!can_use(*one)) continue;
        if (next != nullptr && one->tenant == next->tenant) continue;
        if (next == nullptr || its_class.starts[one->tenant] < its_class.starts[next->tenant]) {
          next = one;
        }
      }
      if (next == nullptr) continue;
      int64_t& start = its_class.starts[next->tenant];
      its_class.now = std::max(its_class.now, start);
      start += cost_of(*next);
      remove(*next);
      return next;
    }
    return nullptr;
  }
  [[nodiscard]] uint32_t size() const {
    size_t size = 0;
    for (const auto& [priority, its_class] : classes_) size += its_class.waiting.size();
    return static_cast<uint32_t>(size);
  }
  [[nodiscard]] MonoTime oldest() const {
    MonoTime oldest = MonoTime::max();
    for (const auto& [priority, its_class] : classes_) {
      for (const Waiting* one : its_class.waiting) oldest = std::min(oldest, one->since);
    }
    return oldest;
  }

 private:
  struct Class {
    int64_t now = 0;
    std::map<TenantId, int64_t> starts;
    std::vector<Waiting*> waiting;  // First come first.
  };
  static int64_t cost_of(const Waiting& waiting) {
    return static_cast<int64_t>(waiting.tokens * 1024 / waiting.weight);
  }

  std::map<uint32_t, Class, std::greater<>> classes_;
};

void compare_with_the_naive_one(uint64_t seed, uint32_t tenants, uint32_t priorities) {
  support::Prng random(seed);
  std::vector<std::unique_ptr<Waiting>> requests;
  WaitQueue queue;
  NaiveQueue naive;
  std::vector<Waiting*> inside;
  for (uint32_t step = 0; step < 10'000; ++step) {
    const uint64_t choice = random.below(10);
    // Filled and emptied by turns, so that lines and classes begin anew.
    const uint64_t adds = (step / 500) % 2 == 0 ? 5 : 2;
    if (choice < adds) {
      Waiting& made = *requests.emplace_back(std::make_unique<Waiting>());
      made.tenant = TenantId{static_cast<uint32_t>(random.below(tenants))};
      made.weight = 1 + made.tenant.value % 4;
      made.priority = static_cast<uint32_t>(random.below(priorities));
      made.tokens = random.between(1, 2'000);
      made.since = MonoTime(milliseconds(step));
      queue.add(made);
      naive.add(made);
      inside.push_back(&made);
    } else if (choice == 9 && !inside.empty()) {
      Waiting& gone = *inside[random.below(inside.size())];
      queue.remove(gone);
      naive.remove(gone);
      std::erase(inside, &gone);
    } else if (choice == 8) {
      std::vector<Waiting*> taken;
      for (uint64_t i = random.below(6); i > 0; --i) {
        if (Waiting* next = queue.take_next()) taken.push_back(next);
      }
      while (!taken.empty()) {
        const size_t picked = random.below(taken.size());
        queue.put_back(*taken[picked]);
        std::erase(taken, taken[picked]);
      }
    } else {
      const uint64_t divisor = choice == 7 ? 3 : 1;
      const auto can_use = [&](const Waiting& one) { return one.tokens % divisor == 0; };
      Waiting* const next = queue.take_next(can_use);
      ASSERT_EQ(next, naive.take_next(can_use)) << "step " << step;
      std::erase(inside, next);
    }
    ASSERT_EQ(queue.size(), naive.size()) << "step " << step;
    ASSERT_EQ(queue.oldest(), naive.oldest()) << "step " << step;
  }
}

TEST(WaitQueue, random_operations_agree_with_the_naive_one) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare_with_the_naive_one(seed, 1 + static_cast<uint32_t>(seed % 8),
                               1 + static_cast<uint32_t>(seed % 3));
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Of a tenant that floods, the oldest waits long; who is next has not.
TEST(WaitQueue, next_since_is_of_the_one_that_is_served_next) {
  WaitQueue queue;
  EXPECT_EQ(queue.next_since(), MonoTime::max());
  const auto make = [](uint32_t tenant, uint32_t weight, int since_s) {
    auto waiting = std::make_unique<Waiting>();
    waiting->tenant = TenantId{tenant};
    waiting->weight = weight;
    waiting->tokens = 100;
    waiting->since = MonoTime(seconds(since_s));
    return waiting;
  };
  const auto flood1 = make(1, 1, 1), flood2 = make(1, 1, 2), other = make(2, 4, 9);
  queue.add(*flood1);
  queue.add(*flood2);
  queue.add(*other);
  EXPECT_EQ(queue.next_since(), MonoTime(seconds(1)));
  EXPECT_EQ(queue.take_next(), flood1.get());
  EXPECT_EQ(queue.next_since(), MonoTime(seconds(9)));
  EXPECT_EQ(queue.oldest(), MonoTime(seconds(2)));
  EXPECT_EQ(queue.take_next(), other.get());
  EXPECT_EQ(queue.take_next(), flood2.get());
}

}  // namespace
}  // namespace sluice::limit
