#include "shape.h"

#include <gtest/gtest.h>

#include "pacer.h"

namespace sluice::sim {
namespace {

TEST(Faults, one_fault_and_its_number_are_read) {
  Faults faults;
  ASSERT_TRUE(faults.add("cut-after:3"));
  EXPECT_TRUE(faults.has(Fault::kCutAfter));
  EXPECT_EQ(faults.number(Fault::kCutAfter), 3u);
  EXPECT_FALSE(faults.has(Fault::kCutMidEvent));
  EXPECT_FALSE(faults.strikes(Fault::kCutAfter, 2));
  EXPECT_TRUE(faults.strikes(Fault::kCutAfter, 3));
  EXPECT_FALSE(faults.strikes(Fault::kStallAfter, 3));
}

TEST(Faults, a_list_adds_up) {
  Faults faults;
  ASSERT_TRUE(faults.add("crlf,split:5,comments"));
  ASSERT_TRUE(faults.add("status:503"));
  EXPECT_TRUE(faults.has(Fault::kCrlf));
  EXPECT_TRUE(faults.has(Fault::kComments));
  EXPECT_EQ(faults.number(Fault::kSplit), 5u);
  EXPECT_EQ(faults.number(Fault::kStatus), 503u);
}

TEST(Faults, none_removes_what_was_there) {
  Faults faults;
  ASSERT_TRUE(faults.add("stall"));
  ASSERT_TRUE(faults.add("none"));
  EXPECT_FALSE(faults.any());
  ASSERT_TRUE(faults.add("none,crlf"));
  EXPECT_TRUE(faults.has(Fault::kCrlf));
}

TEST(Faults, what_is_wrong_changes_nothing) {
  for (const char* text : {"", "cut", "cut-after", "cut-after:", "cut-after:x", "cut-after:3x",
                           "cut-after:-1", "stall:1", "status:200", "status:600", "split:0",
                           "slow:0", "crlf,nonsense", "crlf,", "split:99999999999999999999"}) {
    Faults faults;
    EXPECT_FALSE(faults.add(text)) << text;
    EXPECT_FALSE(faults.any()) << text;
  }
}

TEST(Faults, every_name_stands_for_its_own_fault) {
  constexpr std::array<std::string_view, kFaultCount> kNames = {
      "status:500",      "stall",           "stall-after:1", "cut-before-head", "cut-after:1",
      "cut-mid-event:1", "cut-mid-chunk:1", "reset-after:1", "garbage",         "bad-chunk:1",
      "slow:1",          "no-usage",        "usage-first",   "split:1",         "one-chunk",
      "content-length",  "until-close",     "crlf",          "comments",        "big-event:1",
      "error-event:1",   "close",           "early-close",   "hang-body",       "early-answer"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    Faults faults;
    ASSERT_TRUE(faults.add(kNames[i])) << kNames[i];
    for (size_t j = 0; j < kFaultCount; ++j) {
      EXPECT_EQ(faults.has(static_cast<Fault>(j)), i == j) << kNames[i] << " " << j;
    }
  }
}

TEST(Shape, settings_are_read_from_one_text) {
  Shape shape;
  ASSERT_TRUE(shape.set_all("ttft=50ms&tps=12.5&tokens=100&token-bytes=9&stamp=1&fault=crlf"));
  EXPECT_EQ(shape.ttft, milliseconds(50));
  EXPECT_EQ(shape.tps, 12.5);
  EXPECT_EQ(shape.tokens, 100u);
  EXPECT_EQ(shape.token_bytes, 9u);
  EXPECT_TRUE(shape.stamp);
  EXPECT_FALSE(shape.burst);
  EXPECT_TRUE(shape.faults.has(Fault::kCrlf));
  EXPECT_TRUE(shape.set_all(""));
}

TEST(Shape, wrong_settings_are_refused) {
  for (const char* text :
       {"ttft", "ttft=", "ttft=5", "ttft=-5ms", "tps=-1", "tps=nan", "tps=1x", "tokens=-1",
        "tokens=1.5", "stamp=yes", "fault=", "speed=1", "=1", "tokens=100000001"}) {
    Shape shape;
    EXPECT_FALSE(shape.set_all(text)) << text;
  }
}

TEST(Shape, a_models_suffix_is_what_follows_the_first_question_mark) {
  EXPECT_EQ(shape_of_model("sim-small?tps=1&tokens=2"), "tps=1&tokens=2");
  EXPECT_EQ(shape_of_model("sim-small"), "");
  EXPECT_EQ(shape_of_model("a?b?c"), "b?c");
}

TEST(Pacer, tokens_are_due_at_even_distances_from_the_first) {
  const MonoTime start{seconds(7)};
  const Pacer pacer(start, milliseconds(20), 50);
  EXPECT_EQ(pacer.due(0), start + milliseconds(20));
  EXPECT_EQ(pacer.due(1), start + milliseconds(40));
  EXPECT_EQ(pacer.due(100), start + milliseconds(2020));
  EXPECT_EQ(pacer.end(101), pacer.due(100));
  EXPECT_EQ(pacer.end(0), pacer.due(0));
}

TEST(Pacer, a_gap_that_is_no_whole_nanosecond_does_not_drift) {
  const Pacer pacer(MonoTime{}, Duration::zero(), 3);
  EXPECT_EQ(pacer.due(3'000'000), MonoTime{seconds(1'000'000)});
  EXPECT_EQ(pacer.due(1), MonoTime{Duration(333'333'333)});
  EXPECT_EQ(pacer.due(2), MonoTime{Duration(666'666'667)});
}

TEST(Pacer, without_a_rate_everything_is_due_with_the_first_token) {
  const Pacer pacer(MonoTime{seconds(1)}, milliseconds(5), 0);
  EXPECT_EQ(pacer.due(1'000'000), MonoTime{seconds(1)} + milliseconds(5));
}

TEST(Pacer, what_lies_beyond_time_stays_at_its_end) {
  const Pacer pacer(MonoTime{seconds(1)}, milliseconds(5), 1e-9);
  EXPECT_EQ(pacer.due(UINT64_MAX), MonoTime::max());
}

}  // namespace
}  // namespace sluice::sim
