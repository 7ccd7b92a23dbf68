#include <sluice/io/event.h>

#include <gtest/gtest.h>

#include <sluice/io/task.h>

namespace sluice::io {
namespace {

struct Seen {
  int resumes = 0;
  bool first = false, second = false;
  bool is_done = false;
};

Task<void> race(Event* first, Event* second, Seen* seen) {
  co_await first_of(first, second);
  ++seen->resumes;
  seen->first = first != nullptr && first->is_ready();
  seen->second = second != nullptr && second->is_ready();
  seen->is_done = true;
}

TEST(FirstOf, several_ready_events_resume_once) {
  ReadyQueue ready;
  Event first(ready), second(ready);
  Seen seen;
  start_detached(race(&first, &second, &seen));
  first.trigger();
  second.trigger();
  EXPECT_FALSE(ready.run(10));
  EXPECT_EQ(seen.resumes, 1);
  EXPECT_TRUE(seen.first);
  EXPECT_TRUE(seen.second);
}

TEST(FirstOf, the_loser_can_be_awaited_again) {
  ReadyQueue ready;
  Event first(ready), second(ready);
  Seen seen, again;
  start_detached(race(&first, &second, &seen));
  second.trigger();
  ready.run(10);
  EXPECT_TRUE(seen.is_done);
  EXPECT_FALSE(seen.first);
  second.reset();
  start_detached(race(&first, &second, &again));
  EXPECT_FALSE(again.is_done);
  first.trigger();
  ready.run(10);
  EXPECT_TRUE(again.first);
}

TEST(FirstOf, an_event_that_is_ready_already_does_not_suspend) {
  ReadyQueue ready;
  Event first(ready), second(ready);
  second.trigger();
  Seen seen;
  start_detached(race(&first, &second, &seen));
  EXPECT_TRUE(seen.is_done);
  EXPECT_TRUE(ready.empty());
}

TEST(FirstOf, null_entries_are_ignored) {
  ReadyQueue ready;
  Event second(ready);
  Seen seen;
  start_detached(race(nullptr, &second, &seen));
  EXPECT_FALSE(seen.is_done);
  second.trigger();
  ready.run(10);
  EXPECT_TRUE(seen.second);
}

// The shape of a cancellation: a cause is set, and a nudge makes the waiter look.
Task<void> wait_or_cancelled(Event* event, const bool* is_cancelled, int* looks, bool* ended_by) {
  while (!event->is_ready() && !*is_cancelled) {
    co_await first_of(event);
    ++*looks;
  }
  *ended_by = *is_cancelled;
}

TEST(Event, a_nudge_resumes_the_waiter_without_making_the_event_ready) {
  ReadyQueue ready;
  Event event(ready);
  bool is_cancelled = false, was_cancelled = false;
  int looks = 0;
  start_detached(wait_or_cancelled(&event, &is_cancelled, &looks, &was_cancelled));
  event.nudge();
  ready.run(10);
  EXPECT_EQ(looks, 1);
  EXPECT_FALSE(was_cancelled);
  is_cancelled = true;
  event.nudge();
  ready.run(10);
  EXPECT_EQ(looks, 2);
  EXPECT_TRUE(was_cancelled);
  EXPECT_FALSE(event.is_ready());
}

TEST(Event, a_nudge_without_a_waiter_does_nothing) {
  ReadyQueue ready;
  Event event(ready);
  event.nudge();
  EXPECT_TRUE(ready.empty());
}

Task<void> follow(Event* event, int* order, int* place) {
  co_await first_of(event);
  *place = ++*order;
}

TEST(ReadyQueue, resumes_in_the_order_of_the_first_event_and_within_the_budget) {
  ReadyQueue ready;
  Event a(ready), b(ready), c(ready);
  int order = 0, place_a = 0, place_b = 0, place_c = 0;
  start_detached(follow(&a, &order, &place_a));
  start_detached(follow(&b, &order, &place_b));
  start_detached(follow(&c, &order, &place_c));
  c.trigger();
  a.trigger();
  c.trigger();
  b.trigger();
  EXPECT_TRUE(ready.run(2));
  EXPECT_EQ(place_c, 1);
  EXPECT_EQ(place_a, 2);
  EXPECT_EQ(place_b, 0);
  EXPECT_FALSE(ready.run(2));
  EXPECT_EQ(place_b, 3);
}

}  // namespace
}  // namespace sluice::io
