#include <sluice/crypto/secret.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iosfwd>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace {

// The block of this text, and whether it was zero when it was freed.
struct Watch {
  const char* block = nullptr;
  size_t length = 0;
  bool is_freed = false;
  bool is_zero = false;
};
Watch watch;

}  // namespace

// These go before the library's for the whole program of these tests.
void* operator new[](size_t bytes) {
  void* const block = std::malloc(bytes);
  if (block == nullptr) std::abort();
  return block;
}

void operator delete[](void* block) noexcept {
  if (block != nullptr && block == watch.block) {
    watch.is_freed = true;
    watch.is_zero =
        std::all_of(watch.block, watch.block + watch.length, [](char byte) { return byte == 0; });
    watch.block = nullptr;
  }
  std::free(block);
}

void operator delete[](void* block, size_t /*bytes*/) noexcept { operator delete[](block); }

namespace sluice::crypto {
namespace {

void watch_block_of(const Secret& secret) {
  watch = {.block = secret.reveal().data(), .length = secret.reveal().size()};
}

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

TEST(Secret, is_zero_when_its_memory_is_freed) {
  {
    const Secret secret("sk-0123456789abcdef");
    watch_block_of(secret);
  }
  EXPECT_TRUE(watch.is_freed && watch.is_zero) << "destroyed";
  Secret secret("sk-0123456789abcdef");
  watch_block_of(secret);
  secret = Secret("another");
  EXPECT_TRUE(watch.is_freed && watch.is_zero) << "assigned to";
}

}  // namespace
}  // namespace sluice::crypto
