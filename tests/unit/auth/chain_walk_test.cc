// Goal: the order of the sources, both modes, and what a source that cannot be asked means, by
// walking the chain with every combination of answers.
#include <sluice/auth/chain.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

using config::SourceKind;
using config::SourceLoss;

constexpr WallTime kWall{1'000'000};
constexpr MonoTime kBegin{seconds(100)};
const crypto::Digest kDigest = crypto::sha256("sk-1");

KeyAnswer found(std::string id) {
  KeyAnswer answer{.kind = KeyAnswer::Kind::kFound};
  answer.record.id = std::move(id);
  return answer;
}
KeyAnswer blocked(std::string id) {
  KeyAnswer answer = found(std::move(id));
  answer.record.is_blocked = true;
  return answer;
}
KeyAnswer unknown() { return {.kind = KeyAnswer::Kind::kNotFound}; }
KeyAnswer failed() { return {.kind = KeyAnswer::Kind::kFailed}; }

class ChainWalk : public testing::Test {
 protected:
  void use(std::initializer_list<SourceKind> kinds, config::AuthMode mode = {},
           SourceLoss on_error = SourceLoss::kDeny) {
    snapshot_.auth.mode = mode;
    for (const SourceKind kind : kinds) {
      snapshot_.auth.sources.push_back({.kind = kind, .on_error = on_error});
    }
    cache_.follow(snapshot_.auth);
  }
  void add_file_key() {
    config::Key key;
    key.digest = kDigest;
    key.tenant = TenantId{0};
    snapshot_.keys.push_back(key);
    snapshot_.keys_by_digest[kDigest] = KeyId{0};
  }
  void say(uint32_t source, KeyAnswer answer, MonoTime when = kBegin) {
    LookupAnswered answered{.digest = kDigest};
    answered.said.push_back({source, std::move(answer)});
    cache_.put(std::move(answered), when);
  }
  Result<Identified> walk(MonoTime now = kBegin, Decider* decider = nullptr) {
    const Chain chain(KeyTable(snapshot_), snapshot_.auth);
    return chain.identify(kDigest, kWall, now, directory_, cache_, decider);
  }
  std::string told(const Result<Identified>& result) {
    if (!result) return std::string(to_string(result.error().code));
    switch (result->by) {
      case Identified::By::kFile: return "file";
      case Identified::By::kFound: return std::string(result->found.id);
      case Identified::By::kMustAsk: return "ask " + std::to_string(result->sources_end);
    }
    return "";
  }

  config::Snapshot snapshot_;
  Directory directory_;
  AnswerCache cache_;
};

TEST_F(ChainWalk, the_first_source_that_knows_the_key_decides) {
  use({SourceKind::kRedis, SourceKind::kWebhook});
  EXPECT_EQ(told(walk()), "ask 2");
  say(0, found("redis:a"));
  say(1, found("hook:b"));
  EXPECT_EQ(told(walk()), "redis:a");
  say(0, unknown());
  EXPECT_EQ(told(walk()), "hook:b");
  say(1, unknown());
  EXPECT_EQ(told(walk()), "invalid_api_key");
}

TEST_F(ChainWalk, only_what_stands_before_a_key_of_the_file_is_asked) {
  use({SourceKind::kRedis, SourceKind::kFile, SourceKind::kWebhook});
  EXPECT_EQ(told(walk()), "ask 3");
  add_file_key();
  EXPECT_EQ(told(walk()), "ask 1");
  say(0, unknown());
  EXPECT_EQ(told(walk()), "file");
}

TEST_F(ChainWalk, d128_a_source_that_fails_denies_and_is_never_passed_over) {
  use({SourceKind::kWebhook, SourceKind::kRedis});
  say(1, found("redis:a"));
  say(0, failed());
  EXPECT_EQ(told(walk()), "auth_unavailable");
  // It is asked again soon, not with every request.
  EXPECT_EQ(told(walk(kBegin + AnswerCache::kFailedHold)), "ask 2");
}

TEST_F(ChainWalk, an_old_answer_stands_in_while_its_source_is_down_where_that_is_allowed) {
  use({SourceKind::kRedis}, {}, SourceLoss::kAllowCached);
  const config::SourceSettings& redis = snapshot_.auth.sources[0];
  say(0, found("redis:a"));
  const MonoTime old = kBegin + redis.ttl;
  EXPECT_EQ(walk()->from, metrics::KeyAnswer::kCache);
  EXPECT_EQ(told(walk(old)), "ask 1");
  say(0, failed(), old);
  const Result<Identified> stale = walk(old);
  ASSERT_EQ(told(stale), "redis:a");
  EXPECT_EQ(stale->from, metrics::KeyAnswer::kStale);
  EXPECT_FALSE(stale->is_refresh_due);
  // Later it is asked beside the requests, which do not wait for it.
  const Result<Identified> refreshed = walk(old + AnswerCache::kFailedHold);
  ASSERT_EQ(told(refreshed), "redis:a");
  EXPECT_TRUE(refreshed->is_refresh_due);
  EXPECT_EQ(refreshed->sources_end, 1u);
  // Not for ever.
  EXPECT_EQ(told(walk(kBegin + redis.stale_max)), "ask 1");
  say(0, failed(), kBegin + redis.stale_max);
  EXPECT_EQ(told(walk(kBegin + redis.stale_max)), "auth_unavailable");
}

