#include "question_text.h"

#include <gtest/gtest.h>

namespace sluice::auth {
namespace {

TEST(FillPattern, both_forms_of_the_key) {
  const KeyQuestion question{.secret = "sk-a", .digest = crypto::sha256("sk-a")};
  const std::string hex = hex_of(question.digest);
  EXPECT_EQ(hex, "a4a6d307ad00fa67176e1099fdbc4f4a09bb527a7f24718a5030f2f173d11f7f");
  EXPECT_EQ(fill_pattern("llmproxy:key:{api_key}", question), "llmproxy:key:sk-a");
  EXPECT_EQ(fill_pattern("k:{sha256}:x", question), "k:" + hex + ":x");
  EXPECT_EQ(fill_pattern("{{api_key}}", question), "{sk-a}");
  EXPECT_EQ(fill_pattern("{other}", question), "{other}");
}

TEST(FillPattern, nothing_without_the_secret_that_it_wants) {
  const KeyQuestion question{.secret = "", .digest = crypto::sha256("sk-a")};
  EXPECT_EQ(fill_pattern("k:{api_key}", question), "");
  EXPECT_EQ(fill_pattern("k:{sha256}", question).size(), 66u);
}

// What a client sends is not read as a pattern again.
TEST(FillPattern, a_secret_with_braces_is_no_pattern) {
  const KeyQuestion question{.secret = "{sha256}", .digest = {}};
  EXPECT_EQ(fill_pattern("k:{api_key}", question), "k:{sha256}");
}

}  // namespace
}  // namespace sluice::auth
