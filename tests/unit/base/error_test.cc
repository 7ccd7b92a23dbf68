#include <sluice/base/result.h>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice {
namespace {

// Goal: no two codes share a name in logs and metrics, and none is forgotten in the switch.
TEST(ErrorCode, every_code_has_a_name_of_its_own) {
  std::set<std::string> names;
  const int last = static_cast<int>(ErrorCode::kConfig);
  for (int code = 0; code <= last; ++code) {
    names.insert(std::string(to_string(static_cast<ErrorCode>(code))));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(last) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
}

TEST(Result, carries_side_and_retry) {
  const Result<int> result =
      fail(ErrorCode::kUpstreamLost, Side::kUpstream, Retry::kIfReused, "reset");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().side, Side::kUpstream);
  EXPECT_EQ(result.error().retry, Retry::kIfReused);
}

}  // namespace
}  // namespace sluice