TEST_F(ChainWalk, a_key_that_was_never_seen_is_denied_while_its_source_is_down) {
  use({SourceKind::kRedis}, {}, SourceLoss::kAllowCached);
  say(0, failed());
  EXPECT_EQ(told(walk()), "auth_unavailable");
}

TEST_F(ChainWalk, d129_in_mode_all_every_source_must_know_the_key) {
  use({SourceKind::kFile, SourceKind::kRedis, SourceKind::kWebhook}, config::AuthMode::kAll);
  EXPECT_EQ(told(walk()), "invalid_api_key");  // Not in the file: nobody need be asked.
  add_file_key();
  EXPECT_EQ(told(walk()), "ask 3");
  say(1, found("redis:a"));
  EXPECT_EQ(told(walk()), "ask 3");
  say(2, found("hook:b"));
  EXPECT_EQ(told(walk()), "file");
  say(2, blocked("hook:b"));
  EXPECT_EQ(told(walk()), "key_blocked");
  KeyAnswer of_operator = found("hook:b");
  of_operator.record.kind = KeyKind::kManagement;
  say(2, std::move(of_operator));
  EXPECT_EQ(told(walk()), "wrong_key_type");
  say(2, unknown());
  EXPECT_EQ(told(walk()), "invalid_api_key");
  say(2, failed());
  EXPECT_EQ(told(walk(kBegin + seconds(3600))), "ask 3");
}

TEST_F(ChainWalk, d129_in_mode_all_a_source_that_fails_denies) {
  use({SourceKind::kRedis, SourceKind::kWebhook}, config::AuthMode::kAll);
  say(0, found("redis:a"));
  say(1, failed());
  EXPECT_EQ(told(walk()), "auth_unavailable");
}

TEST_F(ChainWalk, negative_answers_hold_for_their_own_time) {
  use({SourceKind::kRedis});
  const config::SourceSettings& redis = snapshot_.auth.sources[0];
  say(0, unknown());
  EXPECT_EQ(told(walk(kBegin + redis.negative_ttl - milliseconds(1))), "invalid_api_key");
  EXPECT_EQ(told(walk(kBegin + redis.negative_ttl)), "ask 1");
  KeyAnswer brief = found("redis:a");
  brief.ttl = seconds(2);
  say(0, std::move(brief));
  EXPECT_EQ(told(walk(kBegin + seconds(2))), "ask 1");
}

struct FakeDecider final : Decider {
  Verdict decide(uint32_t, const FoundKey* so_far, const AnsweredKey** said) override {
    ++runs;
    saw = so_far == nullptr ? "" : std::string(so_far->id);
    *said = own == nullptr ? nullptr : own.get();
    return verdict;
  }
  Verdict verdict = Verdict::kPass;
  std::unique_ptr<AnsweredKey> own;
  std::string saw;
  int runs = 0;
};

TEST_F(ChainWalk, a_script_allows_passes_or_refuses) {
  use({SourceKind::kLua, SourceKind::kRedis});
  say(1, found("redis:a"));
  FakeDecider decider;
  const Result<Identified> passed = walk(kBegin, &decider);
  EXPECT_EQ(told(passed), "redis:a");
  EXPECT_EQ(passed->holds_until, kBegin);  // The next request may be one that the script refuses.
  decider.verdict = Verdict::kDeny;
  EXPECT_EQ(told(walk(kBegin, &decider)), "refused_by_policy");
  decider.verdict = Verdict::kAllow;
  KeyRecord record;
  record.id = "lua:x";
  decider.own = std::make_unique<AnsweredKey>(std::move(record));
  const Result<Identified> allowed = walk(kBegin, &decider);
  ASSERT_EQ(told(allowed), "lua:x");
  EXPECT_EQ(allowed->holds_until, kBegin);  // Run again for the next request.
}

TEST_F(ChainWalk, in_mode_all_a_script_sees_what_was_found_and_must_allow_it) {
  use({SourceKind::kRedis, SourceKind::kLua}, config::AuthMode::kAll);
  say(0, found("redis:a"));
  FakeDecider decider;
  EXPECT_EQ(told(walk(kBegin, &decider)), "invalid_api_key");
  EXPECT_EQ(decider.saw, "redis:a");
  decider.verdict = Verdict::kAllow;
  const Result<Identified> allowed = walk(kBegin, &decider);
  EXPECT_EQ(told(allowed), "redis:a");
  EXPECT_EQ(allowed->holds_until, kBegin);
}

// Goal: made-up keys push out each other, not answers about real ones.
TEST_F(ChainWalk, d139_a_flood_of_unknown_keys_stays_bounded) {
  use({SourceKind::kRedis});
  snapshot_.auth.cache_entries = 64;
  cache_.follow(snapshot_.auth);
  say(0, found("redis:a"));
  for (int i = 0; i < 10'000; ++i) {
    LookupAnswered answered{.digest = crypto::sha256("made up " + std::to_string(i))};
    answered.said.push_back({0, unknown()});
    cache_.put(std::move(answered), kBegin);
  }
  EXPECT_LE(cache_.size(), 64u);
  EXPECT_EQ(told(walk()), "redis:a");
}

}  // namespace
}  // namespace sluice::auth
