#include "sql_wait.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace sluice::store {
namespace {

class SqlWaitTest : public ::testing::Test {
 protected:
  SqlWaitTest() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~SqlWaitTest() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  std::array<int, 2> ends_{};
  SqlWait wait_;
};

TEST_F(SqlWaitTest, a_descriptor_with_something_to_read_is_ready) {
  ASSERT_EQ(::write(ends_[1], "x", 1), 1);
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, MonoTime::max()), SqlWait::Outcome::kReady);
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, MonoTime::min()), SqlWait::Outcome::kReady);
}

TEST_F(SqlWaitTest, a_descriptor_without_is_not_ready_in_time) {
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, MonoTime::min()), SqlWait::Outcome::kTimeout);
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, wait_.now() + milliseconds(2)),
            SqlWait::Outcome::kTimeout);
}

TEST_F(SqlWaitTest, another_thread_ends_a_wait_and_all_after_it) {
  SqlWait::Outcome outcome{};
  std::thread waiter([&] { outcome = wait_.wait(ends_[0], POLLIN, MonoTime::max()); });
  wait_.interrupt();
  waiter.join();
  EXPECT_EQ(outcome, SqlWait::Outcome::kInterrupted);
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, MonoTime::max()), SqlWait::Outcome::kInterrupted);
  EXPECT_TRUE(wait_.is_interrupted());
}

TEST_F(SqlWaitTest, an_end_of_the_other_side_is_ready) {
  ::close(ends_[1]);
  ends_[1] = ::dup(ends_[0]);
  EXPECT_EQ(wait_.wait(ends_[0], POLLIN, MonoTime::max()), SqlWait::Outcome::kReady);
}

}  // namespace
}  // namespace sluice::store
