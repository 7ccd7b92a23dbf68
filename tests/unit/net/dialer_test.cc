#include <sluice/net/dialer.h>

#include "net_world.h"

namespace sluice::net {
namespace {

class DialerTest : public NetWorld {
 protected:
  // The wake-up's descriptor alone is left.
  void expect_nothing_open() {
    ring_.turn(false);
    EXPECT_EQ(world_.files().open_count(), 1u);
    EXPECT_EQ(ring_.ops_in_flight(), 1u);
  }
};

TEST_F(DialerTest, connects_to_the_first_address) {
  serve(a());
  serve(b());
  start_dial({a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_TRUE(dialled_->has_value());
  EXPECT_EQ(peers_.size(), 1u);
  ring_.close(**dialled_);
  expect_nothing_open();
}

TEST_F(DialerTest, a_refused_address_leads_to_the_next) {
  serve(b());
  start_dial({a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_TRUE(dialled_->has_value());
  ring_.close(**dialled_);
  expect_nothing_open();
}

TEST_F(DialerTest, when_all_refuse_the_last_reason_is_given) {
  start_dial({a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_FALSE(dialled_->has_value());
  EXPECT_EQ(dialled_->error().code, ErrorCode::kUpstreamConnect);
  EXPECT_EQ(dialled_->error().retry, Retry::kYes);
  EXPECT_EQ(dialled_->error().detail, "connection refused");
  expect_nothing_open();
}

TEST_F(DialerTest, no_address_is_a_name_that_did_not_resolve) {
  start_dial({});
  ASSERT_TRUE(dialled_.has_value());
  EXPECT_EQ(dialled_->error().code, ErrorCode::kUpstreamConnect);
  EXPECT_EQ(dialled_->error().detail, "name not resolved");
}

TEST_F(DialerTest, the_deadline_ends_attempts_that_hang) {
  world_.net().make_black_hole(a());
  world_.net().make_black_hole(b());
  const MonoTime begun = ring_.now();
  start_dial({a(), b()}, milliseconds(300));
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_FALSE(dialled_->has_value());
  EXPECT_EQ(dialled_->error().detail, "connect timed out");
  EXPECT_GE(ring_.now() - begun, milliseconds(300));
  EXPECT_LE(ring_.now() - begun, milliseconds(303));
  expect_nothing_open();
}

TEST_F(DialerTest, an_address_that_hangs_is_overtaken_after_the_attempt_delay) {
  world_.net().make_black_hole(a());
  serve(b());
  const MonoTime begun = ring_.now();
  start_dial({a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_TRUE(dialled_->has_value());
  EXPECT_GE(ring_.now() - begun, kAttemptDelay);
  EXPECT_LT(ring_.now() - begun, 2 * kAttemptDelay);
  ring_.close(**dialled_);
  expect_nothing_open();  // The loser is closed.
}

TEST_F(DialerTest, a_refusal_begins_the_next_attempt_at_once) {
  serve(b());
  const MonoTime begun = ring_.now();
  start_dial({a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_TRUE(dialled_->has_value());
  EXPECT_LT(ring_.now() - begun, kAttemptDelay);
  ring_.close(**dialled_);
}

TEST_F(DialerTest, attempts_at_once_are_bounded) {
  std::vector<Address> dead;
  for (int i = 1; i <= 4; ++i) {
    dead.push_back(support::sim_address(("10.9.0." + std::to_string(i)).c_str(), 80));
    world_.net().make_black_hole(dead.back());
  }
  start_dial({dead[0], dead[1], dead[2], dead[3]}, seconds(3));
  ASSERT_TRUE(world_.run_for(ring_, seconds(2)));
  // The wake-up's descriptor and the attempts.
  EXPECT_EQ(world_.files().open_count(), 1u + kAttemptsAtOnce);
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  EXPECT_EQ(dialled_->error().detail, "connect timed out");
  expect_nothing_open();
}

TEST_F(DialerTest, one_that_refuses_makes_room_for_a_hanging_one_to_be_overtaken) {
  const Address hanging = support::sim_address("10.9.0.1", 80);
  world_.net().make_black_hole(hanging);
  serve(b());
  start_dial({hanging, a(), b()});
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  ASSERT_TRUE(dialled_->has_value());
  EXPECT_EQ(peers_.size(), 1u);
  ring_.close(**dialled_);
  expect_nothing_open();
}

TEST_F(DialerTest, d109_a_client_that_leaves_ends_the_attempt_at_once) {
  world_.net().make_black_hole(a());
  io::Event gone(ring_.ready());
  start_dial({a(), b()}, seconds(10), &gone);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(10)));
  EXPECT_FALSE(dialled_.has_value());
  const MonoTime left = ring_.now();
  gone.trigger();
  ASSERT_TRUE(run_until([this] { return dialled_.has_value(); }));
  EXPECT_EQ(dialled_->error().code, ErrorCode::kDownstreamLost);
  EXPECT_LE(ring_.now() - left, milliseconds(2));
  expect_nothing_open();
}

TEST_F(DialerTest, without_a_descriptor_nothing_is_tried) {
  serve(a());
  world_.faults().no_descriptor = 1000;
  start_dial({a(), b()});
  ASSERT_TRUE(dialled_.has_value());
  EXPECT_EQ(dialled_->error().code, ErrorCode::kLimit);
}

// Method: random lists of addresses that answer, refuse or hang, in worlds that fail in all ways,
// with deadlines and clients that leave. Whatever happens, nothing stays open.
TEST(DialerRace, random_worlds_end_as_their_addresses_allow_and_leave_nothing_open) {
  uint32_t won = 0, lost = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    support::Prng prng(seed);
    support::SimWorld world({.seed = seed,
                             .faults = seed % 2 == 0 ? support::FaultPlan::rough(prng)
                                                     : support::FaultPlan::hostile(prng)});
    io::Ring ring(world.kernel(), world.syscalls(), world.clock(), {.hot = 8, .most = 8});
    AddressList list;
    list.count = static_cast<uint32_t>(prng.between(1, AddressList::kMost));
    bool is_served = false;
    for (uint32_t i = 0; i < list.count; ++i) {
      list.entries[i] = support::sim_address(("10.0.4." + std::to_string(i + 1)).c_str(), 80);
      switch (prng.below(3)) {
        case 0:
          is_served = true;
          world.serve(list.entries[i], [&world]() -> support::SimPeer& { return world.adopt(); });
          break;
        case 1: world.net().make_black_hole(list.entries[i]); break;
        default: break;  // Refuses.
      }
    }
    io::Event gone(ring.ready());
    if (prng.chance(300)) {
      world.after(milliseconds(prng.below(1000)), [&gone] { gone.trigger(); });
    }
    std::optional<Result<int>> outcome;
    const Deadline deadline{ring.now() + milliseconds(prng.between(1, 2000))};
    io::start_detached([](io::Ring* on, AddressList addresses, Deadline until, io::Event* left,
                          std::optional<Result<int>>* into) -> Task<void> {
      into->emplace(co_await dial(*on, addresses, {}, until, left));
    }(&ring, list, deadline, &gone, &outcome));
    ASSERT_TRUE(world.run_until(ring, [&] { return outcome.has_value(); })) << "seed " << seed;
    EXPECT_TRUE(is_served || !outcome->has_value()) << "seed " << seed;
    ++(outcome->has_value() ? won : lost);
    EXPECT_EQ(ring.ops_in_flight(), 1u) << "seed " << seed;  // The wake-up's.
    if (*outcome) ring.close(**outcome);
    ASSERT_TRUE(world.run_for(ring, seconds(2)));
    EXPECT_EQ(world.files().open_count(), 1u) << "seed " << seed;
  }
  EXPECT_GT(won, 50u);
  EXPECT_GT(lost, 50u);
}

}  // namespace
}  // namespace sluice::net
