#include "state.h"

#include "script_run.h"

namespace sluice::script {
namespace {

void expect_stopped(std::string_view source, Verdict verdict) {
  ScriptRun run;
  const HookOutcome outcome = run(source);
  EXPECT_EQ(outcome.verdict, verdict) << source << "\n" << outcome.message;
  // The state that follows works.
  run.load("return true");
  EXPECT_EQ(run.again().verdict, Verdict::kAllow);
}

TEST(State, d130_endless_loops_reach_the_limit) {
  for (const std::string_view source : {
           "while true do end",
           "repeat until false",
           "for i = 1, 1/0 do end",
           "::again:: goto again",
           "local function f() return f() end f()",
           "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) "
           "while true do pcall(function() return t[1] end) end",
           "local a = 0 while a < 1 do a = a - 1 end",
           "table.sort({3, 2, 1}, function() while true do end end)",
           "string.gsub('abc', '%w', function() while true do end end)",
           "for k in string.gmatch(string.rep('a', 100), 'a') do while true do end end",
           "local t = setmetatable({}, {__tostring = function() while true do end end}) "
           "tostring(t)",
           "local t = setmetatable({}, {__tostring = function() while true do end end}) "
           "string.format('%s', t)",
           "local t = setmetatable({}, {__eq = function() while true do end end}) "
           "return t == setmetatable({}, getmetatable(t))",
           "local t = setmetatable({}, {__newindex = function() while true do end end}) t.a = 1",
           "local t = setmetatable({}, {__call = function() while true do end end}) t()",
           "local t = setmetatable({}, {__concat = function() while true do end end}) return t .. "
           "'a'",
           "local t = {} for i = 1, 100 do t[i] = i end while true do unpack(t) end",
       }) {
    expect_stopped(source, Verdict::kTooLong);
  }
}

TEST(State, d130_limit_cannot_be_caught) {
  for (const std::string_view source : {
           "pcall(function() while true do end end) return true",
           "while true do pcall(function() while true do end end) end",
           "local function f() pcall(f) while true do end end f() return true",
           "return pcall(pcall, pcall, pcall, function() while true do end end)",
           "return select('#', pcall(function() while true do end end)) == 2",
           "local t = setmetatable({}, {__index = function() while true do end end}) "
           "pcall(function() return t.a end) return true",
           "pcall(string.gsub, 'a', 'a', function() while true do end end) return true",
           "pcall(table.sort, {1, 2, 3}, function() while true do end end) return true",
           "while true do pcall(error, 'x') end",
       }) {
    expect_stopped(source, Verdict::kTooLong);
  }
}

TEST(State, d130_memory_bombs_reach_the_limit) {
  for (const std::string_view source : {
           "local s = 'aaaaaaaaaaaaaaaa' while true do s = s .. s end",
           "local t = {} while true do t[#t + 1] = {} end",
           "local t = {} for i = 1, 1e9 do t['k' .. i] = i end",
           "local t = {} for i = 1, 20 do t = {t, t, string.rep('a', 400000 + i), t} end",
           "local s = 'a' for i = 1, 25 do s = string.format('%s%s', s, s) end",
           "local t = {} for i = 1, 1000 do t[i] = string.rep(tostring(i), 10000) end",
           "local t = {} while true do t = {t} end",
           "local t = {} while true do local u = t t = function() return u end end",
       }) {
    ScriptRun run;
    run.limits.instructions_max = 100'000'000;
    const HookOutcome outcome = run(source);
    EXPECT_EQ(outcome.verdict, Verdict::kTooLarge) << source << "\n" << outcome.message;
    EXPECT_TRUE(outcome.message.ends_with("wanted more than its 8388608 bytes of memory"));
  }
}

TEST(State, d130_memory_limit_cannot_be_caught) {
  for (const std::string_view source : {
           "pcall(function() local s = 'aaaa' while true do s = s .. s end end) return true",
           "return (pcall(function() local s = 'aaaa' while true do s = s .. s end end))",
           "while true do pcall(function() local s = 'aaaa' while true do s = s .. s end end) end",
       }) {
    expect_stopped(source, Verdict::kTooLarge);
  }
}

TEST(State, string_bombs_are_refused_or_stopped) {
  expect_error("return string.rep('a', 1e9)", "too long");
  expect_error("return ('a'):rep(1e9)", "too long");
  expect_error("return string.rep('', 1e9, 'aa')", "too long");
  expect_error("return string.rep('ab', 2^53)", "too long");
  expect_true("return #string.rep('', 2^53) == 0 and string.rep('a', -1) == ''");
  expect_error(
      "local t = {} for i = 1, 20 do t[i] = string.rep('a', 100000) end "
      "return table.concat(t)",
      "too long");
  expect_error("return string.format('%999999999d', 1)", "invalid");
  expect_error("return string.format('%.999999999f', 1)", "invalid");
  expect_error("return string.format('%s' .. string.rep('%s', 1000), 1)", "bad argument");
  expect_true("return #string.format('%99d', 1) == 99");
}

TEST(State, deep_recursion_is_an_error_or_stopped) {
  ScriptRun run;
  const HookOutcome deep = run("local function f() return 1 + f() end return f()");
  EXPECT_NE(deep.verdict, Verdict::kAllow);
  EXPECT_NE(deep.verdict, Verdict::kPass);
  for (const std::string_view source : {
           "local function f(s) return (string.gsub(s, '.', f)) end return f('a')",
           "local t = {} setmetatable(t, {__tostring = function() return tostring(t) end}) "
           "return tostring(t)",
           "local function f() table.sort({1, 2}, f) end f()",
           "local function f() return pcall(f) end return f() == nil",
           "local t = setmetatable({}, {}) local m = getmetatable(t) "
           "m.__index = function(t) return (string.gsub('a', 'a', t)) end return t.a",
           "local t = setmetatable({}, {}) local m = getmetatable(t) "
           "m.__tostring = function(t) return string.format('%s', t) end return tostring(t)",
           "local t = setmetatable({}, {}) local m = getmetatable(t) "
           "m.__lt = function(a, b) table.sort({t, t}) end table.sort({t, t})",
           "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.a",
           "local t = {} for i = 1, 150000 do t = setmetatable({}, {__index = t}) end return t.a",
       }) {
    const HookOutcome outcome = run(source);
    EXPECT_TRUE(outcome.verdict == Verdict::kError || outcome.verdict == Verdict::kTooLong ||
                outcome.verdict == Verdict::kTooLarge || outcome.verdict == Verdict::kRefuse)
        << source << static_cast<int>(outcome.verdict);
  }
}

TEST(State, nesting_is_counted_back_after_an_error) {
  expect_true(
      "local function f(n) if n == 0 then error('x') end pcall(f, n - 1) error('y') end "
      "for i = 1, 100 do pcall(f, 10) end return true");
  expect_true(
      "for i = 1, 100 do pcall(string.gsub, 'a', 'a', error) end "
      "for i = 1, 100 do string.gsub('a', 'a', function() end) end return true");
  expect_error("local function f() local ok, e = pcall(f) error(e, 0) end f()",
               "too many calls within each other");
}

TEST(State, time_limit_is_the_clocks) {
  ScriptRun run;
  run.clock.step = microseconds(100);
  const HookOutcome outcome = run("\nwhile true do end");
  EXPECT_EQ(outcome.verdict, Verdict::kTooLong);
  EXPECT_EQ(outcome.message, "s.lua:2: stopped after 10000 us");
  EXPECT_EQ(run("local n = 0 for i = 1, 1000 do n = n + 1 end return true").verdict,
            Verdict::kAllow);
}

TEST(State, time_is_looked_at_while_large_strings_are_made) {
  ScriptRun run;
  run.clock.step = milliseconds(4);
  // Fewer instructions than there are between two looks of the hook.
  const HookOutcome outcome =
      run("local s = string.rep('a', 300000) local a = s .. 'b' local b = s .. 'c' return true");
  EXPECT_EQ(outcome.verdict, Verdict::kTooLong);
}

TEST(State, instruction_limit_is_exact_to_one_period) {
  ScriptRun run;
  run.limits.instructions_max = 10'000;
  EXPECT_EQ(run("for i = 1, 4000 do end return true").verdict, Verdict::kAllow);
  const HookOutcome outcome = run("for i = 1, 11000 do local a = i end return true");
  EXPECT_EQ(outcome.verdict, Verdict::kTooLong);
  EXPECT_EQ(outcome.message, "s.lua:1: stopped after 10000 instructions");
  run.limits.instructions_max = 1;
  EXPECT_EQ(run("return true").verdict, Verdict::kTooLong);
}

TEST(State, work_of_library_calls_counts) {
  ScriptRun run;
  run.limits.instructions_max = 50'000;
  for (const std::string_view source : {
           "local t = {} for i = 1, 5000 do t[i] = i end for i = 1, 100 do table.insert(t, 1, i) "
           "end",
           "local s = string.rep('a', 400000) for i = 1, 10 do s:upper() end",
           "local s = string.rep('a', 30000) for i = 1, 100 do s:find('b.-c') end",
           "for i = 1, 100 do ('a'):find('^' .. i .. '.') end",
           "local t = {} for i = 1, 8000 do t[i] = i end table.sort(t)",
           "local t = {} for i = 1, 6000 do t[i] = i end for i = 1, 9 do table.concat(t) end",
       }) {
    EXPECT_EQ(run(source).verdict, Verdict::kTooLong) << source;
  }
}

TEST(State, garbage_does_not_count_as_memory) {
  ScriptRun run;
  run.limits.memory_max = 1 << 20;
  run.limits.instructions_max = 100'000'000;
  EXPECT_EQ(run("local keep = {} for i = 1, 30 do keep[i] = string.rep('k' .. i, 4000) end "
                "for i = 1, 20000 do local s = string.rep('a', 1000) .. i end return true")
                .verdict,
            Verdict::kAllow);
}

TEST(State, garbage_of_earlier_calls_does_not_stop_later_ones) {
  ScriptRun run;
  run.limits.memory_max = 1 << 20;
  run.load("local t = {} for i = 1, 3000 do t[i] = 'some text ' .. now_ms() + i end return true");
  for (int i = 0; i < 2'000; ++i) {
    run.request.now.unix_us += 5'000'000;
    ASSERT_EQ(run.again().verdict, Verdict::kAllow) << i;
  }
}

TEST(State, memory_is_given_back) {
  StepClock clock;
  PatternCache patterns;
  State state({}, clock, patterns);
  ASSERT_NE(state.lua(), nullptr);
  const size_t before = state.bytes();
  lua_newtable(state.lua());
  EXPECT_GT(state.bytes(), before);
  lua_settop(state.lua(), 0);
  lua_gc(state.lua(), LUA_GCCOLLECT, 0);
  EXPECT_LE(state.bytes(), before);
  EXPECT_EQ(&State::of(state.lua()), &state);
}

}  // namespace
}  // namespace sluice::script
