#include <sluice/usage/resume_filter.h>

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <sluice/http/sse.h>
#include <sluice/usage/plain_events.h>
#include <sluice/usage/usage_filter.h>

#include "data_event.h"

namespace sluice::usage {
namespace {

using Standing = http::EventFilter::Standing;

constexpr std::string_view kDone = "data: [DONE]\n\n";
constexpr uint32_t kTextMax = 4096;

class LedgerRoom final : public CarryRoom {
 public:
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    if (refuses || bytes > bytes_.size()) return nullptr;
    is_lent = true;
    return bytes_.data();
  }
  void give_back() noexcept override { is_lent = false; }
  bool refuses = false;
  bool is_lent = false;

 private:
  alignas(64) std::array<char, 16 * 1024> bytes_;
};

std::string choice(std::string_view delta, std::string_view end = "null", int index = 0) {
  return event(R"({"id":"c","choices":[{"index":)" + std::to_string(index) + R"(,"delta":)" +
               std::string(delta) + R"(,"finish_reason":)" + std::string(end) + "}]}");
}
std::string text(std::string_view content, int index = 0) {
  return choice(R"({"content":")" + std::string(content) + "\"}", "null", index);
}
std::string role() { return choice(R"({"role":"assistant","content":""})"); }
std::string stop(int index = 0) { return choice("{}", "\"stop\"", index); }

class ResumeFilterTest : public testing::Test {
 protected:
  ResumeFilter make(ResumeMode mode) { return {reader_, mode, nullptr, room_, kTextMax}; }
  // What the client gets of one event.
  static std::string pass(ResumeFilter& filter, std::string_view event) {
    http::EventPieces instead;
    if (filter.keeps_whole(event, instead)) return std::string(event);
    std::string got;
    for (const std::string_view piece : instead.pieces()) got += piece;
    return got;
  }
  static std::string pass_all(ResumeFilter& filter, const std::vector<std::string>& events) {
    std::string got;
    for (const std::string& each : events) got += pass(filter, each);
    return got;
  }
  // The texts of a client's stream, by choice and kind.
  std::map<std::pair<uint64_t, size_t>, std::string> texts(std::string_view stream) {
    std::map<std::pair<uint64_t, size_t>, std::string> found;
    for (size_t at = 0; at < stream.size();) {
      const size_t end = stream.find("\n\n", at) + 2;
      const std::string_view payload = http::data_of(stream.substr(at, end - at)).first;
      at = end;
      const auto fields = reader_.read_choices(payload);
      if (!fields) continue;
      for (size_t i = 0; i < fields->count; ++i) {
        for (size_t kind = 0; kind < json::kSaidKinds; ++kind) {
          const json::ByteRange range = fields->choices[i].said[kind];
          std::string_view raw = payload.substr(range.offset, range.length);
          std::array<char, 4> scratch;
          std::string& all = found[{fields->choices[i].index, kind}];
          while (!raw.empty()) all += json::take_character(raw, scratch);
        }
      }
    }
    return found;
  }

  json::FieldReader reader_;
  LedgerRoom room_;
};

TEST_F(ResumeFilterTest, a_first_stream_goes_on_untouched) {
  for (const ResumeMode mode : {ResumeMode::kRetry, ResumeMode::kAppend}) {
    ResumeFilter filter = make(mode);
    const std::vector<std::string> events = {
        ": hi\n\n",        role(), text("a"),
        choice("{}"),      stop(), event(R"({"choices":[],"usage":{}})"),
        std::string(kDone)};
    std::string all;
    for (const std::string& each : events) all += each;
    EXPECT_EQ(pass_all(filter, events), all);
    EXPECT_TRUE(filter.is_complete());
    EXPECT_FALSE(filter.can_resume());
  }
  EXPECT_FALSE(room_.is_lent);
}

TEST_F(ResumeFilterTest, d023_a_repeated_stream_is_withheld_up_to_where_the_client_stands) {
  ResumeFilter filter = make(ResumeMode::kRetry);
  pass_all(filter, {role(), text("Hel"), text("lo w")});
  ASSERT_TRUE(filter.can_resume());
  EXPECT_FALSE(filter.is_complete());
  filter.resume();
  EXPECT_EQ(pass(filter, role()), "");
  EXPECT_EQ(pass(filter, text("Hello")), "");
  EXPECT_FALSE(filter.is_complete());
  EXPECT_EQ(pass(filter, text(" world")), text("orld"));
  EXPECT_EQ(pass(filter, text("!")), text("!"));
  EXPECT_EQ(pass(filter, stop()), stop());
  EXPECT_TRUE(filter.is_complete());
  EXPECT_EQ(pass(filter, kDone), kDone);
}

