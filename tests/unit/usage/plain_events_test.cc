// What matches a learned event, and what must not.
#include <sluice/usage/plain_events.h>

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include <sluice/http/chunked.h>

#include "plain_match.h"

namespace sluice::usage {
namespace {

const std::string kBefore = R"(data: {"id":"c","choices":[{"delta":{"content":")";
const std::string kBehind = "\"},\"finish_reason\":null}],\"usage\":null}\n\n";

std::string said(const std::string& text) { return kBefore + text + kBehind; }

class PlainEventsTest : public testing::Test {
 protected:
  PlainEventsTest() { plain_.learn(said("first")); }
  uint32_t matches(const std::string& span) { return plain_.match(span, 0).events; }
  PlainEvents plain_;
};

TEST_F(PlainEventsTest, matches_runs_of_events_with_any_other_text) {
  std::string span;
  for (const char* text :
       {"a", "a longer text than sixteen bytes, to be sure", "\\n\\\\n", "\xc3\xa9"}) {
    span += said(text);
  }
  const PlainEvents::Run run = plain_.match(span, 0);
  EXPECT_EQ(run.events, 4u);
  EXPECT_EQ(run.end, span.size());
  EXPECT_EQ(plain_.match("ab" + span, 2).events, 4u);
}

TEST_F(PlainEventsTest, stops_before_an_event_that_is_not_like_it) {
  const std::string good = said("a");
  for (const std::string& other :
       {said(""),               // No text: an event without content.
        said("a\",\"b\":\"c"),  // More members.
        said("a\\"),            // The text goes on behind the quote.
        said("a\nb"),           // A line end.
        said(std::string(1, '\0')), good.substr(0, good.size() - 1),
        std::string("data: [DONE]\n\n"), std::string("\n") + good, std::string()}) {
    const std::string span = good + other;
    const PlainEvents::Run run = plain_.match(span, 0);
    EXPECT_EQ(run.events, 1u) << other;
    EXPECT_EQ(run.end, good.size()) << other;
  }
}

std::string chunk(const std::string& payload) {
  std::array<char, http::kChunkHeadBytesMax> head;
  return std::string(http::write_chunk_head(head, payload.size())) + payload + "\r\n";
}

TEST_F(PlainEventsTest, finds_the_chunks_that_hold_nothing_else) {
  const std::string good = chunk(said("a")) + chunk(said("b") + said("c"));
  const std::string bytes = "ab" + good;
  const auto all = plain_.find_chunks(bytes, 2);
  EXPECT_EQ(all.end, bytes.size());
  EXPECT_EQ(all.events, 3u);
  EXPECT_EQ(all.payload_bytes, said("a").size() * 3);
  EXPECT_EQ(all.last, said("b") + said("c"));
  for (const std::string& other :
       {chunk(said("")), chunk(said("a") + "x"), chunk(said("a") + "data: [DONE]\n\n"),
        chunk(said("a").substr(0, 20)), std::string("0\r\n\r\n"), std::string()}) {
    const std::string span = good + other;
    const auto found = plain_.find_chunks(span, 0);
    EXPECT_EQ(found.end, good.size()) << other;
    EXPECT_EQ(found.events, 3u) << other;
    EXPECT_EQ(found.last, said("b") + said("c")) << other;
  }
}

TEST_F(PlainEventsTest, a_chunk_that_is_cut_at_any_byte_is_not_found) {
  const std::string whole = chunk(said("text"));
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto found = plain_.find_chunks(std::string_view(whole).substr(0, size), 0);
    EXPECT_EQ(found.events, 0u) << size;
    EXPECT_EQ(found.end, 0u) << size;
  }
}

