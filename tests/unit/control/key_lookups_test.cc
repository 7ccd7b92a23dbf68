#include <sluice/control/key_lookups.h>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim_world.h"

#include "kept_lines.h"

namespace sluice::control {
namespace {

using auth::LookupAnswered;
using Kind = auth::KeyAnswer::Kind;
using metrics::KeyLookupOutcome;
using metrics::KeySourceKind;

class NumericNames final : public net::Resolver {
 public:
  Task<std::expected<net::NameAnswer, std::string>> find_addresses(std::string host,
                                                                   uint16_t port) override {
    if (hangs != nullptr) co_await io::first_of(hangs);
    co_return net::NameAnswer{.addresses = {*net::parse_address(host, port)}, .valid_for = {}};
  }
  Task<std::expected<std::vector<net::ServiceRecord>, std::string>> resolve_srv(
      std::string) override {
    co_return std::vector<net::ServiceRecord>{};
  }
  Task<void> end() override { co_return; }
  io::Event* hangs = nullptr;  // Until it is triggered; null for not at all.
};

// A webhook at 10.0.0.`number`.
struct FakeHook {
  enum class Mood : uint8_t { kKnows, kDoesNotKnow, kBreaks, kHangs };
  Mood mood = Mood::kDoesNotKnow;
  int questions = 0;
  std::vector<support::SimPeer*> peers;
};

class KeyLookupsTest : public testing::Test {
 protected:
  using Mood = FakeHook::Mood;

