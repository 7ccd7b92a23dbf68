#include <sluice/control/key_port.h>

#include <vector>

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

auth::KeyCommand directory(uint64_t version) {
  return auth::AdoptDirectory{auth::Directory(nullptr, nullptr, version)};
}

auth::KeyCommand answer(uint64_t generation) {
  auto answered = std::make_unique<auth::LookupAnswered>();
  answered->generation = generation;
  return answered;
}

uint64_t number_of(const auth::KeyCommand& command) {
  if (const auto* adopt = std::get_if<auth::AdoptDirectory>(&command)) {
    return adopt->directory.version();
  }
  return std::get<std::unique_ptr<auth::LookupAnswered>>(command)->generation;
}

std::vector<uint64_t> drain(KeyPort& port, KeyCommands& commands) {
  std::vector<uint64_t> seen;
  do {
    while (const auto command = commands.pop()) seen.push_back(number_of(*command));
    port.flush();
  } while (commands.has_message());
  return seen;
}

TEST(KeyPort, commands_beyond_the_mailbox_wait_and_keep_their_order) {
  KeyCommands commands(2);
  KeyReports reports(2);
  KeyPort port(ShardId{0}, commands, reports);
  for (uint64_t i = 1; i <= 5; ++i) port.send(answer(i));
  EXPECT_TRUE(port.has_waiting());
  EXPECT_FALSE(port.flush());
  EXPECT_EQ(drain(port, commands), (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_FALSE(port.has_waiting());
}

TEST(KeyPort, of_directories_that_wait_behind_each_other_only_the_last_is_sent) {
  KeyCommands commands(2);
  KeyReports reports(2);
  KeyPort port(ShardId{0}, commands, reports);
  for (uint64_t i = 1; i <= 9; ++i) port.send(directory(i));
  port.send(answer(100));
  port.send(directory(10));
  port.send(directory(11));
  EXPECT_EQ(drain(port, commands), (std::vector<uint64_t>{1, 2, 9, 100, 11}));
}

}  // namespace
}  // namespace sluice::control
