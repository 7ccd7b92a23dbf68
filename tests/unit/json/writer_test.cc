#include <sluice/json/writer.h>

#include <array>
#include <cstdlib>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <sluice/json/value.h>

#include "../../support/strict_json.h"

namespace sluice::json {
namespace {

TEST(Writer, puts_commas_between_values_only) {
  std::string text;
  Writer writer(text);
  writer.begin_object().key("a").integer(-1).key("b").begin_array().string("x").null().boolean(
      true);
  writer.begin_object().end_object().begin_array().end_array().end_array();
  writer.key("c").unsigned_integer(UINT64_MAX).key("d").raw("[1]").end_object();
  EXPECT_EQ(text, R"({"a":-1,"b":["x",null,true,{},[]],"c":18446744073709551615,"d":[1]})");
}

TEST(Writer, numbers_read_back_equal) {
  for (const double value : {0.0, 0.1, 1e300, -2.5e-7, 5e-324, 123456789.0}) {
    std::string text;
    Writer(text).number(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_TRUE(support::is_strict_json(text, 1)) << text;
  }
  // Once found by the fuzzer: written as integers, which our own reader refuses beyond 64 bits.
  for (const double value : {184467440737095511150.0, -9223372036854775808.0 * 4, 1e20}) {
    std::string text;
    Writer(text).number(value);
    const auto read = parse_value(text);
    double same = 0;
    ASSERT_TRUE(read && read->as_number(same)) << text;
    EXPECT_EQ(same, value) << text;
  }
  std::string text;
  Writer(text)
      .begin_array()
      .number(std::numeric_limits<double>::infinity())
      .number(std::numeric_limits<double>::quiet_NaN())
      .end_array();
  EXPECT_EQ(text, "[null,null]");
}

TEST(Writer, escapes_what_must_not_stand_for_itself) {
  EXPECT_EQ(quote("a\"b\\c\n\r\t\b\x01\x1f/\x7f"),
            "\"a\\\"b\\\\c\\n\\r\\t\\u0008\\u0001\\u001f/\x7f\"");
  EXPECT_EQ(quote(std::string_view("\0", 1)), "\"\\u0000\"");
  EXPECT_EQ(quote("é€😀"), "\"é€😀\"");
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(Writer, replaces_what_is_not_utf8) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(quote("a\xff"
                  "b"),
            "\"a" + r + "b\"");
  EXPECT_EQ(quote("\xC0\xAF"), "\"" + r + r + "\"");
  EXPECT_EQ(quote("\xED\xA0\x80"), "\"" + r + r + r + "\"");
  EXPECT_EQ(quote("\xF4\x90\x80\x80"), "\"" + r + r + r + r + "\"");
  EXPECT_EQ(quote("\xE2\x82"), "\"" + r + r + "\"");
}

TEST(Writer, every_pair_of_bytes_makes_a_valid_string) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second), '\x80', 'x'};
      ASSERT_TRUE(support::is_strict_json(quote(text), 1)) << first << " " << second;
    }
  }
}

TEST(Writer, into_a_buffer_stops_where_it_is_full) {
  std::array<char, 8> buffer;
  Writer exact(buffer);
  exact.begin_array().string("abcd").end_array();
  EXPECT_FALSE(exact.has_overflowed());
  EXPECT_EQ(exact.text(), R"(["abcd"])");
  Writer writer(buffer);
  writer.begin_array().string("abcdefgh").integer(1).end_array();
  EXPECT_TRUE(writer.has_overflowed());
  EXPECT_EQ(writer.text(), R"([")");
}

}  // namespace
}  // namespace sluice::json
