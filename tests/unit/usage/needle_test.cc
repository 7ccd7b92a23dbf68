#include "needle.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace sluice::usage {
namespace {

TEST(FindNeedle, agrees_with_plain_search_at_every_place_and_length) {
  const std::string needle = "\"usage\"";
  for (size_t before = 0; before < 150; ++before) {
    for (size_t behind = 0; behind < 90; ++behind) {
      const std::string text = std::string(before, '"') + needle + std::string(behind, 'u');
      // A block of the exact size, so that a sanitizer sees a read outside.
      const std::unique_ptr<char[]> block(new char[text.size()]);
      text.copy(block.get(), text.size());
      const std::string_view view(block.get(), text.size());
      EXPECT_EQ(find_needle(view, needle), before) << text;
      EXPECT_EQ(find_needle(view, needle, before), before) << text;
      EXPECT_EQ(find_needle(view, needle, before + 1), std::string::npos) << text;
      EXPECT_EQ(find_needle(view.substr(0, before + needle.size() - 1), needle), std::string::npos);
    }
  }
  EXPECT_EQ(find_needle("", needle), std::string::npos);
  EXPECT_EQ(find_needle("\"usagX\" \"usbge\" \"Usage\" usage\"", needle), std::string::npos);
}

TEST(FindValue, wants_a_colon_and_skips_white_space) {
  EXPECT_EQ(find_value(R"({"usage":{}})", "\"usage\""), "{}}");
  EXPECT_EQ(find_value("{\"usage\" \n:\t 1}", "\"usage\""), "1}");
  EXPECT_EQ(find_value(R"(["usage",{"usage":null}])", "\"usage\""), "null}]");
  EXPECT_EQ(find_value(R"({"text":"\"usage\":{}"})", "\"usage\""), "");
  size_t after = 0;
  EXPECT_EQ(find_value(R"({"usage")", "\"usage\"", 0, &after), "");
  EXPECT_EQ(after, 8u);
  EXPECT_EQ(find_value(R"({"usage":)", "\"usage\"", 0, &after), "");
  EXPECT_EQ(find_value("{}", "\"usage\"", 0, &after), "");
  EXPECT_EQ(after, std::string_view::npos);
}

}  // namespace
}  // namespace sluice::usage
