#include "check.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::app {
namespace {

config::LoadOutcome load(std::string_view text) {
  return config::load_text(text, "a.yaml", config::SystemEnvironment());
}

TEST(Check, every_problem_is_one_line) {
  const auto outcome = load("listen: 127.0.0.1:0\nnonsense: 1\nlog: {level: loud}\n");
  ASSERT_EQ(outcome.snapshot, nullptr);
  const std::string text = describe_problems(outcome);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
            static_cast<ptrdiff_t>(outcome.errors.size() + outcome.warnings.size()));
  EXPECT_TRUE(text.contains("a.yaml:2:"));
  EXPECT_TRUE(text.contains("a.yaml:3:"));
}

TEST(Check, valid_file_is_summed_up_and_its_warnings_are_marked) {
  const auto outcome = load(
      "listen: 127.0.0.1:0\ndevelopment: true\n"
      "upstreams: [{name: u, url: 'http://127.0.0.1:1'}, {name: v, url: 'http://127.0.0.1:2'}]\n"
      "models: [{name: m, routes: [{upstream: u}, {upstream: v}]}]\n");
  ASSERT_NE(outcome.snapshot, nullptr);
  EXPECT_EQ(describe_valid(*outcome.snapshot), "a.yaml is valid: 2 upstreams, 1 model, 0 keys\n");
  EXPECT_TRUE(describe_problems(outcome).starts_with("warning: a.yaml:"));
}

}  // namespace
}  // namespace sluice::app
