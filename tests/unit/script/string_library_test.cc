#include "libraries.h"

#include "script_run.h"

namespace sluice::script {
namespace {

TEST(StringLibrary, find_of_plain_text) {
  expect_true("local a, b = ('a.b.c'):find('.b', 1, true) return a == 2 and b == 3");
  expect_true(
      "return ('abc'):find('d') == nil and ('abc'):find('') == 1 and (''):find('a') == nil");
  expect_true("return ('abcabc'):find('b', 3) == 5 and ('abc'):find('a', -1) == nil");
  expect_true("return ('a\\0b'):find('\\0', 1, true) == 2 and ('abc'):find('abcd') == nil");
  expect_true("return ('abc'):find('c', -100) == 3 and ('abc'):find('a', 100) == nil");
}

TEST(StringLibrary, repeat) {
  expect_true("return ('ab'):rep(3) == 'ababab' and ('ab'):rep(3, '-') == 'ab-ab-ab'");
  expect_true("return ('ab'):rep(1) == 'ab' and ('ab'):rep(1, '-') == 'ab' and ('a'):rep(0) == ''");
  expect_true("return (''):rep(3, '-') == '--' and #('abc'):rep(100001) == 300003");
  expect_true("return ('abc'):rep(7, ', '):gsub('abc, ', '') == 'abc'");
}

TEST(StringLibrary, case_and_order) {
  expect_true("return ('aBz\\233'):upper() == 'ABZ\\233' and ('AbZ1'):lower() == 'abz1'");
  expect_true("return ('abc'):reverse() == 'cba' and (''):reverse() == '' and (''):upper() == ''");
}

TEST(StringLibrary, format_says_where_it_failed) {
  expect_error("\nlocal x = string.format('%d', 'x')", "s.lua:2: string.format: bad argument");
  expect_true("return string.format('%s %d', 'a', 5) == 'a 5'");
  expect_true(
      "return string.format('%s', setmetatable({}, {__tostring = function() return 'me' "
      "end})) == 'me'");
}

}  // namespace
}  // namespace sluice::script
