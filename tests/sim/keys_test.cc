// Keys of a store and of sources outside, from the client's side: who may call what, what a change
// does to the next request, and who waits for whom.
#include "served_stage.h"

namespace sluice::sim {
namespace {

using auth::KeyRecord;
using auth::Owner;

std::string bearer(std::string_view secret) {
  return "authorization: Bearer " + std::string(secret) + "\r\n";
}

KeyRecord stored(std::string id, std::string_view secret) {
  KeyRecord key;
  key.id = std::move(id);
  key.digest = crypto::sha256(secret);
  return key;
}

config::LimitRule per_minute(uint64_t most) {
  return {.name = "key/requests_per_minute", .most = most, .length = seconds(60)};
}

constexpr std::string_view kModels =
    "models:\n  - {name: m, aliases: [mm], routes: [{upstream: a}]}\n"
    "  - {name: n, routes: [{upstream: b}]}\n"
    "  - {name: 'wild/*', routes: [{upstream: a, model: '*'}]}\n"
    "keys:\n  - {name: app, secret: sk-app-0123456789abcdef}\n";

class Keys : public ServedStage {
 protected:
  explicit Keys(std::vector<config::SourceSettings> outside = {})
      : ServedStage(with_sources(std::move(outside))) {}

  static ShardOptions with_sources(std::vector<config::SourceSettings> outside) {
    ShardOptions options;
    options.adjust = [outside](config::Snapshot& snapshot) {
      snapshot.auth.sources = {{.kind = config::SourceKind::kFile},
                               {.kind = config::SourceKind::kSqlite}};
      snapshot.auth.sources.insert(snapshot.auth.sources.end(), outside.begin(), outside.end());
    };
    return options;
  }
  void begin() {
    start("", std::string(kModels));
    for (Server& server : servers) server.answer = answer("{}");
  }
  uint16_t status(std::string_view secret, std::string_view model = "m") {
    return get(model, bearer(secret)).status;
  }
  std::string code(std::string_view secret, std::string_view model = "m") {
    const std::string body = get(model, bearer(secret)).body;
    const size_t at = body.find("\"code\":\"");
    return at == std::string::npos ? "" : body.substr(at + 8, body.find('"', at + 8) - at - 8);
  }
};

TEST_F(Keys, d005_a_key_of_the_store_may_call_until_the_next_request_after_it_is_blocked) {
  begin();
  EXPECT_EQ(status("sk-stored"), 401);
  KeyRecord key = stored("key_1", "sk-stored");
  shard.adopt_keys({key});
  EXPECT_EQ(status("sk-stored"), 200);
  EXPECT_EQ(shard.records().back().record.key.view(), "key_1");
  EXPECT_EQ(shard.records().back().record.tenant.view(), "default");
  EXPECT_EQ(status("sk-app-0123456789abcdef"), 200);

  StageClient& kept = client();  // Its connection remembers the key.
  kept.ask(post(kUnary, bearer("sk-stored")));
  ASSERT_TRUE(run_until([&] { return kept.reader.complete_count() == 1; }));
  key.is_blocked = true;
  shard.adopt_keys({key});
  kept.ask(post(kUnary, bearer("sk-stored")));
  ASSERT_TRUE(run_until([&] { return kept.reader.complete_count() == 2; }));
  EXPECT_EQ(kept.reader.answers()[0].status, 200);
  EXPECT_EQ(kept.reader.answers()[1].status, 403);
  kept.close();
  EXPECT_EQ(code("sk-stored"), "key_blocked");
  key.is_blocked = false;
  shard.adopt_keys({key});
  EXPECT_EQ(status("sk-stored"), 200);
  shard.adopt_keys({});
  EXPECT_EQ(code("sk-stored"), "invalid_api_key");
  shard.expect_clean_end();
}

TEST_F(Keys, what_owners_say_binds_their_keys) {
  begin();
  Owner organisation{.level = auth::OwnerLevel::kOrganisation, .id = "org_1", .name = "acme"};
  Owner team{.id = "team_1", .name = "chat", .organisation = "org_1"};
  KeyRecord key = stored("key_1", "sk-stored");
  key.team = "team_1";
  key.organisation = "org_1";
  shard.adopt_keys({key}, {organisation, team});
  EXPECT_EQ(status("sk-stored"), 200);
  EXPECT_EQ(shard.records().back().record.tenant.view(), "team_1");
  organisation.is_blocked = true;
  shard.adopt_keys({key}, {organisation, team});
  EXPECT_EQ(code("sk-stored"), "key_blocked");
  organisation.is_blocked = false;
  team.expires = WallTime{1};
  shard.adopt_keys({key}, {organisation, team});
  EXPECT_EQ(code("sk-stored"), "key_expired");
  team.expires.reset();
  team.models = {"n"};
  shard.adopt_keys({key}, {organisation, team});
  EXPECT_EQ(code("sk-stored"), "model_not_allowed");
  EXPECT_EQ(status("sk-stored", "n"), 200);
  shard.expect_clean_end();
}

TEST_F(Keys, d012_d029_models_are_allowed_by_any_of_their_names_and_listed_only_then) {
  begin();
  KeyRecord key = stored("key_1", "sk-stored");
  key.models = {"m*", "wild/good-*"};
  shard.adopt_keys({key});
  EXPECT_EQ(status("sk-stored", "m"), 200);
  EXPECT_EQ(status("sk-stored", "mm"), 200);
  EXPECT_EQ(code("sk-stored", "n"), "model_not_allowed");
  EXPECT_EQ(status("sk-stored", "wild/good-1"), 200);
  EXPECT_EQ(code("sk-stored", "wild/bad"), "model_not_allowed");
  StageClient& lists = client();
  lists.ask("GET /v1/models HTTP/1.1\r\nhost: x\r\n" + bearer("sk-stored") + "\r\n");
  const Answer listed = finish(lists);
  EXPECT_NE(listed.body.find("\"id\":\"m\""), std::string::npos);
  EXPECT_EQ(listed.body.find("\"id\":\"n\""), std::string::npos);
  // What is allowed by an alias is allowed by the name, too.
  key.models = {"mm"};
  shard.adopt_keys({key});
  EXPECT_EQ(status("sk-stored", "m"), 200);
  shard.expect_clean_end();
}

TEST_F(Keys, d003_keys_of_operators_call_no_model) {
  begin();
  KeyRecord key = stored("key_1", "sk-stored");
  for (const auth::KeyKind kind : {auth::KeyKind::kManagement, auth::KeyKind::kReadOnly}) {
    key.kind = kind;
    shard.adopt_keys({key});
    EXPECT_EQ(code("sk-stored"), "wrong_key_type");
  }
  shard.expect_clean_end();
}

TEST_F(Keys, d127_times_and_addresses_are_enforced) {
  begin();
  const auto expect_code = [&](const KeyRecord& key, std::string_view expected) {
    shard.adopt_keys({key});
    EXPECT_EQ(code("sk-stored"), expected);
  };
  const KeyRecord key = stored("key_1", "sk-stored");
  expect_code(key, "");
  KeyRecord early = key;
  early.not_before = WallTime{INT64_MAX};
  expect_code(early, "key_not_yet_valid");
  KeyRecord late = key;
  late.expires = WallTime{1};
  expect_code(late, "key_expired");
  KeyRecord elsewhere = key;
  elsewhere.allowed_addresses = {{.prefix = {0x20, 1}, .bits = 16}};
  expect_code(elsewhere, "address_not_allowed");
  KeyRecord denied = key;
  denied.denied_addresses = {{.prefix = {}, .bits = 0}};
  expect_code(denied, "address_not_allowed");
  denied.denied_addresses.clear();
  denied.allowed_addresses = {{.prefix = {}, .bits = 0}};
  expect_code(denied, "");
  shard.expect_clean_end();
}

TEST_F(Keys, d013_d100_limits_of_a_key_and_of_its_team_hold_and_keep_what_was_used) {
  begin();
  Owner team{.id = "team_1", .name = "chat"};
  team.limits = {per_minute(3)};
  team.limits[0].name = "team/requests_per_minute";
  KeyRecord first = stored("key_1", "sk-1"), second = stored("key_2", "sk-2");
  first.team = second.team = "team_1";
  first.limits = {per_minute(2)};
  shard.adopt_keys({first, second}, {team});
  EXPECT_EQ(status("sk-1"), 200);
  EXPECT_EQ(status("sk-1"), 200);
  const Answer refused = get("m", bearer("sk-1"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("`key/requests_per_minute` of 2 requests"), std::string::npos);
  EXPECT_EQ(refused.header("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(status("sk-2"), 200);
  EXPECT_EQ(code("sk-2"), "rate_limit_exceeded") << "the team's three are used";
  EXPECT_EQ(shard.cells().key_limit_refused.at(0).value(), 2u);
  // A change of the key, and a new configuration, give nobody anything back.
  first.limits[0].most = 100;
  second.name = "renamed";
  shard.adopt_keys({first, second}, {team});
  EXPECT_EQ(code("sk-2"), "rate_limit_exceeded");
  reload({"", "", "", ""}, std::string(kModels));
  EXPECT_EQ(code("sk-1"), "rate_limit_exceeded");
  team.limits[0].most = 4;
  shard.adopt_keys({first, second}, {team});
  EXPECT_EQ(status("sk-2"), 200);
  EXPECT_EQ(code("sk-1"), "rate_limit_exceeded");
  shard.expect_clean_end();
}

TEST_F(Keys, a_limit_on_one_model_leaves_the_others_alone) {
  begin();
  KeyRecord key = stored("key_1", "sk-stored");
  key.model_limits = {{.models = "m", .rule = per_minute(1)}};
  shard.adopt_keys({key});
  EXPECT_EQ(status("sk-stored", "m"), 200);
  EXPECT_EQ(code("sk-stored", "mm"), "rate_limit_exceeded");
  EXPECT_EQ(status("sk-stored", "n"), 200);
  EXPECT_EQ(status("sk-stored", "n"), 200);
  shard.expect_clean_end();
}

TEST_F(Keys, a_request_under_way_outlives_its_key_and_its_configuration) {
  begin();
  servers[0].answer.clear();
  KeyRecord key = stored("key_1", "sk-stored");
  key.limits = {per_minute(2)};
  shard.adopt_keys({key});
  StageClient& asked = ask("m", bearer("sk-stored"));
  ASSERT_TRUE(run_until([&] { return servers[0].held.size() == 1; }));
  shard.adopt_keys({});
  reload({"", "", "", ""}, std::string(kModels));
  EXPECT_EQ(code("sk-stored"), "invalid_api_key");
  servers[0].finish_one(answer("{}"));
  EXPECT_EQ(finish(asked).status, 200);
  shard.expect_clean_end();
}

config::SourceSettings webhook() { return {.kind = config::SourceKind::kWebhook, .name = "hook"}; }

class OutsideKeys : public Keys {
 protected:
  OutsideKeys() : Keys({webhook()}) {}

  auth::LookupAnswered say(const auth::KeyAsked& asked, auth::KeyAnswer answer) {
    auth::LookupAnswered answered{.digest = asked.question.digest};
    answered.said.push_back({2, std::move(answer)});
    return answered;
  }
  auth::KeyAnswer found(std::string id) {
    auth::KeyAnswer answer{.kind = auth::KeyAnswer::Kind::kFound};
    answer.record.id = std::move(id);
    return answer;
  }
  std::unique_ptr<auth::KeyAsked> next_asked() {
    std::vector<std::unique_ptr<auth::KeyAsked>> asked;
    EXPECT_TRUE(run_until([&] {
      asked = shard.take_asked();
      return !asked.empty();
    }));
    EXPECT_EQ(asked.size(), 1u);
    return std::move(asked.at(0));
  }
};

TEST_F(OutsideKeys, many_requests_of_a_new_key_wait_for_one_question) {
  begin();
  std::vector<StageClient*> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(&ask("m", bearer("sk-outside")));
  const auto asked = next_asked();
  EXPECT_EQ(asked->question.secret, "sk-outside");
  EXPECT_EQ(asked->sources_end, 3u);
  ASSERT_TRUE(run_for(milliseconds(100)));
  EXPECT_TRUE(shard.take_asked().empty());
  shard.answer(say(*asked, found("hook:1")));
  for (StageClient* client : waiting) EXPECT_EQ(finish(*client).status, 200);
  EXPECT_EQ(status("sk-outside"), 200);
  EXPECT_TRUE(shard.take_asked().empty()) << "the answer is kept";
  EXPECT_EQ(shard.records().back().record.key.view(), "hook:1");
  EXPECT_EQ(status("sk-app-0123456789abcdef"), 200);
  EXPECT_TRUE(shard.take_asked().empty()) << "the file stands first";
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, an_unknown_key_is_refused_and_not_asked_about_again_soon) {
  begin();
  StageClient& first = ask("m", bearer("sk-made-up"));
  shard.answer(say(*next_asked(), {.kind = auth::KeyAnswer::Kind::kNotFound}));
  EXPECT_EQ(finish(first).status, 401);
  EXPECT_EQ(status("sk-made-up"), 401);
  EXPECT_TRUE(shard.take_asked().empty());
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, an_answer_of_sources_that_are_not_adopted_yet_lets_nobody_in) {
  begin();
  StageClient& early = ask("m", bearer("sk-outside"));
  shard.answer(say(*next_asked(), found("hook:1")), 1);
  EXPECT_EQ(finish(early).status, 503);
  StageClient& again = ask("m", bearer("sk-outside"));
  shard.answer(say(*next_asked(), found("hook:1")));
  EXPECT_EQ(finish(again).status, 200);
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, d128_no_answer_and_a_failed_source_refuse) {
  begin();
  StageClient& first = ask("m", bearer("sk-outside"));
  (void)next_asked();
  EXPECT_EQ(finish(first).status, 503) << "control says nothing";
  StageClient& second = ask("m", bearer("sk-other"));
  shard.answer(say(*next_asked(), {.kind = auth::KeyAnswer::Kind::kFailed}));
  const Answer refused = finish(second);
  EXPECT_EQ(refused.status, 503);
  EXPECT_FALSE(refused.header("retry-after").empty());
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, a_client_that_leaves_while_its_key_is_asked_about_leaves_nothing) {
  begin();
  StageClient& first = ask("m", bearer("sk-outside"));
  const auto asked = next_asked();
  first.close();
  ASSERT_TRUE(run_for(milliseconds(5)));
  servers[0].answer.clear();  // It is seen when the body has been read.
  shard.answer(say(*asked, found("hook:1")));
  ASSERT_TRUE(run_until([&] { return shard.records().size() == 1; }));
  EXPECT_EQ(shard.records()[0].record.status, 499);
  servers[0].answer = answer("{}");
  EXPECT_EQ(status("sk-outside"), 200);
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, one_address_can_ask_about_so_many_keys_only) {
  begin();
  size_t asked = 0, refused = 0;
  for (int i = 0; i < 150; ++i) {
    StageClient& client = ask("m", bearer("sk-made-up-" + std::to_string(i)));
    ASSERT_TRUE(run_for(milliseconds(2)));
    for (const auto& question : shard.take_asked()) {
      ++asked;
      shard.answer(say(*question, {.kind = auth::KeyAnswer::Kind::kNotFound}));
    }
    refused += finish(client).status == 503 ? 1 : 0;
  }
  EXPECT_EQ(asked, 100u);
  EXPECT_EQ(refused, 50u);
  EXPECT_EQ(shard.cells().key_lookups_refused.value(), 50u);
  ASSERT_TRUE(run_for(exchange::KeyRoom::kWindow));
  StageClient& later = ask("m", bearer("sk-made-up-later"));
  shard.answer(say(*next_asked(), {.kind = auth::KeyAnswer::Kind::kNotFound}));
  EXPECT_EQ(finish(later).status, 401);
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, all_addresses_of_one_ipv6_network_are_one) {
  begin();
  size_t asked = 0;
  for (int i = 0; i < 120; ++i) {
    StageClient& made = client();
    made.set_address(support::sim_address(("2001:db8::" + std::to_string(i + 1)).c_str(), 4711));
    made.ask(post(kUnary, bearer("sk-made-up-" + std::to_string(i))));
    ASSERT_TRUE(run_for(milliseconds(2)));
    for (const auto& question : shard.take_asked()) {
      ++asked;
      shard.answer(say(*question, {.kind = auth::KeyAnswer::Kind::kNotFound}));
    }
    finish(made);
  }
  EXPECT_EQ(asked, 100u);
  shard.expect_clean_end();
}

TEST_F(OutsideKeys, owners_that_the_store_knows_bind_keys_of_a_source) {
  begin();
  Owner team{.id = "team_1", .name = "chat"};
  team.limits = {per_minute(1)};
  shard.adopt_keys({}, {team});
  auth::KeyAnswer answer = found("hook:1");
  answer.record.team = "team_1";
  StageClient& first = ask("m", bearer("sk-outside"));
  shard.answer(say(*next_asked(), std::move(answer)));
  EXPECT_EQ(finish(first).status, 200);
  EXPECT_EQ(code("sk-outside"), "rate_limit_exceeded");
  team.is_blocked = true;
  shard.adopt_keys({}, {team});
  EXPECT_EQ(code("sk-outside"), "key_blocked");
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
