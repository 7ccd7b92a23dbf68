#include "drive/event_reader.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

constexpr std::string_view kEvents =
    ": hello\n\n"
    "data: {\"a\":1,\"t_ns\":1000}\n\n"
    "data: {\"a\":\"\\\"t_ns\\\":7\",\"t_ns\":3000}\n\n"
    "data: [DONE]\n\n";

MonoTime at(int64_t ns) { return MonoTime(Duration(ns)); }

TEST(EventReader, counts_events_gaps_and_delays) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(500), true);
  reader.take(kEvents, at(4000));
  EXPECT_EQ(reader.verdict(), "");
  EXPECT_EQ(reader.events(), 3u);
  EXPECT_EQ(tally.events, 3u);
  EXPECT_EQ(tally.first_event.max(), Duration(3500));
  EXPECT_EQ(tally.gap.count(), 2u);
  EXPECT_EQ(tally.delay.count(), 2u);
  EXPECT_EQ(tally.delay.max(), Duration(3000));
  EXPECT_EQ(tally.first_delay.count(), 1u);
  EXPECT_EQ(tally.first_delay.max(), Duration(3000));
}

TEST(EventReader, the_delay_of_each_streams_first_event_is_also_kept_apart) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  for (const int64_t seen : {1500, 1700}) {
    reader.begin(at(500), true);
    reader.take("data: {\"t_ns\":1000}\n\n", at(seen));
    reader.take("data: {\"t_ns\":1000}\n\n", at(9000));
  }
  EXPECT_EQ(tally.delay.count(), 4u);
  EXPECT_EQ(tally.first_delay.count(), 2u);
  EXPECT_EQ(tally.first_delay.max(), Duration(700));
}

TEST(EventReader, sees_the_same_whatever_the_cut) {
  for (size_t cut = 0; cut <= kEvents.size(); ++cut) {
    Tally tally;
    EventReader reader(tally, seconds(1));
    reader.begin(at(0), true);
    reader.take(kEvents.substr(0, cut), at(4000));
    reader.take(kEvents.substr(cut), at(4000));
    EXPECT_EQ(reader.verdict(), "") << cut;
    EXPECT_EQ(reader.events(), 3u) << cut;
    EXPECT_EQ(tally.delay.count(), 2u) << cut;
  }
}

TEST(EventReader, a_stream_without_done_is_not_good) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(0), true);
  reader.take("data: {}\n\n", at(1));
  EXPECT_EQ(reader.verdict(), "ended without [DONE]");
}

TEST(EventReader, an_error_event_is_not_good) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(0), true);
  reader.take("data: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n", at(1));
  EXPECT_EQ(tally.error_events, 1u);
  EXPECT_EQ(reader.verdict(), "error event");
}

TEST(EventReader, what_is_no_event_of_the_api_is_named) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"data: hello\n\ndata: [DONE]\n\n", "malformed event: not a JSON object"},
      {"data: {\"cut\n\ndata: [DONE]\n\n", "malformed event: not a JSON object"},
      {"date: {}\n\ndata: [DONE]\n\n", "malformed event: unknown field"},
      {"data: [DONE]\n\ndata: {}\n\n", "malformed event: behind [DONE]"},
      {"data: [DONE]\n\ndata: {", "malformed event: the body ends within it"},
  };
  for (const auto& [text, verdict] : kCases) {
    Tally tally;
    EventReader reader(tally, seconds(1));
    reader.begin(at(0), true);
    reader.take(text, at(1));
    EXPECT_EQ(reader.verdict(), verdict) << text;
  }
}

TEST(EventReader, a_gap_above_the_bound_is_a_stall) {
  Tally tally;
  EventReader reader(tally, Duration(100));
  reader.begin(at(0), true);
  reader.take("data: {}\n\n", at(500));
  reader.take("data: {}\n\n", at(600));
  reader.take("data: {}\n\n", at(701));
  EXPECT_EQ(tally.stalls, 1u);
}

TEST(EventReader, tokens_are_those_of_the_usage) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(0), true);
  reader.take("data: {\"usage\":null}\n\n", at(1));
  reader.take("data: {\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\n", at(1));
  EXPECT_EQ(tally.tokens, 5u);
}

TEST(EventReader, what_does_not_count_leaves_the_tally_alone) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(0), false);
  reader.take(kEvents, at(4000));
  EXPECT_EQ(reader.events(), 3u);
  EXPECT_EQ(reader.verdict(), "");
  EXPECT_EQ(tally.events + tally.delay.count() + tally.first_event.count(), 0u);
}

TEST(ByteCheck, every_other_byte_shorter_or_longer_body_differs) {
  for (size_t i = 0; i < kEvents.size(); ++i) {
    std::string other(kEvents);
    other[i] ^= 1;
    ByteCheck check(kEvents);
    check.take(other);
    EXPECT_TRUE(check.differs()) << i;
  }
  ByteCheck check(kEvents);
  check.take(kEvents.substr(0, kEvents.size() - 1));
  EXPECT_TRUE(check.differs());
  check.take("\n");
  EXPECT_FALSE(check.differs());
  check.take("\n");
  EXPECT_TRUE(check.differs());
}

TEST(EventReader, begins_anew_for_the_next_stream) {
  Tally tally;
  EventReader reader(tally, seconds(1));
  reader.begin(at(0), true);
  reader.take("data: {\"half", at(1));
  reader.begin(at(2), true);
  reader.take(kEvents, at(3));
  EXPECT_EQ(reader.verdict(), "");
  EXPECT_EQ(reader.events(), 3u);
}

TEST(StampOf, needs_a_number) {
  EXPECT_EQ(stamp_of(R"({"t_ns":12})"), 12);
  EXPECT_EQ(stamp_of(R"({"t_ns":"x"})"), std::nullopt);
  EXPECT_EQ(stamp_of(R"({"t_ns":)"), std::nullopt);
  EXPECT_EQ(stamp_of("{}"), std::nullopt);
}

}  // namespace
}  // namespace sluice::load
