#include <gtest/gtest.h>
#include <sluice/script/hook.h>
namespace sluice::script {
TEST(Hooks, empty) {
  SystemClock clock;
  Hooks::Script s{.kind = HookKind::kOnRequest, .name = "a.lua", .source = "while true do end"};
  auto h = Hooks::make({&s, 1}, {}, clock);
  ASSERT_TRUE(h) << h.error();
  auto o = (*h)->run(HookKind::kOnRequest, {});
  EXPECT_EQ(o.message, "");
}
}  // namespace sluice::script
