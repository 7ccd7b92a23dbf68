#include <sluice/store/redis_reply.h>

#include <gtest/gtest.h>

namespace sluice::store {
namespace {

RedisFault fault_of_text(const char* text) {
  return fault_of({.kind = RedisReply::Kind::kError, .integer = 0, .text = text, .items = {}});
}

TEST(RedisReply, an_error_is_known_by_its_first_word) {
  EXPECT_EQ(fault_of_text("OOM command not allowed when used memory > 'maxmemory'."),
            RedisFault::kOutOfMemory);
  EXPECT_EQ(fault_of_text("READONLY You can't write."), RedisFault::kReadOnly);
  EXPECT_EQ(fault_of_text("LOADING Redis is loading"), RedisFault::kLoading);
  EXPECT_EQ(fault_of_text("MASTERDOWN Link with MASTER is down"), RedisFault::kMasterDown);
  EXPECT_EQ(fault_of_text("TRYAGAIN Multiple keys"), RedisFault::kTryAgain);
  EXPECT_EQ(fault_of_text("CLUSTERDOWN Hash slot not served"), RedisFault::kClusterDown);
  EXPECT_EQ(fault_of_text("MOVED 1 a:1"), RedisFault::kMoved);
  EXPECT_EQ(fault_of_text("ASK 1 a:1"), RedisFault::kAsk);
  EXPECT_EQ(fault_of_text("NOSCRIPT No matching script."), RedisFault::kNoScript);
  EXPECT_EQ(fault_of_text("NOAUTH Authentication required."), RedisFault::kNoAuth);
  EXPECT_EQ(fault_of_text("WRONGPASS invalid"), RedisFault::kWrongPassword);
  EXPECT_EQ(fault_of_text("NOPERM this user"), RedisFault::kNoPermission);
  EXPECT_EQ(fault_of_text("ERR unknown command"), RedisFault::kOther);
  EXPECT_EQ(fault_of_text("OOMS"), RedisFault::kOther);
  EXPECT_EQ(fault_of_text(""), RedisFault::kOther);
}

TEST(RedisReply, what_is_no_error_has_no_fault) {
  EXPECT_EQ(fault_of({.kind = RedisReply::Kind::kText, .integer = 0, .text = "OOM", .items = {}}),
            RedisFault::kNone);
}

TEST(RedisReply, faults_of_configuration_come_with_advice) {
  for (int i = 0; i <= static_cast<int>(RedisFault::kOther); ++i) {
    const auto fault = static_cast<RedisFault>(i);
    if (is_of_configuration(fault)) {
      EXPECT_FALSE(advice_on(fault).empty()) << i;
    }
  }
  EXPECT_TRUE(is_of_configuration(RedisFault::kWrongPassword));
  EXPECT_FALSE(is_of_configuration(RedisFault::kLoading));
  EXPECT_FALSE(is_of_configuration(RedisFault::kOther));
  EXPECT_EQ(advice_on(RedisFault::kNone), "");
}

}  // namespace
}  // namespace sluice::store