  KeyLookupsTest() {
    for (uint32_t i = 0; i < 2; ++i) {
      commands_.push_back(std::make_unique<KeyCommands>(64));
      reports_.push_back(std::make_unique<KeyReports>(64));
      ports_.emplace_back(ShardId{i}, *commands_.back(), *reports_.back());
    }
    lookups_ = std::make_unique<KeyLookups>(KeyLookups::Parts{.ring = ring_,
                                                              .returns = returns_,
                                                              .resolver = names_,
                                                              .registry = registry_,
                                                              .log = log_,
                                                              .ports = ports_});
  }
  ~KeyLookupsTest() override {
    if (lookups_ != nullptr) EXPECT_TRUE(end());
  }
  FakeHook& serve(int number) {
    hooks_.push_back(std::make_unique<FakeHook>());
    FakeHook& hook = *hooks_.back();
    const std::string host = "10.0.0." + std::to_string(number);
    world_.serve(support::sim_address(host.c_str(), 80), [this, &hook]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      hook.peers.push_back(&peer);
      peer.when_bytes = [&hook, &peer](std::string_view) {
        ++hook.questions;
        switch (hook.mood) {
          case Mood::kKnows:
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"user_id\":\"u\"}");
            break;
          case Mood::kDoesNotKnow: peer.send("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"); break;
          case Mood::kBreaks: peer.send("HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}"); break;
          case Mood::kHangs: break;
        }
      };
      return peer;
    });
    return hook;
  }
  static config::SourceSettings hook_at(int number) {
    config::SourceSettings settings;
    settings.kind = config::SourceKind::kWebhook;
    settings.name = "hook" + std::to_string(number);
    settings.url = "http://10.0.0." + std::to_string(number) + "/";
    settings.private_addresses = true;
    settings.timeout = milliseconds(200);
    return settings;
  }
  // The file, the hooks, and a script: indices 0, 1 to n, n + 1.
  config::AuthSettings chain_of(std::vector<config::SourceSettings> hooks) {
    config::AuthSettings settings;
    settings.sources.emplace_back();
    for (config::SourceSettings& hook : hooks) settings.sources.push_back(std::move(hook));
    settings.sources.emplace_back().kind = config::SourceKind::kLua;
    return settings;
  }
  void ask(uint32_t shard, const std::string& secret = "sk-a", uint32_t sources_end = 9) {
    lookups_->on_asked(ShardId{shard},
                       {.question = {.secret = secret, .digest = crypto::sha256(secret)},
                        .sources_end = sources_end});
  }
  std::unique_ptr<LookupAnswered> wait(uint32_t shard) {
    EXPECT_TRUE(world_.run_until(ring_, [&] { return commands_[shard]->has_message(); }));
    auto command = commands_[shard]->pop();
    if (!command) return nullptr;
    return std::get<std::unique_ptr<LookupAnswered>>(std::move(*command));
  }
  // "1:found 2:failed"
  std::string told(uint32_t shard = 0) {
    const auto answered = wait(shard);
    std::string text;
    for (const auto& [source, answer] : answered->said) {
      const char* kind = answer.kind == Kind::kFound      ? "found"
                         : answer.kind == Kind::kNotFound ? "unknown"
                                                          : "failed";
      text += (text.empty() ? "" : " ") + std::to_string(source) + ":" + kind;
    }
    return text;
  }
  [[nodiscard]] uint64_t counted(KeyLookupOutcome outcome) {
    return registry_.control()
        .key_lookups[static_cast<size_t>(KeySourceKind::kWebhook)][outcome]
        .value();
  }
  Task<void> end_task(bool* is_over) {
    co_await lookups_->end();
    *is_over = true;
  }
  bool end() {
    bool is_over = false;
    io::start_detached(end_task(&is_over));
    const bool is_good = world_.run_until(ring_, [&] { return is_over; });
    lookups_.reset();
    return is_good;
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  io::OffloadReturns returns_{ring_};
  NumericNames names_;
  metrics::Registry registry_{2};
  support::KeptLines log_;
  std::vector<std::unique_ptr<KeyCommands>> commands_;
  std::vector<std::unique_ptr<KeyReports>> reports_;
  std::vector<KeyPort> ports_;
  std::vector<std::unique_ptr<FakeHook>> hooks_;
  std::unique_ptr<KeyLookups> lookups_;
};

TEST_F(KeyLookupsTest, the_first_that_knows_the_key_ends_the_questions) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  FakeHook& third = serve(3);
  second.mood = Mood::kKnows;
  lookups_->follow(chain_of({hook_at(1), hook_at(2), hook_at(3)}), 7);
  ask(0);
  const auto answered = wait(0);
  EXPECT_EQ(answered->generation, 7u);
  EXPECT_EQ(answered->digest, crypto::sha256("sk-a"));
  ASSERT_EQ(answered->said.size(), 2u);
  EXPECT_EQ(answered->said[0].source, 1u);
  EXPECT_EQ(answered->said[0].answer.kind, Kind::kNotFound);
  EXPECT_EQ(answered->said[1].source, 2u);
  EXPECT_EQ(answered->said[1].answer.record.user, "u");
  EXPECT_EQ(first.questions + second.questions, 2);
  EXPECT_EQ(third.questions, 0);
  EXPECT_EQ(counted(KeyLookupOutcome::kFound), 1u);
  EXPECT_EQ(counted(KeyLookupOutcome::kNotFound), 1u);
}

TEST_F(KeyLookupsTest, only_sources_before_the_end_are_asked) {
  serve(1);
  FakeHook& second = serve(2);
  lookups_->follow(chain_of({hook_at(1), hook_at(2)}), 1);
  ask(0, "sk-a", 2);
  EXPECT_EQ(told(), "1:unknown");
  EXPECT_EQ(second.questions, 0);
  ask(0, "sk-a", 0);
  EXPECT_EQ(told(), "");
}

TEST_F(KeyLookupsTest, one_flight_for_all_shards) {
  FakeHook& hook = serve(1);
  hook.mood = Mood::kKnows;
  lookups_->follow(chain_of({hook_at(1)}), 1);
  ask(0);
  ask(1);
  ask(0, "sk-b");
  EXPECT_EQ(told(0), "1:found");
  EXPECT_EQ(told(1), "1:found");
  EXPECT_EQ(told(0), "1:found");
  EXPECT_EQ(hook.questions, 2);
}

