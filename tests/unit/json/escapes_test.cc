#include "escapes.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "escape_masks.h"
#include "padded.h"

namespace sluice::json {
namespace {

size_t bad_at(std::string_view text) {
  const Padded padded(text);
  return find_bad_escape(padded.text());
}

std::string plain(std::string_view raw) {
  std::string out(raw.size(), '\0');
  out.resize(unescape(raw, out));
  return out;
}

TEST(FindBadEscape, accepts_each_escape_at_every_place_of_a_block) {
  for (size_t before = 0; before < 140; ++before) {
    for (const char* escape : {"\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u00aF",
                               "\\\\\\\\", "\\\\\\u1234", "\\u005c\\n"}) {
      const std::string text = std::string(before, 'x') + escape + "uuuu";
      EXPECT_EQ(bad_at(text), std::string::npos) << text;
      EXPECT_EQ(bad_at(text.substr(0, before) + escape), std::string::npos) << text;
    }
  }
}

TEST(FindBadEscape, finds_a_bad_one_at_every_place_of_a_block) {
  for (size_t before = 0; before < 140; ++before) {
    for (const char* escape : {"\\x", "\\", "\\u", "\\u123", "\\u12g4", "\\ ", "\\0", "\\'", "\\N"}) {
      const std::string text = std::string(before, '\\') + (before % 2 == 1 ? "\\" : "");
      EXPECT_EQ(bad_at(text + escape), text.size()) << text << escape;
      EXPECT_EQ(bad_at(std::string(before, 'x') + escape), before) << escape;
    }
  }
}

// The fast classification is chosen by the CPU, so the plain one would go untested beside it.
TEST(ClassifyEscapes, both_ways_agree_on_every_byte_after_a_backslash) {
  std::string text(6 * EscapeMasks::kBlock + 64, 'x');
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t at = 0; at < 2 * EscapeMasks::kBlock; at += 2) {
      text[at] = '\\';
      text[at + 1] = static_cast<char>(byte);
    }
    std::array<EscapeMasks, 2> plain{};
    std::array<EscapeMasks, 2> fast{};
    classify_escapes_generic(text.data(), 2, plain.data());
    choose_classify_escapes()(text.data(), 2, fast.data());
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(plain[i].backslashes, fast[i].backslashes) << byte;
      ASSERT_EQ(plain[i].before_letter, fast[i].before_letter & fast[i].backslashes) << byte;
      const bool is_letter = byte != 0 && std::string_view("\"\\/bfnrt").find(static_cast<char>(byte)) !=
                                              std::string_view::npos;
      ASSERT_EQ((plain[i].before_letter & 1) != 0, is_letter) << byte;
    }
  }
}

TEST(Unescape, resolves_every_kind) {
  EXPECT_EQ(plain(""), "");
  EXPECT_EQ(plain("plain"), "plain");
  EXPECT_EQ(plain(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(plain(R"(a\u0062c\u00e9\u20AC)"), "abc\xC3\xA9\xE2\x82\xAC");
  EXPECT_EQ(plain(R"(\ud83d\ude00)"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(plain(R"(\u0000x)"), std::string("\0x", 2));
}

TEST(Unescape, a_lone_surrogate_becomes_the_replacement_character) {
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(plain(R"(\ud83d)"), replacement);
  EXPECT_EQ(plain(R"(\ude00a)"), replacement + "a");
  EXPECT_EQ(plain(R"(\ud83d\n)"), replacement + "\n");
  EXPECT_EQ(plain(R"(\ud83d\ud83d\ude00)"), replacement + "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace sluice::json
