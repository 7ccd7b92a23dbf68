#include "hand_over.h"

#include <random>

#include <gtest/gtest.h>

namespace sluice::app {
namespace {

HandOver example() {
  return {
      .version = "1.2",
      .generation = 7,
      .descriptors = {
          {"listener", "127.0.0.1 8080", 5}, {"listener", "127.0.0.1 8080", 6}, {"banks", "", 9}}};
}

TEST(HandOverTest, what_is_handed_over_is_read_back) {
  const std::vector<int> fds = {15, 16, 19};
  const auto read = read_hand_over(hand_over_text(example()), fds);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->version, "1.2");
  EXPECT_EQ(read->generation, 7u);
  ASSERT_EQ(read->descriptors.size(), 3u);
  EXPECT_EQ(read->descriptors[1].name, "listener");
  EXPECT_EQ(read->descriptors[1].place, "127.0.0.1 8080");
  EXPECT_EQ(read->descriptors[2].fd, 19);
}

TEST(HandOverTest, descriptors_that_do_not_match_their_names_are_refused) {
  const std::vector<int> fds = {15, 16};
  EXPECT_FALSE(read_hand_over(hand_over_text(example()), fds));
  EXPECT_FALSE(read_hand_over(hand_over_text(example()), {}));
}

TEST(HandOverTest, another_format_names_both) {
  std::string text = hand_over_text(example());
  text.replace(text.find("\"format\":1"), 10, "\"format\":9");
  const std::vector<int> fds = {15, 16, 19};
  const auto read = read_hand_over(text, fds);
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().contains("format 9")) << read.error();
  EXPECT_TRUE(read.error().contains("restart")) << read.error();
  const auto word = read_successor_word(R"({"kind":"prepared","format":2,"version":"3"})");
  ASSERT_FALSE(word);
  EXPECT_TRUE(word.error().contains("format 2")) << word.error();
}

TEST(HandOverTest, words_of_the_successor_are_read_back) {
  const auto prepared = read_successor_word(prepared_text("2.0"));
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->kind, SuccessorWord::Kind::kPrepared);
  EXPECT_EQ(prepared->version, "2.0");
  const std::vector<std::string> names = {"listener", "banks"};
  const auto ready = read_successor_word(ready_text(names));
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->kind, SuccessorWord::Kind::kReady);
  EXPECT_EQ(ready->takes, names);
  const auto failed = read_successor_word(failed_text("line 3: \"wrong\""));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->kind, SuccessorWord::Kind::kFailed);
  EXPECT_EQ(failed->problem, "line 3: \"wrong\"");
  EXPECT_EQ(read_successor_word(failed_text(""))->problem, "it did not say why");
}

TEST(HandOverTest, a_long_complaint_is_cut) {
  const auto failed = read_successor_word(failed_text(std::string(1 << 20, 'x')));
  ASSERT_TRUE(failed);
  EXPECT_LE(failed->problem.size(), 16u * 1024);
}

TEST(HandOverTest, only_go_is_go) {
  EXPECT_TRUE(is_go(go_text()));
  for (const char* text : {"", "go", "{}", R"({"kind":"stop"})", R"({"kind":1})", "[]"}) {
    EXPECT_FALSE(is_go(text)) << text;
  }
}

// It comes from a process that this one has started, which may be any program.
TEST(HandOverTest, mutated_messages_are_refused_or_read_and_never_more) {
  std::mt19937 random(7);  // NOLINT: the same each time.
  const std::vector<int> fds = {1, 2, 3};
  const std::vector<std::string> names = {"listener", "banks"};
  const std::vector<std::string> seeds = {hand_over_text(example()), prepared_text("1"),
                                          ready_text(names), failed_text("no"), go_text()};
  for (int i = 0; i < 20'000; ++i) {
    std::string text = seeds[random() % seeds.size()];
    for (uint32_t edits = random() % 4 + 1; edits > 0 && !text.empty(); --edits) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, random() % 8); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 8)); break;
      }
    }
    if (const auto given = read_hand_over(text, fds)) {
      EXPECT_EQ(given->descriptors.size(), fds.size());
    }
    (void)read_successor_word(text);
    (void)is_go(text);
  }
}

}  // namespace
}  // namespace sluice::app