TEST_F(KeyLookupsTest, d128_a_failure_ends_the_questions_unless_answers_from_before_may_hold) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  first.mood = Mood::kBreaks;
  second.mood = Mood::kKnows;
  config::SourceSettings lenient = hook_at(1);
  lookups_->follow(chain_of({lenient, hook_at(2)}), 1);
  ask(0);
  EXPECT_EQ(told(), "1:failed");
  EXPECT_EQ(second.questions, 0);
  lenient.on_error = config::SourceLoss::kAllowCached;
  lookups_->follow(chain_of({lenient, hook_at(2)}), 2);
  ask(0);
  EXPECT_EQ(told(), "1:failed 2:found");
}

TEST_F(KeyLookupsTest, d129_with_mode_all_every_source_is_asked_side_by_side) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  serve(3);
  first.mood = Mood::kHangs;
  second.mood = Mood::kKnows;
  config::AuthSettings settings = chain_of({hook_at(1), hook_at(2), hook_at(3)});
  settings.mode = config::AuthMode::kAll;
  lookups_->follow(settings, 1);
  const MonoTime begun = ring_.now();
  ask(0);
  EXPECT_EQ(told(), "1:failed 2:found 3:unknown");
  EXPECT_LE(ring_.now() - begun, milliseconds(300));
}

TEST_F(KeyLookupsTest, a_request_waits_no_longer_than_it_may) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  first.mood = second.mood = Mood::kHangs;
  config::SourceSettings one = hook_at(1);
  one.on_error = config::SourceLoss::kAllowCached;
  one.timeout = seconds(20);
  config::AuthSettings settings = chain_of({one, hook_at(2)});
  settings.wait_max = milliseconds(500);
  lookups_->follow(settings, 1);
  const MonoTime begun = ring_.now();
  ask(0);
  EXPECT_EQ(told(), "1:failed 2:failed");
  EXPECT_LE(ring_.now() - begun, milliseconds(550));
  EXPECT_EQ(second.questions, 0);
}

TEST_F(KeyLookupsTest, too_many_keys_are_refused_at_once) {
  FakeHook& hook = serve(1);
  hook.mood = Mood::kHangs;
  lookups_->follow(chain_of({hook_at(1)}), 1);
  for (size_t i = 0; i < KeyLookups::kFlightsMost; ++i) ask(1, "sk-" + std::to_string(i));
  ask(0, "sk-more");
  const auto answered = wait(0);
  ASSERT_EQ(answered->said.size(), 1u);
  EXPECT_EQ(answered->said[0].answer.reason, "too many keys are being asked about");
  ask(0, "sk-0");  // Its flight is there already.
  ASSERT_TRUE(world_.run_until(ring_, [&] {
    while (commands_[1]->pop()) {
    }
    ports_[1].flush();
    return commands_[0]->has_message();
  }));
}

TEST_F(KeyLookupsTest, going_and_coming_back_is_told_once_without_secrets) {
  FakeHook& hook = serve(1);
  lookups_->follow(chain_of({hook_at(1)}), 1);
  hook.mood = Mood::kBreaks;
  for (int i = 0; i < 3; ++i) {
    ask(0);
    EXPECT_EQ(told(), "1:failed");
  }
  hook.mood = Mood::kKnows;
  ask(0);
  EXPECT_EQ(told(), "1:found");
  using Lines = std::vector<std::string>;
  EXPECT_EQ(log_.lines, (Lines{"source hook1 cannot be asked: it answers 401; keys that only it "
                               "knows are refused",
                               "source hook1 answers again"}));
  // One that fails for single keys is not talked about all the time.
  for (int i = 0; i < 5; ++i) {
    hook.mood = i % 2 == 0 ? Mood::kBreaks : Mood::kKnows;
    ask(0);
    (void)told();
  }
  EXPECT_EQ(log_.lines.size(), 2u);
}

