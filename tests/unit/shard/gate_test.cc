#include <sluice/shard/gate.h>

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace sluice::shard {
namespace {

class GateTest : public testing::Test {
 protected:
  io::ReadyQueue ready_;
  Gate gate_{ready_};
};

TEST_F(GateTest, tells_when_the_last_one_has_left) {
  std::optional<Gate::Pass> first(gate_.enter()), second(gate_.enter());
  EXPECT_EQ(gate_.inside(), 2u);
  first.reset();
  EXPECT_FALSE(gate_.emptied().is_ready());
  second.reset();
  EXPECT_TRUE(gate_.emptied().is_ready());
  EXPECT_EQ(gate_.inside(), 0u);
}

TEST_F(GateTest, a_moved_pass_counts_once) {
  {
    Gate::Pass first = gate_.enter();
    const Gate::Pass second = std::move(first);
    EXPECT_EQ(gate_.inside(), 1u);
  }
  EXPECT_EQ(gate_.inside(), 0u);
}

TEST_F(GateTest, becomes_ready_again_each_time_it_empties) {
  {
    const Gate::Pass pass = gate_.enter();
  }
  gate_.emptied().reset();
  {
    const Gate::Pass pass = gate_.enter();
  }
  EXPECT_TRUE(gate_.emptied().is_ready());
}

TEST(GateDeathTest, work_that_outlives_its_gate_ends_the_process) {
  EXPECT_DEATH(
      {
        io::ReadyQueue ready;
        std::optional<Gate> gate(std::in_place, ready);
        const Gate::Pass pass = gate->enter();
        gate.reset();
      },
      "inside_ == 0");
}

}  // namespace
}  // namespace sluice::shard
