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

// No source here has a name to be looked up.
class NoNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t) override {
    co_return std::unexpected(host + ": no such name");
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string name) override {
    co_return std::unexpected(name + ": no such name");
  }
  Task<void> end() override { co_return; }
};

class KeyServiceTest : public testing::Test {
 protected:
  KeyServiceTest() {
    ports_.emplace_back(ShardId{0}, commands_[0], reports_[0]);
    ports_.emplace_back(ShardId{1}, commands_[1], reports_[1]);
    make_service(nullptr);
  }
  ~KeyServiceTest() override { run_to_end(ring_, service_->end()); }

  void make_service(net::Resolver* resolver) {
    service_ = std::make_unique<KeyService>(
        KeyService::Parts{ring_, returns_, registry_, log_, ports_, resolver});
  }
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
  NoNames names_;
  KeyCommands commands_[2] = {KeyCommands(4), KeyCommands(4)};
  KeyReports reports_[2] = {KeyReports(4), KeyReports(4)};
  std::vector<KeyPort> ports_;
  std::unique_ptr<KeyService> service_;
};

TEST_F(KeyServiceTest, a_question_goes_to_the_look_ups_and_its_answer_to_the_shard) {
  make_service(&names_);
  config::AuthSettings settings;
  settings.sources.resize(2);
  service_->follow(settings, 7);
  EXPECT_FALSE(service_->has_work());
  ask(1, "sk-a");
  EXPECT_TRUE(service_->has_work());
  service_->run();
  EXPECT_FALSE(service_->has_work());
  ASSERT_TRUE(world_.run_until(ring_, [this] { return commands_[1].has_message(); }));
  const auto command = commands_[1].pop();
  const auto& answered = *std::get<std::unique_ptr<auth::LookupAnswered>>(*command);
  EXPECT_EQ(answered.digest, crypto::sha256("sk-a"));
  EXPECT_EQ(answered.generation, 7u);
  run_to_end(ring_, service_->end());
  EXPECT_TRUE(service_->is_quiet());
}

TEST_F(KeyServiceTest, without_look_ups_every_source_has_failed) {
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