TEST(MatchEvent, versions_agree_at_every_length_of_each_part) {
  const MatchEvent wide = wide_match_event();
  if (wide == nullptr) GTEST_SKIP() << "the machine lacks it";
  for (uint32_t before = 20; before < 100; before += 3) {
    for (uint32_t behind = 4; behind < 70; ++behind) {
      LearnedEvent learned{
          .before_bytes = before, .behind_bytes = behind, .before = {}, .behind = {}};
      learned.before.fill('b');
      learned.behind.fill('e');
      learned.behind[0] = '"';
      for (size_t text = 0; text < 80; text += 7) {
        std::string event =
            std::string(before, 'b') + std::string(text, 't') + "\"" + std::string(behind - 1, 'e');
        ASSERT_EQ(wide("xy" + event, 2, learned), narrow_match_event()("xy" + event, 2, learned));
        ASSERT_EQ(wide(event, 0, learned), text == 0 ? std::string::npos : event.size());
        // A block of the exact size, so that a sanitizer sees a read outside.
        for (const size_t at : {size_t{0}, size_t{before} - 1, event.size() - 1}) {
          const std::unique_ptr<char[]> block(new char[event.size()]);
          event.copy(block.get(), event.size());
          block[at] ^= 1;
          ASSERT_EQ(wide({block.get(), event.size()}, 0, learned), std::string::npos) << at;
        }
      }
    }
  }
}

TEST_F(PlainEventsTest, a_cut_at_any_byte_is_no_match) {
  const std::string whole = said("text");
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(matches(whole.substr(0, size)), 0u);
}

TEST(PlainEvents, nothing_matches_before_something_is_learned) {
  EXPECT_EQ(PlainEvents().match(said("a"), 0).events, 0u);
}

// Goal: in what is no JSON a text may be a key, which no text that follows it has to be.
TEST(PlainEvents, learns_no_event_whose_text_is_a_key) {
  for (const char* behind : {"\":\"stop\"}}]}\n\n", "\" :1}}]}\n\n", "\"\n\n"}) {
    PlainEvents plain;
    const std::string text = kBefore + "finish_reason" + behind;
    plain.learn(text);
    EXPECT_EQ(plain.match(text, 0).events, 0u) << behind;
  }
}

TEST(PlainEvents, learns_the_first_of_several_events) {
  PlainEvents plain;
  plain.learn(said("a") + said("b") + "data: [DO");
  EXPECT_EQ(plain.match(said("c"), 0).events, 1u);
}

TEST(PlainEvents, learns_no_event_that_needs_a_look) {
  const auto with = [](const std::string& before, const std::string& behind) {
    return "data: {" + before + "\"delta\":{\"content\":\"a" + behind;
  };
  for (const std::string& unfit :
       {said(""), said("a\\"), said("a").substr(1), said("a").substr(0, said("a").size() - 1),
        with("", "\"}\n"), with("", "\"}\r\n\r\n"), with("", "\"}\ndata: }\n\n"),
        with("\n", "\"}\n\n"), with("", "\"}" + std::string(200, ' ') + "\n\n"),
        with(std::string(400, ' '), "\"}\n\n"), with("\"usage\":{},", "\"}}\n\n"),
        with("\"delta\":{},", "\"}}\n\n"), with("", "\"},\"usage\":{\"prompt_tokens\":1}}\n\n"),
        with("", "\"},\"finish_reason\":\"stop\"}\n\n"),
        with("\"finish_reason\":\"stop\",", "\"}}\n\n"), std::string("data: [DONE]\n\n"),
        std::string("data: {\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}\n\n")}) {
    PlainEvents plain;
    plain.learn(unfit);
    EXPECT_EQ(plain.match(unfit, 0).events, 0u) << unfit;
    EXPECT_EQ(plain.match(said("a"), 0).events, 0u) << unfit;
  }
}

TEST(PlainEvents, learning_in_vain_ends) {
  PlainEvents plain;
  const auto numbered = [](int number) {
    return "data: {\"n\":" + std::to_string(number) + ",\"delta\":{\"content\":\"a\"}}\n\n";
  };
  for (int i = 0; i < 100; ++i) plain.learn(numbered(i));
  EXPECT_EQ(plain.match(numbered(99), 0).events, 0u);
}

}  // namespace
}  // namespace sluice::usage
