#include <sluice/base/raw_array.h>

#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <string_view>

namespace sluice {
namespace {

using Views = RawArray<std::string_view, 4>;

TEST(RawArray, does_not_touch_its_elements_when_it_is_made) {
  alignas(Views) char memory[sizeof(Views)];
  std::memset(memory, 0x5a, sizeof memory);
  auto* const views = new (memory) Views;
  const char* last = memory + sizeof memory - 1;
  EXPECT_EQ(*reinterpret_cast<const volatile char*>(last), 0x5a);
  (*views)[0] = "a";
  EXPECT_EQ((*views)[0], "a");
  EXPECT_EQ(*reinterpret_cast<const volatile char*>(last), 0x5a);
}

TEST(RawArrayDeathTest, an_index_past_the_end_is_a_bug) {
  Views views;
  EXPECT_DEATH(views[4] = "a", "");
}

}  // namespace
}  // namespace sluice
