#include "plain_text.h"

#include <gtest/gtest.h>

namespace sluice::script {
namespace {

TEST(PlainText, control_bytes_are_replaced) {
  EXPECT_EQ(plain_text(std::string_view("a\n\0\x7f\x1b[31mb", 10), 100), "a????[31mb");
  EXPECT_EQ(plain_text("gr\xc3\xbc\xc3\x9f", 100), "gr\xc3\xbc\xc3\x9f");
}

TEST(PlainText, is_cut_between_characters) {
  EXPECT_EQ(plain_text("abc", 2), "ab");
  EXPECT_EQ(plain_text("a\xc3\xbc", 2), "a");
  EXPECT_EQ(plain_text("a\xe2\x82\xac"
                       "b",
                       3),
            "a");
  EXPECT_EQ(plain_text("a\xe2\x82\xac"
                       "b",
                       4),
            "a\xe2\x82\xac");
  EXPECT_LE(plain_text("\x80\x80\x80\x80\x80\x80\x80\x80", 4).size(), 4u);
  EXPECT_EQ(plain_text("", 0), "");
}

}  // namespace
}  // namespace sluice::script
