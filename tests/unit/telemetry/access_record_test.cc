#include <sluice/telemetry/access_record.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::telemetry {
namespace {

TEST(BoundedText, keeps_a_copy_and_cuts_what_is_too_long) {
  BoundedText<4> text;
  EXPECT_TRUE(text.empty());
  std::string source = "abcd";
  text = source;
  source = "xxxx";
  EXPECT_EQ(text.view(), "abcd");
  text = "abcdef";
  EXPECT_EQ(text.view(), "abcd");
  text = "";
  EXPECT_TRUE(text.empty());
}

TEST(BoundedText, counts_beyond_a_byte) {
  BoundedText<400> text;
  text = std::string(500, 'x');
  EXPECT_EQ(text.view().size(), 400u);
}

}  // namespace
}  // namespace sluice::telemetry
