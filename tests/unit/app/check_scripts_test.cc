#include "check_scripts.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace sluice::app {
namespace {

TEST(CheckScripts, hooks_are_compiled) {
  config::Snapshot snapshot;
  EXPECT_EQ(describe_script_problems(snapshot), "");
  snapshot.scripts.on_auth = config::HookSettings{.script = "a.lua", .source = "return true"};
  EXPECT_EQ(describe_script_problems(snapshot), "");
  snapshot.scripts.on_request = config::HookSettings{.script = "b.lua", .source = "\nif"};
  snapshot.scripts.on_response = config::HookSettings{.script = "c.lua", .source = "\x1bLJ"};
  EXPECT_EQ(describe_script_problems(snapshot),
            "b.lua:2: unexpected symbol near '<eof>'; mend the script\n"
            "c.lua: this is compiled Lua; give the source text; mend the script\n");
}

TEST(CheckScripts, sources_are_read_and_compiled) {
  std::string directory = testing::TempDir() + "/sluice_scripts_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/source.lua";
  config::Snapshot snapshot;
  snapshot.auth.sources.push_back({.kind = config::SourceKind::kLua, .script = path});
  EXPECT_EQ(describe_script_problems(snapshot),
            path +
                ": the script cannot be read: No such file or directory; create the file, or let "
                "this user read it\n");
  std::ofstream(path) << "return true";
  EXPECT_EQ(describe_script_problems(snapshot), "");
  std::ofstream(path) << "return return";
  EXPECT_EQ(describe_script_problems(snapshot),
            path + ":1: unexpected symbol near 'return'; mend the script\n");
  std::ofstream(path) << std::string(300'000, ' ');
  EXPECT_TRUE(describe_script_problems(snapshot).contains("at most 262144 are allowed"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sluice::app
