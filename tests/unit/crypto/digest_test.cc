#include <sluice/crypto/digest.h>

#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "libcrypto_memory.h"

namespace sluice::crypto {
namespace {

std::string hex(const Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(Sha256, agrees_with_the_published_vectors) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, keeps_no_state_between_calls) {
  const Digest first = sha256("abc");
  (void)sha256("something else that is longer than one block of sixty-four bytes, surely it is");
  EXPECT_EQ(sha256("abc"), first);
  Digest elsewhere{};
  std::thread([&] { elsewhere = sha256("abc"); }).join();
  EXPECT_EQ(elsewhere, first);
}

TEST(Sha256, allocates_nothing_when_warm) {
  ASSERT_TRUE(libcrypto_is_counted());
  (void)sha256("warm");
  const int64_t before = libcrypto_allocations();
  for (int i = 0; i < 100; ++i) (void)sha256("sk-0123456789abcdef0123456789abcdef0123456789abcdef");
  EXPECT_EQ(libcrypto_allocations(), before);
}

}  // namespace
}  // namespace sluice::crypto
