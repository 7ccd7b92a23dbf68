#include <sluice/crypto/secret.h>

#include <array>
#include <iosfwd>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace sluice::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(Printable<std::string> && !Printable<Secret>, "a secret must not be printable");

TEST(Wipe, overwrites_every_byte) {
  std::array<char, 6> bytes = {'s', 'e', 'c', 'r', 'e', 't'};
  wipe(bytes.data(), bytes.size());
  EXPECT_EQ(bytes, (std::array<char, 6>{}));
  wipe(nullptr, 0);
}

TEST(Secret, owns_a_copy_of_its_text) {
  std::string text = "sk-abc";
  const Secret secret(text);
  text.assign("overwritten");
  EXPECT_EQ(secret.reveal(), "sk-abc");
  EXPECT_FALSE(secret.is_empty());
  EXPECT_TRUE(Secret().is_empty());
  EXPECT_TRUE(Secret("").is_empty());
}

TEST(Secret, moves_leave_nothing_behind) {
  Secret first("sk-abc");
  Secret second(std::move(first));
  EXPECT_TRUE(first.is_empty());  // NOLINT(bugprone-use-after-move): the state is promised.
  EXPECT_EQ(second.reveal(), "sk-abc");
  Secret third("older");
  third = std::move(second);
  EXPECT_EQ(third.reveal(), "sk-abc");
  EXPECT_TRUE(second.is_empty());  // NOLINT(bugprone-use-after-move): the state is promised.
}

}  // namespace
}  // namespace sluice::crypto