TEST_F(ResumeFilterTest, d023_a_stream_with_another_text_ends_before_it_is_seen) {
  for (const std::vector<std::string>& again : {std::vector<std::string>{text("Help")},
                                                {text("Hexlo"), text("x")},
                                                {stop()},
                                                {text("He"), stop()},
                                                {std::string(kDone)},
                                                {text("He"), event("{\"x\":1}")},
                                                {choice(R"({"tool_calls":[{"index":0}]})")},
                                                {text("Hel\\u00e9")}}) {
    ResumeFilter filter = make(ResumeMode::kRetry);
    pass_all(filter, {role(), text("Hell")});
    filter.resume();
    EXPECT_EQ(pass_all(filter, again), "") << again[0];
    EXPECT_EQ(filter.standing(), Standing::kDiffers) << again[0];
    EXPECT_EQ(pass(filter, text("more")), "");
    EXPECT_FALSE(filter.can_resume());
    EXPECT_FALSE(filter.is_complete());
  }
}

// Events without choices have no text to be known by: their place among the texts tells them.
TEST_F(ResumeFilterTest, d023_an_event_without_choices_goes_out_once) {
  const std::string filters = event(R"({"choices":[],"prompt_filter_results":[]})");
  const std::string usage = event(R"({"choices":[],"usage":{"prompt_tokens":1}})");
  const std::vector<std::string> whole = {filters, role(), text("Hel"), filters, text("lo"), usage};
  std::string all;
  for (const std::string& each : whole) all += each;
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    ResumeFilter filter = make(ResumeMode::kRetry);
    std::string got = pass_all(filter, {whole.begin(), whole.begin() + static_cast<int>(cut)});
    for (int again = 0; again < 2; ++again) {
      filter.resume();
      got += pass_all(filter, whole);
    }
    EXPECT_EQ(got, all);
    EXPECT_EQ(pass(filter, kDone), kDone);
  }
}

TEST_F(ResumeFilterTest, d023_one_text_may_be_spelled_in_several_ways) {
  ResumeFilter filter = make(ResumeMode::kRetry);
  pass_all(filter, {text("\xC3\xA9\\n\\ud83d\\ude00")});
  filter.resume();
  EXPECT_EQ(pass(filter, text("\\u00e9\\u000a\xF0\x9F\x98\x80z\\n")), text("z\\n"));
  EXPECT_EQ(filter.standing(), Standing::kGoesOn);
}

TEST_F(ResumeFilterTest, d023_a_stream_that_continues_goes_on_but_for_its_role) {
  ResumeFilter filter = make(ResumeMode::kAppend);
  EXPECT_EQ(filter.partial(), "");
  pass_all(filter, {role(), text("a \\\"b"), text("\\n")});
  EXPECT_EQ(filter.partial(), "a \\\"b\\n");
  filter.resume();
  EXPECT_EQ(pass(filter, role()), "");
  EXPECT_EQ(pass(filter, text("c")), text("c"));
  EXPECT_EQ(filter.partial(), "a \\\"b\\nc");
  filter.resume();
  EXPECT_EQ(pass(filter, choice(R"({"role":"assistant","content":"d"})")),
            choice(R"({"role":"","content":"d"})"));
  EXPECT_EQ(pass(filter, stop()), stop());
  EXPECT_FALSE(filter.can_resume());
}

TEST_F(ResumeFilterTest, d023_what_cannot_be_followed_is_passed_and_not_resumed) {
  for (const std::string& odd :
       {choice(R"({"tool_calls":[{"index":0}]})"), event("{\"x\":1}"), event("no json"),
        text("a", 9), std::string("data: {\"choices\":\ndata: []}\n\n")}) {
    ResumeFilter filter = make(ResumeMode::kRetry);
    EXPECT_EQ(pass(filter, odd), odd);
    EXPECT_FALSE(filter.can_resume()) << odd;
  }
  ResumeFilter large = make(ResumeMode::kRetry);
  pass(large, text("a"));
  EXPECT_TRUE(large.passes_unasked());
  EXPECT_FALSE(large.can_resume());
}

TEST_F(ResumeFilterTest, d023_no_event_goes_on_unasked_while_the_text_is_repeated) {
  ResumeFilter filter = make(ResumeMode::kRetry);
  pass(filter, text("abc"));
  filter.resume();
  pass(filter, text("ab"));
  EXPECT_FALSE(filter.passes_unasked());
  EXPECT_EQ(filter.standing(), Standing::kDiffers);
}

