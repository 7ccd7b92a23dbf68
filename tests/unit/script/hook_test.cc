#include <sluice/script/hook.h>

#include "script_run.h"

namespace sluice::script {
namespace {

TEST(Hooks, what_is_not_there_passes) {
  ScriptRun run;
  run.load("return false");
  EXPECT_TRUE(run.hooks->has(HookKind::kOnRequest));
  EXPECT_FALSE(run.hooks->has(HookKind::kOnAuth));
  EXPECT_EQ(run.hooks->run(HookKind::kOnAuth, run.request).verdict, Verdict::kPass);
  EXPECT_EQ(run.again().verdict, Verdict::kRefuse);
}

TEST(Hooks, three_scripts_share_a_state_and_two_for_one_hook_are_refused) {
  StepClock clock;
  const std::array<Hooks::Script, 3> scripts = {{{HookKind::kOnAuth, "a.lua", "return true"},
                                                 {HookKind::kOnRequest, "b.lua", "return false"},
                                                 {HookKind::kOnResponse, "c.lua", "return"}}};
  auto hooks = Hooks::make(scripts, {}, clock);
  ASSERT_TRUE(hooks) << hooks.error();
  EXPECT_EQ((*hooks)->run(HookKind::kOnAuth, {}).verdict, Verdict::kAllow);
  EXPECT_EQ((*hooks)->run(HookKind::kOnRequest, {}).verdict, Verdict::kRefuse);
  EXPECT_EQ((*hooks)->run(HookKind::kOnResponse, {}).verdict, Verdict::kPass);
  const std::array<Hooks::Script, 2> twice = {
      {{HookKind::kOnAuth, "a.lua", "return true"}, {HookKind::kOnAuth, "b.lua", "return true"}}};
  const auto refused = Hooks::make(twice, {}, clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "b.lua: there is a script for this hook already");
}

TEST(Hooks, script_that_does_not_compile_is_told_with_its_line) {
  const auto error = check_script("local a = 1\nif a = 2 then end", "dir/a.lua");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error(), "dir/a.lua:2: 'then' expected near '='");
  EXPECT_TRUE(check_script("return true", "a.lua"));
  EXPECT_TRUE(check_script("", "a.lua"));
  EXPECT_FALSE(check_script("goto nowhere", "a.lua"));
}

TEST(Hooks, long_names_are_told_whole_when_compiling_and_by_their_end_when_running) {
  const std::string name = "/" + std::string(300, 'd') + "/on_request.lua";
  EXPECT_EQ(check_script("if", name).error(), name + ":1: unexpected symbol near '<eof>'");
  StepClock clock;
  const Hooks::Script script{HookKind::kOnRequest, name, "error('x')"};
  auto hooks = Hooks::make({&script, 1}, {}, clock);
  ASSERT_TRUE(hooks);
  EXPECT_EQ((*hooks)->run(HookKind::kOnRequest, {}).message, "on_request.lua:1: x");
}

TEST(Hooks, d130_compiled_lua_is_refused) {
  const auto error = check_script("\x1bLJ\x02", "a.lua");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error(), "a.lua: this is compiled Lua; give the source text");
  // LuaJIT skips a byte order mark and a first line with '#' before it looks.
  EXPECT_FALSE(check_script("\xef\xbb\xbf\x1bLJ\x02", "a.lua"));
  EXPECT_FALSE(check_script("#!lua\n\x1bLJ\x02", "a.lua"));
}

TEST(Hooks, script_that_is_too_large_is_refused) {
  const auto error = check_script(std::string(kScriptBytesMax + 1, ' '), "a.lua");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error(), "a.lua: the script has 262145 bytes; at most 262144 are allowed");
}

TEST(Hooks, deeply_nested_source_is_refused_and_ends) {
  EXPECT_FALSE(check_script("return " + std::string(100'000, '('), "a.lua"));
  EXPECT_FALSE(check_script("return " + std::string(100'000, '{'), "a.lua"));
  EXPECT_FALSE(check_script("return " + std::string(100'000, '-') + "1", "a.lua").has_value() &&
               false);
}

TEST(Hooks, memory_that_is_too_small_for_any_script_is_an_error) {
  StepClock clock;
  const auto made = Hooks::make({}, {.memory_max = 8'000}, clock);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), "8000 bytes of memory are too few for scripts");
}

TEST(Hooks, every_size_of_memory_ends_in_an_error_or_in_a_state_that_works) {
  constexpr std::string_view kSource =
      "local t = {} for i = 1, 50 do t[i] = {tostring(i)} end "
      "local s = string.gsub('a b c', '%w', function(c) return c .. #t end) "
      "local ok, e = pcall(function() return data.tags[1] .. nothing end) "
      "log(e) return {allow = #s > 3 and not ok, headers = {['x-a'] = s}}";
  bool has_worked = false;
  for (uint64_t size = 4'000; size < 200'000; size += 173) {
    StepClock clock;
    const Hooks::Script script{HookKind::kOnRequest, "s.lua", std::string(kSource)};
    auto hooks = Hooks::make({&script, 1}, {.memory_max = size}, clock);
    if (!hooks) {
      EXPECT_FALSE(has_worked) << size;
      continue;
    }
    for (int i = 0; i < 3; ++i) {
      const HookOutcome outcome = (*hooks)->run(HookKind::kOnRequest, sample_request());
      EXPECT_TRUE(outcome.verdict == Verdict::kAllow || outcome.verdict == Verdict::kTooLarge)
          << size << " " << outcome.message;
      has_worked = has_worked || outcome.verdict == Verdict::kAllow;
    }
  }
  EXPECT_TRUE(has_worked);
}

TEST(Hooks, error_of_a_script_is_told_with_its_line) {
  expect_error("\nlocal a = nil + 1", "s.lua:2: attempt to perform arithmetic on a nil value");
  expect_error("error('mine', 0)", "mine");
  expect_error("error({})", "threw a table");
  expect_error("error()", "threw a nil");
}

TEST(Hooks, message_of_an_error_is_bounded_and_printable) {
  ScriptRun run;
  const HookOutcome outcome = run("error('a\\n\\0b' .. string.rep('x', 10000), 0)");
  EXPECT_EQ(outcome.message.size(), kMessageBytesMax);
  EXPECT_TRUE(outcome.message.starts_with("a??bx"));
}

TEST(Hooks, log_lines_outlive_an_error) {
  ScriptRun run;
  const HookOutcome outcome = run("log('before') error('x')");
  EXPECT_EQ(outcome.verdict, Verdict::kError);
  EXPECT_EQ(outcome.log_lines, std::vector<std::string>{"before"});
}

}  // namespace
}  // namespace sluice::script
