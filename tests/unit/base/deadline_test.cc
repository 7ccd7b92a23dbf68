#include <sluice/base/deadline.h>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Deadline, zero_timeout_means_never) {
  EXPECT_TRUE(Deadline::after(MonoTime{}, Duration::zero()).is_never());
  EXPECT_FALSE(Deadline::never().has_passed(MonoTime{seconds(1'000'000)}));
}

TEST(Deadline, passes_at_its_very_instant) {
  const MonoTime start{seconds(5)};
  const Deadline deadline = Deadline::after(start, milliseconds(10));
  EXPECT_FALSE(deadline.has_passed(start + milliseconds(10) - Duration(1)));
  EXPECT_TRUE(deadline.has_passed(start + milliseconds(10)));
}

TEST(Deadline, sooner_picks_the_earlier) {
  const Deadline a{MonoTime{seconds(1)}}, b{MonoTime{seconds(2)}};
  EXPECT_EQ(a.sooner(b).at, a.at);
  EXPECT_EQ(Deadline::never().sooner(b).at, b.at);
}

}  // namespace
}  // namespace sluice
