#include "options.h"

#include <gtest/gtest.h>

#include <vector>

#include "exit_status.h"

namespace sluice::app {
namespace {

ParsedOptions parse(std::vector<const char*> words) {
  words.insert(words.begin(), "sluice");
  return parse_options(static_cast<int>(words.size()), words.data());
}

TEST(Options, run_and_its_short_form_are_the_same) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"run", "a.yaml"}, {"--config", "a.yaml"}, {"-c", "a.yaml"}}) {
    const ParsedOptions parsed = parse(words);
    ASSERT_TRUE(parsed.is_complete);
    EXPECT_EQ(parsed.options.verb, Verb::kRun);
    EXPECT_EQ(parsed.options.config_path, "a.yaml");
  }
}

TEST(Options, check_and_version_are_verbs) {
  const ParsedOptions check = parse({"check", "b.yaml"});
  ASSERT_TRUE(check.is_complete);
  EXPECT_EQ(check.options.verb, Verb::kCheck);
  EXPECT_EQ(check.options.config_path, "b.yaml");
  EXPECT_EQ(parse({"version"}).options.verb, Verb::kVersion);
}

TEST(Options, help_is_success) {
  const ParsedOptions parsed = parse({"--help"});
  EXPECT_FALSE(parsed.is_complete);
  EXPECT_EQ(parsed.status, kExitOk);
}

TEST(Options, what_is_not_understood_cannot_start) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"run"}, {"check"}, {"fly"}, {"run", "a", "b"}, {"--port", "1"}}) {
    const ParsedOptions parsed = parse(words);
    EXPECT_FALSE(parsed.is_complete);
    EXPECT_EQ(parsed.status, kExitCannotStart);
  }
}

}  // namespace
}  // namespace sluice::app
