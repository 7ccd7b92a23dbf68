#include "event_reader.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

constexpr std::string_view kStream =
    ": hello\n\n"
    "data: {\"a\":1,\"t_ns\":1000}\n\n"
    "data: {\"a\":\"\\\"t_ns\\\":7\",\"t_ns\":3000}\n\n"
    "data: [DONE]\n\n";

MonoTime at(int64_t ns) { return MonoTime(Duration(ns)); }

TEST(EventReader, counts_events_gaps_and_delays) {
  Tally tally;
  EventReader reader(tally, {});
  reader.begin(at(500));
  reader.take(kStream, at(4000));
  EXPECT_EQ(reader.verdict(), "");
  EXPECT_EQ(reader.events(), 3u);
  EXPECT_EQ(tally.events, 3u);
  EXPECT_EQ(tally.bytes, kStream.size());
  EXPECT_EQ(tally.first_event.max(), Duration(3500));
  EXPECT_EQ(tally.gap.count(), 2u);
  EXPECT_EQ(tally.delay.count(), 2u);
  EXPECT_EQ(tally.delay.max(), Duration(3000));
}

TEST(EventReader, sees_the_same_whatever_the_cut) {
  for (size_t cut = 0; cut <= kStream.size(); ++cut) {
    Tally tally;
    EventReader reader(tally, kStream);
    reader.begin(at(0));
    reader.take(kStream.substr(0, cut), at(4000));
    reader.take(kStream.substr(cut), at(4000));
    EXPECT_EQ(reader.verdict(), "") << cut;
    EXPECT_EQ(reader.events(), 3u) << cut;
    EXPECT_EQ(tally.delay.count(), 2u) << cut;
  }
}

TEST(EventReader, a_stream_without_done_is_not_good) {
  Tally tally;
  EventReader reader(tally, {});
  reader.begin(at(0));
  reader.take("data: {}\n\n", at(1));
  EXPECT_EQ(reader.verdict(), "ended without [DONE]");
}

TEST(EventReader, an_error_event_is_not_good) {
  Tally tally;
  EventReader reader(tally, {});
  reader.begin(at(0));
  reader.take("data: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n", at(1));
  EXPECT_EQ(tally.error_events, 1u);
  EXPECT_EQ(reader.verdict(), "error event");
}

TEST(EventReader, every_other_byte_shorter_or_longer_body_differs) {
  for (size_t i = 0; i < kStream.size(); ++i) {
    std::string other(kStream);
    other[i] ^= 1;
    Tally tally;
    EventReader reader(tally, kStream);
    reader.begin(at(0));
    reader.take(other, at(1));
    EXPECT_TRUE(reader.differs()) << i;
  }
  Tally tally;
  EventReader reader(tally, kStream);
  reader.begin(at(0));
  reader.take(kStream.substr(0, kStream.size() - 1), at(1));
  EXPECT_TRUE(reader.differs());
  reader.take("\n", at(1));
  EXPECT_FALSE(reader.differs());
  reader.take("\n", at(1));
  EXPECT_TRUE(reader.differs());
}

TEST(EventReader, begins_anew_for_the_next_stream) {
  Tally tally;
  EventReader reader(tally, kStream);
  reader.begin(at(0));
  reader.take("data: {\"half", at(1));
  reader.begin(at(2));
  reader.take(kStream, at(3));
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