TEST_F(ResumeFilterTest, continues_only_the_content_of_one_choice_that_fits) {
  for (const std::string& odd :
       {text("a", 1), choice(R"({"reasoning_content":"hm"})"), text(std::string(5000, 'x'))}) {
    ResumeFilter filter = make(ResumeMode::kAppend);
    pass(filter, text("a"));
    EXPECT_EQ(pass(filter, odd), odd);
    EXPECT_FALSE(filter.can_resume());
  }
}

TEST_F(ResumeFilterTest, an_error_of_the_upstream_is_its_loss) {
  ResumeFilter filter = make(ResumeMode::kRetry);
  pass(filter, text("a"));
  EXPECT_EQ(pass(filter, event(R"({"error":{"message":"dead"}})")), "");
  EXPECT_EQ(filter.standing(), Standing::kLost);
  EXPECT_EQ(pass(filter, kDone), "");
  ASSERT_TRUE(filter.can_resume());
  filter.resume();
  EXPECT_EQ(pass(filter, text("ab")), text("b"));
}

TEST_F(ResumeFilterTest, without_memory_everything_passes_and_nothing_is_resumed) {
  room_.refuses = true;
  ResumeFilter filter = make(ResumeMode::kRetry);
  EXPECT_EQ(pass(filter, text("a")), text("a"));
  EXPECT_FALSE(filter.can_resume());
}

TEST_F(ResumeFilterTest, the_usage_that_nobody_asked_for_stays_hidden) {
  PlainEvents plain;
  UsageFilter inner(reader_, plain);
  ResumeFilter filter(reader_, ResumeMode::kRetry, &inner, room_, kTextMax);
  EXPECT_EQ(pass(filter, event(R"({"choices":[],"usage":{"prompt_tokens":1}})")), "");
  EXPECT_EQ(pass(filter, text("a")), text("a"));
}

// The answer's texts in events of random sizes, spelled at random.
std::vector<std::string> cut_up(std::mt19937& random,
                                const std::vector<std::vector<std::string>>& characters) {
  std::vector<std::string> events = {role()};
  std::vector<size_t> at(characters.size());
  for (;;) {
    std::vector<int> open;
    for (size_t i = 0; i < at.size(); ++i) {
      if (at[i] <= characters[i].size()) open.push_back(static_cast<int>(i));
    }
    if (open.empty()) break;
    const int index = open[random() % open.size()];
    size_t& from = at[static_cast<size_t>(index)];
    const auto& all = characters[static_cast<size_t>(index)];
    if (from == all.size()) {
      events.push_back(stop(index));
      ++from;
      continue;
    }
    std::string piece;
    for (size_t left = 1 + random() % 6; left > 0 && from < all.size(); --left, ++from) {
      piece += all[from] == "\xC3\xA9" && random() % 2 == 0 ? "\\u00e9" : all[from];
    }
    events.push_back(text(piece, index));
  }
  events.emplace_back(kDone);
  return events;
}

TEST_F(ResumeFilterTest, d023_no_text_is_lost_or_doubled_whatever_breaks_off_where) {
  const std::vector<std::string> alphabet = {"a", "b", " ", "\\n", "\\\"", "\xC3\xA9", "z"};
  for (unsigned seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<std::vector<std::string>> characters(1 + random() % 3);
    for (auto& of_choice : characters) {
      for (size_t i = random() % 60; i > 0; --i) {
        of_choice.push_back(alphabet[random() % alphabet.size()]);
      }
    }
    ResumeFilter filter = make(ResumeMode::kRetry);
    std::string got, whole;
    for (bool is_over = false; !is_over;) {
      const std::vector<std::string> events = cut_up(random, characters);
      whole.clear();
      for (const std::string& each : events) whole += each;
      const size_t count = random() % 3 == 0 ? events.size() : random() % events.size();
      for (size_t i = 0; i < count; ++i) got += pass(filter, events[i]);
      ASSERT_EQ(filter.standing(), Standing::kGoesOn);
      is_over = count == events.size();
      EXPECT_EQ(filter.can_resume(), !is_over);
      if (!is_over) filter.resume();
    }
    const auto found = texts(got), expected = texts(whole);
    for (const auto& [key, value] : expected) {
      const auto at = found.find(key);
      EXPECT_EQ(at == found.end() ? "" : at->second, value);
    }
    for (size_t i = 0; i < characters.size(); ++i) {
      const std::string end = stop(static_cast<int>(i));
      const size_t first = got.find(end);
      ASSERT_NE(first, std::string::npos);
      EXPECT_EQ(got.find(end, first + 1), std::string::npos);
    }
    EXPECT_TRUE(got.ends_with(kDone));
  }
}

}  // namespace
}  // namespace sluice::usage
