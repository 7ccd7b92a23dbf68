#include <sluice/crypto/constant_time.h>

#include <string>

#include <gtest/gtest.h>

namespace sluice::crypto {
namespace {

TEST(EqualConstantTime, compares_every_byte) {
  const std::string text = "0123456789abcdef0123456789abcdef";
  EXPECT_TRUE(equal_constant_time(text, std::string(text)));
  EXPECT_TRUE(equal_constant_time(std::string_view(), ""));
  for (size_t at = 0; at < text.size(); ++at) {
    std::string other = text;
    other[at] = static_cast<char>(other[at] ^ 1);
    EXPECT_FALSE(equal_constant_time(text, other)) << at;
  }
}

TEST(EqualConstantTime, unequal_lengths_are_unequal) {
  EXPECT_FALSE(equal_constant_time("abc", "abcd"));
  EXPECT_FALSE(equal_constant_time("abc", ""));
}

TEST(EqualConstantTime, compares_digests) {
  EXPECT_TRUE(equal_constant_time(sha256("a"), sha256("a")));
  Digest other = sha256("a");
  other.back() ^= 1;
  EXPECT_FALSE(equal_constant_time(sha256("a"), other));
}

}  // namespace
}  // namespace sluice::crypto
