#include "pipeline.h"

#include <gtest/gtest.h>

namespace sluice::store {
namespace {

RedisReply integer(int64_t value) {
  return {.kind = RedisReply::Kind::kInteger, .integer = value, .text = {}, .items = {}};
}

class PipelineTest : public testing::Test {
 protected:
  // A call of `count` commands whose texts are their numbers.
  void add(PendingCall& call, size_t count, uint32_t preludes = 0) {
    for (size_t i = 0; i < count; ++i) call.open_slot(i);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(pipeline_.add(
          {.call = &call, .index = i, .text = std::to_string(i) + ",", .preludes = preludes}));
    }
  }
  io::ReadyQueue ready_;
  RedisFigures figures_;
  Pipeline pipeline_{figures_};
  std::string text_;
};

TEST_F(PipelineTest, replies_go_to_their_commands_in_order) {
  PendingCall call(ready_, 3);
  add(call, 3);
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  EXPECT_EQ(text_, "0,1,2,");
  EXPECT_FALSE(pipeline_.take_unsent(text_));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(call.done.is_ready());
    EXPECT_TRUE(pipeline_.take_reply(integer(i)));
  }
  EXPECT_TRUE(call.done.is_ready());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call.slots[i].result->integer, i);
  EXPECT_FALSE(pipeline_.take_reply(integer(9)));
}

TEST_F(PipelineTest, a_reply_before_anything_was_sent_belongs_to_nobody) {
  PendingCall call(ready_, 1);
  add(call, 1);
  EXPECT_FALSE(pipeline_.take_reply(integer(1)));
  pipeline_.withdraw(call);
}

TEST_F(PipelineTest, the_first_prelude_is_kept_and_the_last_reply_counts) {
  PendingCall call(ready_, 1);
  add(call, 1, 2);
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  EXPECT_TRUE(pipeline_.take_reply(integer(1)));
  EXPECT_TRUE(pipeline_.take_reply(integer(2)));
  EXPECT_FALSE(call.done.is_ready());
  EXPECT_TRUE(pipeline_.take_reply(integer(3)));
  EXPECT_EQ(call.slots[0].prelude->integer, 1);
  EXPECT_EQ(call.slots[0].result->integer, 3);
}

TEST_F(PipelineTest, who_withdraws_gets_errors_and_its_replies_are_dropped) {
  PendingCall early(ready_, 2);
  PendingCall late(ready_, 1);
  add(early, 2, 1);
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  add(late, 1);
  pipeline_.withdraw(early);
  EXPECT_TRUE(early.done.is_ready());
  EXPECT_EQ(early.slots[0].result.error().retry, Retry::kNever);
  EXPECT_TRUE(pipeline_.has_overdue());
  EXPECT_EQ(figures_.late, 2u);
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(pipeline_.take_reply(integer(i)));
  EXPECT_FALSE(pipeline_.has_overdue());
  EXPECT_FALSE(late.done.is_ready());
  EXPECT_TRUE(pipeline_.take_reply(integer(7)));
  EXPECT_EQ(late.slots[0].result->integer, 7);
}

TEST_F(PipelineTest, what_was_not_sent_is_not_sent_after_a_withdrawal) {
  PendingCall one(ready_, 1);
  PendingCall two(ready_, 1);
  add(one, 1);
  add(two, 1);
  pipeline_.withdraw(one);
  EXPECT_EQ(one.slots[0].result.error().retry, Retry::kYes);
  EXPECT_FALSE(pipeline_.has_overdue());
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  EXPECT_EQ(text_, "0,");
  EXPECT_TRUE(pipeline_.take_reply(integer(5)));
  EXPECT_EQ(two.slots[0].result->integer, 5);
}

TEST_F(PipelineTest, a_loss_says_what_may_have_run) {
  PendingCall sent(ready_, 1);
  PendingCall unsent(ready_, 1);
  add(sent, 1);
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  add(unsent, 1);
  pipeline_.fail_all(ErrorCode::kIo, "lost");
  EXPECT_EQ(sent.slots[0].result.error().retry, Retry::kNever);
  EXPECT_EQ(unsent.slots[0].result.error().retry, Retry::kYes);
  EXPECT_EQ(figures_.lost, 1u);
  EXPECT_FALSE(pipeline_.has_unsent());
  EXPECT_FALSE(pipeline_.take_reply(integer(1)));
}

TEST_F(PipelineTest, bytes_are_bounded_until_the_reply_has_come) {
  PendingCall call(ready_, 3);
  for (size_t i = 0; i < 3; ++i) call.open_slot(i);
  const std::string half(RedisClient::kCommandBytesMost / 2, 'x');
  EXPECT_TRUE(pipeline_.add({.call = &call, .index = 0, .text = half}));
  EXPECT_TRUE(pipeline_.add({.call = &call, .index = 1, .text = half}));
  ASSERT_TRUE(pipeline_.take_unsent(text_));
  EXPECT_FALSE(pipeline_.add({.call = &call, .index = 2, .text = "x"}));
  EXPECT_TRUE(pipeline_.take_reply(integer(1)));
  EXPECT_TRUE(pipeline_.add({.call = &call, .index = 2, .text = "x"}));
  pipeline_.withdraw(call);
  EXPECT_EQ(call.open, 0u);
}

}  // namespace
}  // namespace sluice::store