TEST_F(KeyLookupsTest, sources_that_are_kept_as_they_are_live_on) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  lookups_->follow(chain_of({hook_at(1), hook_at(2)}), 1);
  ask(0);
  EXPECT_EQ(told(), "1:unknown 2:unknown");
  lookups_->follow(chain_of({hook_at(2)}), 2);
  ask(0);
  EXPECT_EQ(told(), "1:unknown");
  EXPECT_EQ(first.questions, 1);
  EXPECT_EQ(second.questions, 2);
  EXPECT_EQ(second.peers.size(), 1u);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(50)));
  EXPECT_TRUE(first.peers.at(0)->saw_end());
}

TEST_F(KeyLookupsTest, what_was_asked_before_a_reload_is_answered_for_that) {
  FakeHook& first = serve(1);
  FakeHook& second = serve(2);
  first.mood = Mood::kHangs;
  second.mood = Mood::kKnows;
  config::SourceSettings lenient = hook_at(1);
  lenient.on_error = config::SourceLoss::kAllowCached;
  lookups_->follow(chain_of({lenient, hook_at(2)}), 1);
  ask(0);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(50)));
  lookups_->follow(chain_of({}), 2);
  ask(0);
  const auto later = wait(0);
  EXPECT_EQ(later->generation, 2u);
  EXPECT_TRUE(later->said.empty());
  const auto earlier = wait(0);
  EXPECT_EQ(earlier->generation, 1u);
  ASSERT_EQ(earlier->said.size(), 2u);
  EXPECT_EQ(earlier->said[1].answer.kind, Kind::kFound);
}

TEST_F(KeyLookupsTest, a_source_that_cannot_be_made_fails_and_says_why_once) {
  config::SourceSettings broken = hook_at(1);
  broken.url = "https://10.0.0.1/";
  broken.tls_ca = "/nonexistent/ca.pem";
  lookups_->follow(chain_of({broken}), 1);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("give a readable PEM file"), std::string::npos);
  ask(0);
  EXPECT_EQ(told(), "1:failed");
  EXPECT_EQ(log_.lines.size(), 1u);
}

TEST_F(KeyLookupsTest, the_end_answers_all_and_waits_for_nobody) {
  FakeHook& hook = serve(1);
  hook.mood = Mood::kHangs;
  config::SourceSettings slow = hook_at(1);
  slow.timeout = seconds(100);
  config::AuthSettings settings = chain_of({slow, hook_at(2)});
  settings.wait_max = seconds(100);
  lookups_->follow(settings, 1);
  ask(0);
  ASSERT_TRUE(world_.run_for(ring_, milliseconds(50)));
  EXPECT_FALSE(lookups_->is_quiet());
  const MonoTime begun = ring_.now();
  ASSERT_TRUE(end());
  EXPECT_LE(ring_.now() - begun, milliseconds(50));
  EXPECT_TRUE(commands_[0]->has_message());
}

TEST_F(KeyLookupsTest, the_end_has_a_bound_though_a_source_hangs_beyond_its_own) {
  io::Event never(ring_.ready());
  names_.hangs = &never;
  serve(1);
  lookups_->follow(chain_of({hook_at(1)}), 1);
  ask(0);
  bool is_over = false;
  io::start_detached(end_task(&is_over));
  const MonoTime begun = ring_.now();
  ASSERT_TRUE(world_.run_until(ring_, [&] { return is_over; }));
  EXPECT_GE(ring_.now() - begun, KeyLookups::kEndTime);
  EXPECT_LE(ring_.now() - begun, 2 * KeyLookups::kEndTime);
  EXPECT_EQ(told(), "1:failed");
  EXPECT_TRUE(lookups_->is_busy());
  EXPECT_FALSE(lookups_->is_quiet());
  never.trigger();
  ASSERT_TRUE(end());
}

TEST_F(KeyLookupsTest, with_sources_it_has_to_be_ended_though_nobody_has_asked) {
  serve(1);
  EXPECT_TRUE(lookups_->is_quiet());
  lookups_->follow(chain_of({hook_at(1)}), 1);
  EXPECT_FALSE(lookups_->is_busy());
  EXPECT_FALSE(lookups_->is_quiet());
}

}  // namespace
}  // namespace sluice::control
