#include <sluice/io/timer.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "prng.h"

namespace sluice::io {
namespace {

using support::Prng;

constexpr int64_t kTick = int64_t{1} << 20;

MonoTime at(int64_t nanoseconds) { return MonoTime{Duration(nanoseconds)}; }

struct World {
  ReadyQueue ready;
  MonoTime now{seconds(1000)};
  TimerWheel wheel{now};
};

TEST(Timer, is_not_ready_before_its_deadline_and_ready_within_a_tick_after) {
  World world;
  Timer timer(world.ready, world.wheel);
  const MonoTime deadline = world.now + milliseconds(10);
  timer.set({deadline});
  world.wheel.advance(deadline - Duration(1));
  EXPECT_FALSE(timer.is_ready());
  world.wheel.advance(deadline + Duration(kTick));
  EXPECT_TRUE(timer.is_ready());
}

TEST(Timer, a_deadline_in_the_past_is_ready_at_the_next_tick) {
  World world;
  Timer timer(world.ready, world.wheel);
  timer.set({world.now - seconds(5)});
  EXPECT_FALSE(timer.is_ready());
  world.wheel.advance(world.now + Duration(kTick));
  EXPECT_TRUE(timer.is_ready());
}

TEST(Timer, set_again_clears_readiness_and_moves_the_deadline_both_ways) {
  World world;
  Timer timer(world.ready, world.wheel);
  timer.set({world.now + milliseconds(5)});
  world.wheel.advance(world.now + milliseconds(10));
  ASSERT_TRUE(timer.is_ready());
  timer.set({world.now + seconds(60)});
  EXPECT_FALSE(timer.is_ready());
  timer.set({world.now + milliseconds(20)});
  world.wheel.advance(world.now + milliseconds(22));
  EXPECT_TRUE(timer.is_ready());
}

TEST(Timer, moved_later_while_placed_does_not_fire_at_the_old_place) {
  World world;
  Timer timer(world.ready, world.wheel);
  timer.set({world.now + milliseconds(5)});
  timer.set({world.now + milliseconds(500)});
  world.wheel.advance(world.now + milliseconds(100));
  EXPECT_FALSE(timer.is_ready());
  world.wheel.advance(world.now + milliseconds(502));
  EXPECT_TRUE(timer.is_ready());
}

TEST(Timer, cleared_and_destroyed_ones_are_forgotten) {
  World world;
  Timer cleared(world.ready, world.wheel);
  cleared.set({world.now + milliseconds(5)});
  cleared.clear();
  {
    Timer dead(world.ready, world.wheel);
    dead.set({world.now + milliseconds(5)});
  }
  world.wheel.advance(world.now + seconds(1));
  EXPECT_FALSE(cleared.is_ready());
  EXPECT_FALSE(world.wheel.next_wake().has_value());
}

TEST(TimerWheel, next_wake_is_empty_without_timers) {
  World world;
  EXPECT_FALSE(world.wheel.next_wake().has_value());
}

TEST(TimerWheel, a_sleeper_that_follows_next_wake_meets_deadlines_beyond_the_last_level) {
  World world;
  Timer timer(world.ready, world.wheel);
  const MonoTime deadline = world.now + std::chrono::hours(100);
  timer.set({deadline});
  int wakes = 0;
  while (!timer.is_ready()) {
    const std::optional<MonoTime> next = world.wheel.next_wake();
    ASSERT_TRUE(next.has_value());
    ASSERT_GT(*next, world.now);
    world.now = *next;
    world.wheel.advance(world.now);
    ASSERT_LT(++wakes, 100);
  }
  EXPECT_GE(world.now, deadline);
  EXPECT_LE(world.now, deadline + Duration(kTick));
}

// Random sets, moves, clears and jumps, checked against a list that is searched.
class TimerModel {
 public:
  explicit TimerModel(uint64_t seed) : prng_(seed) {
    now_ = at(static_cast<int64_t>(prng_.between(uint64_t{1} << 50, uint64_t{1} << 52)));
    wheel_ = std::make_unique<TimerWheel>(now_);
    for (auto& timer : timers_) timer = std::make_unique<Timer>(ready_, *wheel_);
    armed_.fill(Deadline::never());
  }

  void step() {
    const size_t which = prng_.below(timers_.size());
    if (prng_.chance(100)) {
      timers_[which]->clear();
      armed_[which] = Deadline::never();
    } else if (prng_.chance(700)) {
      armed_[which] = {now_ + Duration(span())};
      set_at_[which] = now_;
      timers_[which]->set(armed_[which]);
    } else {
      advance();
    }
  }

 private:
  // Of all orders of magnitude; sometimes negative.
  int64_t span() {
    const auto length = static_cast<int64_t>(prng_.next() >> prng_.between(16, 60));
    return prng_.chance(50) ? -length : length;
  }

  void advance() {
    const std::optional<MonoTime> next = wheel_->next_wake();
    const auto earliest = std::min_element(armed_.begin(), armed_.end(),
                                           [](Deadline a, Deadline b) { return a.at < b.at; });
    if (!earliest->is_never()) {
      ASSERT_TRUE(next.has_value());
      // The tick in which the deadline lies must have been handled when it ends.
      const int64_t deadline = earliest->at.time_since_epoch().count();
      const int64_t tick_end = (deadline + kTick - 1) / kTick * kTick;
      ASSERT_LE(*next, std::max(at(tick_end), now_ + Duration(kTick)));
    }
    if (prng_.chance(500) && next) {
      now_ = std::max(now_, *next);
    } else {
      now_ += Duration(std::max<int64_t>(0, span()));
    }
    wheel_->advance(now_);
    for (size_t i = 0; i < timers_.size(); ++i) {
      const bool is_due = armed_[i].has_passed(now_);
      if (timers_[i]->is_ready()) {
        ASSERT_TRUE(is_due) << "early";
        armed_[i] = Deadline::never();
        timers_[i]->reset();
      } else if (is_due) {
        ASSERT_LT(now_ - std::max(armed_[i].at, set_at_[i]), Duration(kTick))
            << "late: timer " << i << ", deadline " << armed_[i].at.time_since_epoch().count()
            << ", now " << now_.time_since_epoch().count();
      }
    }
  }

  Prng prng_;
  ReadyQueue ready_;
  MonoTime now_;
  std::unique_ptr<TimerWheel> wheel_;
  std::array<std::unique_ptr<Timer>, 40> timers_;
  std::array<Deadline, 40> armed_;
  std::array<MonoTime, 40> set_at_{};
};

TEST(TimerWheel, agrees_with_a_naive_model_over_random_histories) {
  for (uint64_t seed = 1; seed <= 300 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TimerModel model(seed);
    for (int i = 0; i < 2000 && !::testing::Test::HasFatalFailure(); ++i) model.step();
  }
}

}  // namespace
}  // namespace sluice::io
