#include "libraries.h"

#include "script_run.h"

namespace sluice::script {
namespace {

TEST(TableLibrary, insert) {
  expect_true(
      "local t = {1, 3} table.insert(t, 2, 2) table.insert(t, 4) "
      "return table.concat(t) == '1234'");
  expect_error("table.insert({}, -1e9, 1)", "position out of bounds");
  expect_error("table.insert({}, 3, 1)", "position out of bounds");
}

TEST(TableLibrary, remove) {
  expect_true(
      "local t = {1, 2, 3} return table.remove(t) == 3 and table.remove(t, 1) == 1 and "
      "#t == 1 and t[1] == 2 and table.remove({}) == nil and table.remove(t, 9) == nil");
}

TEST(TableLibrary, concat) {
  expect_true("return table.concat({1, 'b', 2.5}, ', ') == '1, b, 2.5'");
  expect_true("return table.concat({'a', 'b', 'c'}, '', 2, 3) == 'bc' and table.concat({}) == ''");
  expect_error("table.concat({'a', {}, 'c'})", "invalid value (table) at index 2");
  expect_error("table.concat({'a'}, '', 1, 3)", "invalid value (nil) at index 2");
  expect_error("table.concat({'a'}, '', -1e9, 3)", "invalid value (nil)");
}

TEST(TableLibrary, sort) {
  expect_true(
      "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) "
      "return table.concat(t) == '321'");
  expect_error("table.sort({1, 'a'})", "attempt to compare");
  expect_error("local t = {} for i = 1, 10001 do t[i] = i end table.sort(t)", "too many elements");
  ScriptRun run;
  // An order that contradicts itself must not reach behind the table.
  EXPECT_NE(run("local t = {} for i = 1, 100 do t[i] = i end "
                "pcall(table.sort, t, function() return true end) return true")
                .verdict,
            Verdict::kTooLarge);
}

}  // namespace
}  // namespace sluice::script
