#include "script_check.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

std::string problems(const config::Snapshot& snapshot) {
  std::string text;
  for (const config::Diagnostic& problem : check_scripts(snapshot)) {
    text += config::to_string(problem) + "\n";
  }
  return text;
}

TEST(ScriptCheck, hooks_are_compiled) {
  config::Snapshot snapshot;
  EXPECT_EQ(problems(snapshot), "");
  snapshot.scripts.on_auth = config::HookSettings{.script = "a.lua", .source = "return true"};
  EXPECT_EQ(problems(snapshot), "");
  snapshot.scripts.on_request = config::HookSettings{.script = "b.lua", .source = "\nif"};
  snapshot.scripts.on_response = config::HookSettings{.script = "c.lua", .source = "\x1bLJ"};
  EXPECT_EQ(problems(snapshot),
            "b.lua:2: unexpected symbol near '<eof>'; mend the script\n"
            "c.lua: this is compiled Lua; give the source text; mend the script\n");
}

TEST(ScriptCheck, scripts_of_sources_are_compiled) {
  config::Snapshot snapshot;
  snapshot.auth.sources.push_back(
      {.kind = config::SourceKind::kLua, .script = "s.lua", .source = "return true"});
  EXPECT_EQ(problems(snapshot), "");
  snapshot.auth.sources[0].source = "return return";
  EXPECT_EQ(problems(snapshot), "s.lua:1: unexpected symbol near 'return'; mend the script\n");
  snapshot.auth.sources[0].source = std::string(300'000, ' ');
  EXPECT_TRUE(problems(snapshot).contains("at most 262144 are allowed"));
}

TEST(ScriptCheck, what_does_not_fit_the_memory_is_told) {
  config::Snapshot snapshot;
  snapshot.scripts.memory_max = 256u << 10;
  std::string large;
  for (int i = 0; i < 8'000; ++i) large += "x" + std::to_string(i) + " = 1 ";
  snapshot.scripts.on_request = config::HookSettings{.script = "b.lua", .source = large};
  EXPECT_EQ(problems(snapshot),
            "b.lua: the script does not fit into 262144 bytes of memory; raise "
            "scripts.memory_max\n");
}

}  // namespace
}  // namespace sluice::control
