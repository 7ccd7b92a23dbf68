#include <sluice/shard/mailbox.h>

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace sluice::shard {
namespace {

TEST(Mailbox, messages_come_out_in_order_and_once) {
  Mailbox<int> mailbox(4);
  EXPECT_FALSE(mailbox.has_message());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(mailbox.push(int{i}));
  EXPECT_TRUE(mailbox.has_message());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(mailbox.pop(), i);
  EXPECT_EQ(mailbox.pop(), std::nullopt);
  EXPECT_FALSE(mailbox.has_message());
}

TEST(Mailbox, a_full_one_refuses_and_leaves_the_message_untouched) {
  Mailbox<std::unique_ptr<int>> mailbox(2);
  EXPECT_TRUE(mailbox.push(std::make_unique<int>(1)));
  EXPECT_TRUE(mailbox.push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(mailbox.push(std::move(third)));
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(**mailbox.pop(), 1);
  EXPECT_TRUE(mailbox.push(std::move(third)));
  EXPECT_EQ(**mailbox.pop(), 2);
  EXPECT_EQ(**mailbox.pop(), 3);
}

TEST(Mailbox, what_was_taken_out_is_not_kept_alive) {
  Mailbox<std::shared_ptr<int>> mailbox(2);
  auto message = std::make_shared<int>(1);
  EXPECT_TRUE(mailbox.push(std::shared_ptr<int>(message)));
  EXPECT_EQ(message.use_count(), 2);
  (void)mailbox.pop();
  EXPECT_EQ(message.use_count(), 1);
}

TEST(Mailbox, capacities_are_rounded_up_to_a_power_of_two) {
  Mailbox<int> mailbox(5);
  int count = 0;
  while (mailbox.push(int{count})) ++count;
  EXPECT_EQ(count, 8);
}

// Goal: nothing is lost, doubled or torn between two threads. Method: a small box, so that both
// ends meet all the time; each message carries its number twice, the second on the heap.
TEST(Mailbox, two_threads_pass_every_message_whole_and_in_order) {
  struct Message {
    uint64_t number = 0;
    std::unique_ptr<uint64_t> again;
  };
  constexpr uint64_t kMessages = 200'000;
  Mailbox<Message> mailbox(8);
  std::thread producer([&mailbox] {
    for (uint64_t i = 0; i < kMessages; ++i) {
      Message message{i, std::make_unique<uint64_t>(i)};
      while (!mailbox.push(std::move(message))) std::this_thread::yield();
    }
  });
  uint64_t wrong = 0;
  for (uint64_t expected = 0; expected < kMessages;) {
    const std::optional<Message> message = mailbox.pop();
    if (!message) {
      std::this_thread::yield();
      continue;
    }
    wrong += message->number != expected || *message->again != expected;
    ++expected;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_FALSE(mailbox.has_message());
}

}  // namespace
}  // namespace sluice::shard
