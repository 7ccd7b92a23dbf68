#include <sluice/metrics/counter.h>

#include <gtest/gtest.h>

#include <thread>

namespace sluice::metrics {
namespace {

TEST(Counter, adds_up) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.value(), 42u);
}

TEST(Gauge, may_go_below_zero) {
  Gauge gauge;
  gauge.add(2);
  gauge.sub(5);
  EXPECT_EQ(gauge.value(), -3);
}

TEST(GaugeHold, gives_back_when_its_scope_ends) {
  Gauge gauge;
  {
    const GaugeHold hold(gauge);
    EXPECT_EQ(gauge.value(), 1);
  }
  EXPECT_EQ(gauge.value(), 0);
}

// Goal: a reader on another thread sees whole values that never go back (run under TSan too).
TEST(Counter, is_readable_from_another_thread) {
  constexpr uint64_t kRounds = 100'000;
  Counter counter;
  std::thread writer([&counter] {
    for (uint64_t i = 0; i < kRounds; ++i) counter.add();
  });
  uint64_t last = 0;
  while (last < kRounds) {
    const uint64_t seen = counter.value();
    ASSERT_GE(seen, last);
    last = seen;
  }
  writer.join();
  EXPECT_EQ(counter.value(), kRounds);
}

}  // namespace
}  // namespace sluice::metrics
