#include "new_secret.h"

#include <set>

#include <gtest/gtest.h>

namespace sluice::admin {
namespace {

TEST(NewSecret, has_its_front_its_length_and_its_digest) {
  const NewSecret made = make_secret();
  const std::string_view text = made.text.reveal();
  EXPECT_EQ(text.size(), 46u);  // 256 bits, six in a letter.
  EXPECT_TRUE(text.starts_with("sk-"));
  EXPECT_EQ(text.substr(3).find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string_view::npos);
  EXPECT_EQ(made.digest, crypto::sha256(text));
  EXPECT_EQ(made.prefix, text.substr(3, 8));
}

TEST(NewSecret, none_is_like_another) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(std::string(make_secret().text.reveal()));
  EXPECT_EQ(seen.size(), 100u);
}

TEST(NewSecret, of_a_short_secret_little_is_shown) {
  EXPECT_EQ(prefix_of("sk-0123456789abcdef"), "0123");
  EXPECT_EQ(prefix_of("0123456789abcdef0123456789abcdef"), "01234567");
}

}  // namespace
}  // namespace sluice::admin
