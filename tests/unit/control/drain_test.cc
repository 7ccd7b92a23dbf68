#include <sluice/control/drain.h>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using Stage = Drain::Stage;

constexpr MonoTime kStart{seconds(100)};

TEST(Drain, goes_from_waiting_to_cutting_to_closing_as_time_passes) {
  Drain drain(2);
  EXPECT_FALSE(drain.has_begun());
  EXPECT_FALSE(drain.advance(kStart));
  const auto begin = drain.begin(kStart, seconds(30));
  ASSERT_TRUE(begin);
  EXPECT_TRUE(std::holds_alternative<upstream::BeginDrain>(*begin));

  EXPECT_FALSE(drain.advance(kStart + seconds(29)));
  const auto cut = drain.advance(kStart + seconds(30));
  ASSERT_TRUE(cut);
  EXPECT_TRUE(std::holds_alternative<upstream::CutStreams>(*cut));
  EXPECT_FALSE(drain.advance(kStart + seconds(31)));
  const auto kill = drain.advance(kStart + seconds(32));
  ASSERT_TRUE(kill);
  EXPECT_TRUE(std::holds_alternative<upstream::KillStreams>(*kill));
  EXPECT_FALSE(drain.is_over());
}

TEST(Drain, is_over_when_the_last_shard_has_drained) {
  Drain drain(2);
  ASSERT_TRUE(drain.begin(kStart, seconds(30)));
  drain.on_drained(ShardId{1});
  drain.on_drained(ShardId{1});  // Counted once.
  EXPECT_EQ(drain.stage(), Stage::kWaiting);
  drain.on_drained(ShardId{0});
  EXPECT_EQ(drain.stage(), Stage::kDrained);
  EXPECT_TRUE(drain.next().is_never());
  EXPECT_FALSE(drain.advance(kStart + seconds(300)));
}

TEST(Drain, second_begin_is_refused) {
  Drain drain(1);
  ASSERT_TRUE(drain.begin(kStart, seconds(30)));
  EXPECT_FALSE(drain.begin(kStart + seconds(1), seconds(30)));
  EXPECT_EQ(drain.next().at, kStart + seconds(30));
}

TEST(Drain, zero_timeout_cuts_at_once_instead_of_never) {
  Drain drain(1);
  ASSERT_TRUE(drain.begin(kStart, Duration::zero()));
  const auto cut = drain.advance(kStart);
  ASSERT_TRUE(cut);
  EXPECT_TRUE(std::holds_alternative<upstream::CutStreams>(*cut));
}

TEST(Drain, gives_up_on_a_shard_that_never_ends) {
  Drain drain(2);
  ASSERT_TRUE(drain.begin(kStart, seconds(1)));
  drain.on_drained(ShardId{0});
  MonoTime now = kStart;
  for (int step = 0; step < 3; ++step) {
    now = drain.next().at;
    static_cast<void>(drain.advance(now));
  }
  EXPECT_EQ(drain.stage(), Stage::kStuck);
  EXPECT_TRUE(drain.is_over());
  EXPECT_EQ(drain.shards_left(), 1u);
}

}  // namespace
}  // namespace sluice::control
