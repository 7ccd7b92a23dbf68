#include <sluice/control/key_service.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/control/run_to_end.h>

#include "sim_world.h"

namespace sluice::control {
namespace {

class NullLogger final : public Logger {
 public:
  [[nodiscard]] bool is_enabled(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

class FakeAsker final : public KeyAsker {
 public:
  void follow(const config::AuthSettings&, uint64_t generation) override {
    followed.push_back(generation);
  }
  void on_asked(ShardId shard, auth::KeyAsked question) override {
    asked.push_back(std::to_string(shard.value) + ":" + question.question.secret);
  }
  [[nodiscard]] bool is_quiet() const noexcept override { return is_over; }
  Task<void> end() override {
    is_over = true;
    co_return;
  }

  std::vector<uint64_t> followed;
  std::vector<std::string> asked;
  bool is_over = false;
};

class KeyServiceTest : public testing::Test {
 protected:
  KeyServiceTest() {
    ports_.emplace_back(ShardId{0}, commands_[0], reports_[0]);
    ports_.emplace_back(ShardId{1}, commands_[1], reports_[1]);
    service_ =
        std::make_unique<KeyService>(KeyDesk::Parts{ring_, returns_, registry_, log_, ports_});
  }
  ~KeyServiceTest() override { run_to_end(ring_, service_->end()); }

  void ask(uint32_t shard, std::string secret) {
    auto asked = std::make_unique<auth::KeyAsked>();
    asked->question.secret = std::move(secret);
    asked->question.digest = crypto::sha256(asked->question.secret);
    asked->sources_end = 2;
    ASSERT_TRUE(reports_[shard].push(std::move(asked)));
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 64}};
  io::OffloadReturns returns_{ring_};
  metrics::Registry registry_{2};
  NullLogger log_;
  KeyCommands commands_[2] = {KeyCommands(4), KeyCommands(4)};
  KeyReports reports_[2] = {KeyReports(4), KeyReports(4)};
  std::vector<KeyPort> ports_;
  std::unique_ptr<KeyService> service_;
};

TEST_F(KeyServiceTest, a_question_goes_to_the_asker) {
  FakeAsker asker;
  service_->set_asker(asker);
  service_->follow({}, 7);
  EXPECT_FALSE(service_->has_work());
  ask(1, "sk-a");
  ask(0, "sk-b");
  EXPECT_TRUE(service_->has_work());
  service_->run();
  EXPECT_FALSE(service_->has_work());
  EXPECT_EQ(asker.asked, (std::vector<std::string>{"0:sk-b", "1:sk-a"}));
  EXPECT_EQ(asker.followed, (std::vector<uint64_t>{7}));
  EXPECT_FALSE(service_->is_quiet());
  run_to_end(ring_, service_->end());
  EXPECT_TRUE(asker.is_over);
  EXPECT_TRUE(service_->is_quiet());
}

TEST_F(KeyServiceTest, without_an_asker_every_source_has_failed) {
  service_->follow({}, 7);
  ask(1, "sk-a");
  service_->run();
  const auto command = commands_[1].pop();
  ASSERT_TRUE(command);
  const auto& answered = *std::get<std::unique_ptr<auth::LookupAnswered>>(*command);
  EXPECT_EQ(answered.digest, crypto::sha256("sk-a"));
  EXPECT_EQ(answered.generation, 7u);
  ASSERT_EQ(answered.said.size(), 2u);
  EXPECT_EQ(answered.said[1].source, 1u);
  EXPECT_EQ(answered.said[1].answer.kind, auth::KeyAnswer::Kind::kFailed);
}

TEST_F(KeyServiceTest, what_waits_for_room_goes_on_when_the_shard_speaks) {
  auth::DirectoryBuilder builder;
  service_->desk().start(builder.finish());
  for (int i = 0; i < 6; ++i) {
    ask(0, "sk");
    service_->run();
  }
  EXPECT_TRUE(ports_[0].has_waiting());
  while (commands_[0].pop()) {
  }
  ASSERT_TRUE(reports_[0].push(auth::DirectoryAdopted{1}));
  service_->run();
  EXPECT_FALSE(ports_[0].has_waiting());
  EXPECT_TRUE(commands_[0].has_message());
}

}  // namespace
}  // namespace sluice::control
