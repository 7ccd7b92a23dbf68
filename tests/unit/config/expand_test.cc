#include "expand.h"

#include <gtest/gtest.h>

#include "fake_environment.h"

namespace sluice::config {
namespace {

FakeEnvironment environment() {
  FakeEnvironment fake;
  fake.variables = {{"HOST", "example"}, {"EMPTY", ""}, {"NESTED", "${HOST}"}, {"_A1", "x"}};
  return fake;
}

std::string expanded(std::string_view raw) {
  auto text = expand(raw, environment());
  return text ? *text : "FAULT " + text.error().cause;
}

TEST(Expand, fills_in_variables_wherever_they_stand) {
  EXPECT_EQ(expanded("http://${HOST}:80/${_A1}"), "http://example:80/x");
  EXPECT_EQ(expanded("nothing"), "nothing");
  EXPECT_EQ(expanded("${HOST}${HOST}"), "exampleexample");
}

TEST(Expand, d076_a_default_counts_when_the_variable_is_unset_or_empty) {
  EXPECT_EQ(expanded("${MISSING:fallback}"), "fallback");
  EXPECT_EQ(expanded("${EMPTY:fallback}"), "fallback");
  EXPECT_EQ(expanded("${HOST:fallback}"), "example");
  EXPECT_EQ(expanded("a${MISSING:}b"), "ab");
}

TEST(Expand, d076_a_default_may_hold_colons_and_braces) {
  EXPECT_EQ(expanded("${MISSING:http://a:80/x}"), "http://a:80/x");
  EXPECT_EQ(expanded(R"(${MISSING:{"a":{\}\}}!)"), R"({"a":{}}!)");
  EXPECT_EQ(expanded(R"(${MISSING:a\\b\$\n})"), R"(a\b$\n)");
}

TEST(Expand, d076_a_missing_mandatory_variable_is_a_fault_naming_it) {
  EXPECT_EQ(expanded("${MISSING}"),
            "FAULT needs the variable MISSING, which is not set or is empty");
  EXPECT_EQ(expanded("${EMPTY}"), "FAULT needs the variable EMPTY, which is not set or is empty");
}

TEST(Expand, d076_dollar_signs_have_an_escape_and_are_plain_elsewhere) {
  EXPECT_EQ(expanded("$${HOST}"), "${HOST}");
  EXPECT_EQ(expanded("$5 and $HOST $"), "$5 and $HOST $");
}

TEST(Expand, what_a_variable_holds_is_not_expanded_again) {
  EXPECT_EQ(expanded("${NESTED}"), "${HOST}");
}

TEST(Expand, refuses_what_is_not_a_variable) {
  for (const char* raw : {"${", "${}", "${:x}", "${1A}", "${A B}", "${HOST", "${MISSING:x",
                          "${A-B}", "${MISSING:${HOST}}", "${MISSING:x\\}"}) {
    EXPECT_FALSE(expand(raw, environment())) << raw;
  }
}

TEST(Expand, result_is_bounded) {
  FakeEnvironment fake;
  fake.variables["BIG"] = std::string(40'000, 'x');
  EXPECT_TRUE(expand("${BIG}", fake));
  EXPECT_FALSE(expand("${BIG}${BIG}", fake));
}

}  // namespace
}  // namespace sluice::config
