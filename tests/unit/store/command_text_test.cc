#include "command_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::store {
namespace {

TEST(CommandText, arguments_may_hold_any_bytes) {
  const std::vector<std::string> arguments = {"SET", std::string("a\0\r\n", 4), ""};
  std::string text;
  append_command(text, arguments);
  EXPECT_EQ(text, std::string("*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 29));
}

TEST(CommandText, commands_are_added_behind_one_another) {
  std::string text;
  append_command(text, {"PING"});
  append_command(text, {"ECHO", "x"});
  EXPECT_EQ(text, "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n");
}

}  // namespace
}  // namespace sluice::store
