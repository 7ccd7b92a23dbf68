#include <gtest/gtest.h>

#include <vector>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>

#include "sim_world.h"

namespace sluice::io {
namespace {

Task<void> step_behind(Ring* ring, int number, std::vector<int>* order) {
  co_await ring->background_turn();
  order->push_back(number);
}

Task<void> step_at_once(Event* event, int number, std::vector<int>* order) {
  co_await first_of(event);
  order->push_back(number);
}

// Goal: what runs behind the rest takes its turns two at a time, in order, after what is ready,
// and the loop does not sleep on it.
TEST(BackgroundTurn, goes_on_behind_what_is_ready_and_two_at_a_time) {
  support::SimWorld world;
  Ring ring(world.kernel(), world.syscalls(), world.clock(), {.hot = 64, .most = 64});
  std::vector<int> order;
  Event event(ring.ready());
  for (int i = 1; i <= 5; ++i) start_detached(step_behind(&ring, i, &order));
  start_detached(step_at_once(&event, 0, &order));
  event.trigger();
  ring.turn();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  ring.turn();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  ring.turn();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace sluice::io
