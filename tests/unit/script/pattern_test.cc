#include "pattern.h"

#include <gtest/gtest.h>

#include "script_run.h"

namespace sluice::script {
namespace {

TEST(Pattern, translations) {
  EXPECT_EQ(translate("a", true)->regex, "[\\x61-\\x61]");
  EXPECT_EQ(translate("%d*", true)->regex, "[\\x30-\\x39]*");
  EXPECT_EQ(translate(".-$", true)->regex, "[\\x00-\\xff]*?\\z");
  EXPECT_EQ(translate("[^%z]", true)->regex, "[\\x01-\\xff]");
  EXPECT_TRUE(translate("^a", true)->is_anchored);
  EXPECT_FALSE(translate("^a", false)->is_anchored);
  EXPECT_EQ(translate("()(a)()", true)->position_captures, 0b101u);
}

TEST(Pattern, what_lua_has_and_re2_has_not_is_refused_clearly) {
  expect_error("return string.find('a', '%b()')", "%b is not available in scripts");
  expect_error("return string.find('a', '%f[a]')", "%f is not available in scripts");
  expect_error("return string.find('a', '(a)%1')", "back references (%1) are not available");
}

TEST(Pattern, malformed_patterns_are_errors) {
  expect_error("return string.find('a', '[a')", "malformed pattern (missing ']')");
  expect_error("return string.find('a', '[]')", "malformed pattern (missing ']')");
  expect_error("return string.find('a', '[^]')", "malformed pattern (missing ']')");
  expect_error("return string.find('a', '[a%')", "malformed pattern (missing ']')");
  expect_error("return string.find('a', 'a%')", "malformed pattern (ends with '%')");
  expect_error("return string.find('a', '(a')", "unfinished capture");
  expect_error("return string.match('a', 'a)')", "invalid pattern capture");
  expect_error("return string.find('a', string.rep('()', 33))", "too many captures");
  expect_error("return string.find('a', string.rep('.', 257))", "the pattern is too long");
  expect_error("return string.find(string.rep('a', 40000), '.')", "the text is too long");
  expect_true("return string.find(string.rep('a', 40000) .. '.', '.', 1, true) == 40001");
}

TEST(Pattern, classes) {
  expect_true("return ('aZ09_ \\t!\\0\\200'):gsub('%a', '') == '09_ \\t!\\0\\200'");
  expect_true("return ('aZ09_ \\t!'):gsub('%W', '') == 'aZ09'");
  expect_true("return ('aZ09_ \\t\\r\\n!'):gsub('%s', '') == 'aZ09_!'");
  expect_true("return ('a\\0b'):find('%z') == 2 and ('a\\0b'):find('[%z]') == 2");
  expect_true("return ('a-b]c^d'):gsub('[]^-]', '') == 'abcd'");
  expect_true("return ('a-z'):match('[a-]+') == 'a-' and ('x%y'):match('[%%]') == '%'");
  expect_true("return ('\\233'):find('%a') == nil and ('\\233'):find('[\\200-\\255]') == 1");
  expect_true("return ('a.b'):find('.', 1, true) == 2 and ('a.b'):find('%.') == 2");
  expect_true("return ('line\\nline'):match('.+') == 'line\\nline'");
}

TEST(Pattern, repetitions_and_anchors) {
  expect_true("return ('<a><b>'):match('<(.-)>') == 'a' and ('<a><b>'):match('<(.*)>') == 'a><b'");
  expect_true("return ('aab'):match('^a+') == 'aa' and ('baa'):match('^a+') == nil");
  expect_true(
      "return ('a$b'):find('$b') == 2 and ('ab'):find('b$') == 2 and ('ba'):find('b$') == nil");
  expect_true("return ('*a'):match('*a') == '*a' and ('a^'):find('a^') == 1");
  expect_true(
      "return ('colour'):match('colou?r') == 'colour' and ('color'):match('colou?r') == 'color'");
  expect_true("local a, b = ('abc'):find('', 10) return a == 4 and b == 3");
  expect_true("local a, b = ('hello'):find('l+', -3) return a == 3 and b == 4");
  expect_true("return ('hello'):find('^l', 3) == 3");
}

TEST(Pattern, captures) {
  expect_true(
      "local k, v = ('key = value'):match('^(%w+)%s*=%s*(%w+)$') "
      "return k == 'key' and v == 'value'");
  expect_true("local a, b, c = ('abc'):find('b()') return a == 2 and b == 2 and c == 3");
  expect_true(
      "local a, b = ('2024-05'):match('((%d+)-%d+)') return a == '2024-05' and b == '2024'");
}

TEST(Pattern, gmatch) {
  expect_true(
      "local t = {} for w in ('one two'):gmatch('%a+') do t[#t + 1] = w end "
      "return table.concat(t, '|') == 'one|two'");
  expect_true("local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n == 4");
  expect_true(
      "local t = {} for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do t[k] = v end "
      "return t.a == '1' and t.b == '2'");
  expect_true("local n = 0 for _ in ('a^a'):gmatch('^a') do n = n + 1 end return n == 1");
}

TEST(Pattern, gsub) {
  expect_true("local s, n = ('hello world'):gsub('o', '0') return s == 'hell0 w0rld' and n == 2");
  expect_true("return ('hello'):gsub('', '-') == '-h-e-l-l-o-'");
  expect_true("return ('abc'):gsub('%w', '%0%0', 2) == 'aabbc'");
  expect_true("return ('a b'):gsub('(%w) (%w)', '%2 %1') == 'b a'");
  expect_true("return ('$x $y'):gsub('$(%w)', {x = '1'}) == '1 $y'");
  expect_true(
      "return ('abc'):gsub('%w', function(c) if c == 'b' then return 'B' end end) == 'aBc'");
  expect_true("return ('abc'):gsub('^a', 'x') == 'xbc' and ('aaa'):gsub('^a', 'x') == 'xaa'");
  expect_true("return ('abc'):gsub('b', '%%') == 'a%c' and ('abc'):gsub('.', '', 0) == 'abc'");
  expect_true("return ('abc'):gsub('()b', '%1') == 'a2c'");
  expect_error("return ('abc'):gsub('b', '%2')", "invalid capture index");
  expect_error("return ('abc'):gsub('b', function() return {} end)", "invalid replacement value");
}

TEST(Pattern, what_makes_backtracking_explode_ends) {
  expect_true(
      "local s = string.rep('a', 30000) "
      "return s:find('a-a-a-a-a-a-a-a-a-b') == nil");
  expect_true("local s = string.rep('a', 30000) return s:find('.-.-.-.-.-.-x$') == nil");
  expect_true(
      "local s = string.rep('x', 500) "
      "return s:match('^(.*)(.*)(.*)(.*)(.*)(.*)y') == nil");
}

TEST(Pattern, cache_is_bounded) {
  PatternCache cache;
  for (size_t i = 0; i < kPatternsMax; ++i) {
    ASSERT_NE(cache.find("a" + std::to_string(i), true).pattern, nullptr);
  }
  EXPECT_EQ(cache.find("one more", true).pattern, nullptr);
  EXPECT_FALSE(cache.find("a1", true).is_new);
  cache.begin_call();
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_TRUE(cache.find("one more", true).is_new);
  EXPECT_TRUE(cache.find("one more", false).is_new);
}

TEST(Pattern, largest_pattern_fits_re2s_memory) {
  for (const std::string_view piece : {"%w*", ".-", "(a)", "[^a-z%d]?"}) {
    std::string text;
    while (text.size() + piece.size() <= kPatternBytesMax && text.size() < 32 * piece.size()) {
      text += piece;
    }
    PatternCache cache;
    const PatternCache::Found found = cache.find(text, true);
    ASSERT_NE(found.pattern, nullptr) << piece << found.error;
    Spans spans;
    static_cast<void>(found.pattern->match(std::string(kSubjectBytesMax, 'a'), 0, spans));
  }
}

}  // namespace
}  // namespace sluice::script
