#include <string>

#include <gtest/gtest.h>

#include <sluice/auth/key_record.h>

namespace sluice::auth {
namespace {

TEST(Glob, without_a_star_is_the_text_itself) {
  EXPECT_TRUE(matches_glob("gpt-4o", "gpt-4o"));
  EXPECT_FALSE(matches_glob("gpt-4o", "gpt-4o-mini"));
  EXPECT_FALSE(matches_glob("gpt-4o", "GPT-4o"));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("", "a"));
}

TEST(Glob, a_star_stands_for_any_characters_also_none) {
  for (const char* glob : {"*", "**", "gpt*", "*mini", "gpt-*-mini", "*4o*", "gpt-4o-mini*"}) {
    EXPECT_TRUE(matches_glob(glob, "gpt-4o-mini")) << glob;
  }
  for (const char* glob : {"gpt", "gpt-5*", "*maxi", "gpt-*-mini-*", "*4o*4o*", "mini*gpt"}) {
    EXPECT_FALSE(matches_glob(glob, "gpt-4o-mini")) << glob;
  }
  EXPECT_TRUE(matches_glob("*", ""));
  // Front and back must not share characters.
  EXPECT_FALSE(matches_glob("aba*aba", "aba"));
  EXPECT_FALSE(matches_glob("ab*ba", "aba"));
  EXPECT_TRUE(matches_glob("ab*ba", "abba"));
}

// All globs and texts of a small alphabet, against the definition.
bool matches_by_definition(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] != '*') {
    return !text.empty() && glob[0] == text[0] &&
           matches_by_definition(glob.substr(1), text.substr(1));
  }
  for (size_t taken = 0; taken <= text.size(); ++taken) {
    if (matches_by_definition(glob.substr(1), text.substr(taken))) return true;
  }
  return false;
}

std::string word_of(uint32_t number, std::string_view letters, uint32_t length) {
  std::string word;
  for (uint32_t i = 0; i < length; ++i, number /= letters.size()) {
    word += letters[number % letters.size()];
  }
  return word;
}

TEST(Glob, is_what_its_definition_says) {
  for (uint32_t glob_length = 0; glob_length <= 5; ++glob_length) {
    for (uint32_t i = 0; i < 243; ++i) {
      const std::string glob = word_of(i, "ab*", glob_length);
      for (uint32_t text_length = 0; text_length <= 5; ++text_length) {
        for (uint32_t j = 0; j < 32; ++j) {
          const std::string text = word_of(j, "ab", text_length);
          ASSERT_EQ(matches_glob(glob, text), matches_by_definition(glob, text))
              << glob << " against " << text;
        }
      }
    }
  }
}

// By trying everything this would take longer than the universe has.
TEST(Glob, many_stars_do_not_make_it_slow) {
  std::string glob;
  for (int i = 0; i < 127; ++i) glob += "*a";
  glob += "*b";
  EXPECT_FALSE(matches_glob(glob, std::string(100'000, 'a')));
}

}  // namespace
}  // namespace sluice::auth
