#include <sluice/auth/key_memory.h>

#include <gtest/gtest.h>

#include <new>
#include <string>

namespace sluice::auth {
namespace {

TEST(KeyMemory, recalls_only_what_it_was_told) {
  KeyMemory memory;
  EXPECT_EQ(memory.recall({}), nullptr);
  EXPECT_EQ(memory.recall({.x_api_key = "sk-1"}), nullptr);
  const crypto::Digest digest = crypto::sha256("sk-1");
  memory.remember({.authorization = "Bearer sk-1"}, digest);
  ASSERT_NE(memory.recall({.authorization = "Bearer sk-1"}), nullptr);
  EXPECT_EQ(*memory.recall({.authorization = "Bearer sk-1"}), digest);
  for (const char* other : {"Bearer sk-2", "bearer sk-1", "Bearer sk-", "Bearer sk-11", "sk-1"}) {
    EXPECT_EQ(memory.recall({.authorization = other}), nullptr) << other;
  }
  EXPECT_EQ(memory.recall({}), nullptr);
  // Only the first header present decides.
  EXPECT_NE(memory.recall({.authorization = "Bearer sk-1", .x_api_key = "sk-2"}), nullptr);
  EXPECT_EQ(memory.recall({.x_api_key = "Bearer sk-1"}), nullptr);
}

// Goal: a bare key that was good does not make an Authorization without a scheme good.
TEST(KeyMemory, tells_a_bare_key_from_an_authorization) {
  KeyMemory memory;
  memory.remember({.x_api_key = "sk-1"}, crypto::sha256("sk-1"));
  EXPECT_NE(memory.recall({.x_api_key = "sk-1"}), nullptr);
  EXPECT_NE(memory.recall({.api_key = "sk-1"}), nullptr);  // The same secret.
  EXPECT_EQ(memory.recall({.authorization = "sk-1"}), nullptr);
}

TEST(KeyMemory, remembers_the_last_and_nothing_too_long) {
  KeyMemory memory;
  memory.remember({.x_api_key = "sk-1"}, crypto::sha256("sk-1"));
  memory.remember({.x_api_key = "sk-2"}, crypto::sha256("sk-2"));
  EXPECT_EQ(memory.recall({.x_api_key = "sk-1"}), nullptr);
  EXPECT_NE(memory.recall({.x_api_key = "sk-2"}), nullptr);
  const std::string longest(128, 'k');
  memory.remember({.x_api_key = longest}, crypto::sha256(longest));
  EXPECT_NE(memory.recall({.x_api_key = longest}), nullptr);
  const std::string too_long(129, 'k');
  memory.remember({.x_api_key = too_long}, crypto::sha256(too_long));
  EXPECT_EQ(memory.recall({.x_api_key = too_long}), nullptr);
  EXPECT_EQ(memory.recall({.x_api_key = longest}), nullptr);
}

TEST(KeyMemory, leaves_no_secret_behind) {
  constexpr std::string_view kSecret = "sk-0123456789abcdef";
  alignas(KeyMemory) char room[sizeof(KeyMemory)];
  const auto holds_secret = [&] {
    return std::string_view(room, sizeof room).find(kSecret) != std::string_view::npos;
  };
  auto* memory = new (room) KeyMemory;
  memory->remember({.x_api_key = kSecret}, crypto::sha256(kSecret));
  ASSERT_TRUE(holds_secret());
  memory->remember({.x_api_key = "k"}, crypto::sha256("k"));
  EXPECT_FALSE(holds_secret());
  memory->remember({.x_api_key = kSecret}, crypto::sha256(kSecret));
  memory->~KeyMemory();
  EXPECT_FALSE(holds_secret());
}

}  // namespace
}  // namespace sluice::auth
