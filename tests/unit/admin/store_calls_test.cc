// Calls that reach the key store, with a real one in a file.
#include <set>

#include "fake_gateway.h"
#include "fields.h"
#include "router.h"

namespace sluice::admin {
namespace {

class StoreCalls : public AdminTest {
 protected:
  void SetUp() override { keys_.open(clock_); }

  // The answer's body, which must have the status and the members that its route says.
  json::Value checked(const control::SmallRequest& request, const control::SmallAnswer& answer) {
    const Match match = find_route(request.path, request.method);
    if (match.route == nullptr) {
      ADD_FAILURE() << request.path << " is no route";
      return json::Value(json::Object{});
    }
    EXPECT_EQ(answer.status, match.route->status) << request.path << " " << answer.body;
    auto body = json::parse_value(answer.body);
    EXPECT_TRUE(body) << answer.body;
    if (!body || answer.status >= 300) return json::Value(json::Object{});
    const auto refusal = check_members(match.route->answer, *body->as_object());
    EXPECT_FALSE(refusal) << request.path << ": " << refusal->message;
    return *std::move(body);
  }
  static control::SmallRequest request_of(http::Method method, std::string path, std::string body) {
    const size_t query = std::min(path.find('?'), path.size());
    return {.method = method,
            .path = path.substr(0, query),
            .content_type = "application/json",
            .body = std::move(body),
            .query = query == path.size() ? "" : path.substr(query + 1)};
  }
  json::Value ok(http::Method method, std::string path, std::string body = {}) {
    const auto request = request_of(method, std::move(path), std::move(body));
    return checked(request, send(request));
  }
  json::Value ok_as(const std::string& token, http::Method method, std::string path,
                    std::string body = {}) {
    const auto request = request_of(method, std::move(path), std::move(body));
    return checked(request, send_as(token, request));
  }
  uint16_t status_of(http::Method method, std::string path, std::string body = {}) {
    return send(request_of(method, std::move(path), std::move(body))).status;
  }
  uint16_t status_as(const std::string& token, http::Method method, std::string path,
                     std::string body = {}) {
    return send_as(token, request_of(method, std::move(path), std::move(body))).status;
  }
  // Of a key: its id and secret.
  std::pair<std::string, std::string> make_key(std::string body = "{}") {
    const json::Value made = ok(kPost, "/v1/keys", std::move(body));
    const json::Value* key = made.find("key");
    return {key == nullptr ? "" : text_of(*key, "id"), text_of(made, "secret")};
  }
  std::string make_owner(const std::string& list, const std::string& level, std::string body) {
    const json::Value made = ok(kPost, "/v1/" + list, std::move(body));
    const json::Value* owner = made.find(level);
    return owner == nullptr ? "" : text_of(*owner, "id");
  }
  static std::set<std::string> ids_of(const json::Value& answer, std::string_view list) {
    std::set<std::string> ids;
    for (const json::Value& item : *answer.find(list)->as_array()) ids.insert(text_of(item, "id"));
    return ids;
  }

  static constexpr http::Method kGet = http::Method::kGet;
  static constexpr http::Method kPost = http::Method::kPost;
  static constexpr http::Method kPatch = http::Method::kPatch;
  static constexpr http::Method kDelete = http::Method::kDelete;
};

TEST_F(StoreCalls, a_key_is_made_shown_changed_blocked_and_deleted) {
  const auto [id, secret] = make_key(
      R"({"name":"app","models":["gpt-*"],"limits":{"requests_per_minute":60},"tags":["a"]})");
  EXPECT_TRUE(secret.starts_with("sk-"));
  EXPECT_TRUE(keys_.present().find(crypto::sha256(secret)));

  json::Value shown = ok(kGet, "/v1/keys/" + id);
  EXPECT_EQ(text_of(*shown.find("key"), "status"), "active");
  EXPECT_EQ(text_of(*shown.find("key"), "prefix"), secret.substr(3, 8));

  ok(kPatch, "/v1/keys/" + id, R"({"name":"other","tags":null})");
  shown = ok(kGet, "/v1/keys/" + id);
  EXPECT_EQ(text_of(*shown.find("key"), "name"), "other");
  EXPECT_TRUE(texts_of(*shown.find("key"), "tags").empty());
  EXPECT_EQ(texts_of(*shown.find("key"), "models"), std::vector<std::string>{"gpt-*"});

  EXPECT_EQ(text_of(*ok(kPost, "/v1/keys/" + id + "/block").find("key"), "status"), "blocked");
  EXPECT_TRUE(keys_.present().find(crypto::sha256(secret))->is_blocked);
  EXPECT_EQ(text_of(*ok(kPost, "/v1/keys/" + id + "/unblock").find("key"), "status"), "active");
  ok(kDelete, "/v1/keys/" + id);
  EXPECT_EQ(status_of(kGet, "/v1/keys/" + id), 404);
  EXPECT_FALSE(keys_.present().find(crypto::sha256(secret)));
}

TEST_F(StoreCalls, a_secret_is_shown_once_and_in_no_other_answer) {
  const auto [id, secret] = make_key();
  for (const std::string path : {"/v1/keys", "/v1/audit", "/key/list"}) {
    EXPECT_FALSE(get(path).body.contains(secret)) << path;
  }
  EXPECT_FALSE(get("/v1/keys/" + id).body.contains(secret));
}

TEST_F(StoreCalls, keys_are_listed_by_pages_and_filters) {
  for (int i = 0; i < 5; ++i) make_key(i < 2 ? R"({"tags":["x"]})" : R"({"type":"read_only"})");
  std::set<std::string> seen;
  std::string cursor;
  int pages = 0;
  do {
    const json::Value page = ok(kGet, "/v1/keys?limit=2&cursor=" + cursor);
    seen.merge(ids_of(page, "keys"));
    cursor = text_of(page, "next");
  } while (++pages < 10 && !cursor.empty());
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(text_of(ok(kGet, "/v1/keys?limit=5"), "next"), "");
  EXPECT_EQ(ids_of(ok(kGet, "/v1/keys?tag=x"), "keys").size(), 2u);
  EXPECT_EQ(ids_of(ok(kGet, "/v1/keys?type=read_only&blocked=false"), "keys").size(), 3u);
  for (const char* query : {"limit=0", "limit=1001", "type=other", "blocked=perhaps"}) {
    EXPECT_EQ(status_of(kGet, std::string("/v1/keys?") + query), 400) << query;
  }
}

TEST_F(StoreCalls, d009_a_rotated_key_has_a_new_secret_and_perhaps_the_former_one_for_a_time) {
  const auto [id, secret] = make_key();
  const std::string second =
      text_of(ok(kPost, "/v1/keys/" + id + "/rotate", R"({"overlap":"1h"})"), "secret");
  EXPECT_NE(second, secret);
  ASSERT_TRUE(keys_.present().find(crypto::sha256(secret)));
  EXPECT_TRUE(keys_.present().find(crypto::sha256(secret))->is_former);
  const std::string third = text_of(ok(kPost, "/v1/keys/" + id + "/rotate"), "secret");
  EXPECT_FALSE(keys_.present().find(crypto::sha256(second)));
  EXPECT_TRUE(keys_.present().find(crypto::sha256(third)));
  for (const char* overlap : {"0s", "31d", "soon"}) {
    EXPECT_EQ(status_of(kPost, "/v1/keys/" + id + "/rotate",
                        std::string(R"({"overlap":")") + overlap + "\"}"),
              400)
        << overlap;
  }
}

TEST_F(StoreCalls, a_request_with_an_idempotency_key_is_carried_out_once) {
  control::SmallRequest request = request_of(kPost, "/v1/keys", R"({"name":"a"})");
  request.idempotency_key = "once-1";
  const json::Value first = checked(request, send(request));
  const json::Value again = checked(request, send(request));
  EXPECT_EQ(text_of(*first.find("key"), "id"), text_of(*again.find("key"), "id"));
  EXPECT_EQ(boolean_of(first, "replayed"), false);
  EXPECT_EQ(boolean_of(again, "replayed"), true);
  EXPECT_NE(text_of(first, "secret"), "");
  EXPECT_EQ(text_of(again, "secret"), "");
  EXPECT_EQ(ids_of(ok(kGet, "/v1/keys"), "keys").size(), 1u);

  request.body = R"({"name":"b"})";
  const auto conflict = send(request);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_TRUE(conflict.body.contains("idempotency_conflict"));
  request.idempotency_key = "with space";
  EXPECT_EQ(send(request).status, 400);
}

TEST_F(StoreCalls, an_idempotency_key_holds_for_the_next_process_of_the_account) {
  control::SmallRequest request = request_of(kPost, "/v1/keys", R"({"name":"a"})");
  request.idempotency_key = "once-3";
  const auto ask_from = [&](uint32_t uid, int32_t pid) {
    request.peer = {.process = net::PeerCredentials{.uid = uid, .gid = 8, .pid = pid},
                    .address = "unix"};
    const control::SmallAnswer answer = send_plain(request);
    return text_of(*checked(request, answer).find("key"), "id");
  };
  const std::string first = ask_from(7, 9);
  EXPECT_EQ(ask_from(7, 10), first);
  EXPECT_NE(ask_from(8, 10), first);
}

TEST_F(StoreCalls, a_refused_request_is_not_remembered) {
  control::SmallRequest request = request_of(kPost, "/v1/keys", R"({"team":"team_none"})");
  request.idempotency_key = "once-2";
  EXPECT_EQ(send(request).status, 400);
  ok(kPost, "/v1/teams", R"({"id":"team_none","name":"t"})");
  EXPECT_EQ(send(request).status, 201);
}

TEST_F(StoreCalls, owners_bind_their_keys) {
  const std::string organisation =
      make_owner("organisations", "organisation", R"({"name":"acme"})");
  const std::string team =
      make_owner("teams", "team", R"({"name":"t","organisation":")" + organisation + "\"}");
  const auto [id, secret] = make_key(R"({"team":")" + team + "\"}");
  ok(kPost, "/v1/teams/" + team + "/block");
  EXPECT_EQ(text_of(*ok(kGet, "/v1/keys/" + id).find("key"), "status"), "owner_blocked");
  ok(kPost, "/v1/teams/" + team + "/unblock");
  ok(kPatch, "/v1/organisations/" + organisation, R"({"expires":"2001-01-01T00:00:00Z"})");
  EXPECT_EQ(text_of(*ok(kGet, "/v1/keys/" + id).find("key"), "status"), "owner_expired");

  EXPECT_EQ(status_of(kGet, "/v1/organisations/" + team), 404);
  EXPECT_EQ(status_of(kPatch, "/v1/teams/" + team, R"({"id":"other"})"), 400);
  EXPECT_EQ(status_of(kDelete, "/v1/organisations/" + organisation), 409);
  ok(kDelete, "/v1/organisations/" + organisation + "?with_all=true");
  EXPECT_EQ(status_of(kGet, "/v1/keys/" + id), 404);
}

TEST_F(StoreCalls, d004_a_scoped_key_sees_and_touches_its_own_alone) {
  const std::string mine = make_owner("organisations", "organisation", R"({"name":"mine"})");
  const std::string other = make_owner("organisations", "organisation", R"({"name":"other"})");
  const auto foreign = make_key(R"({"organisation":")" + other + "\"}");
  const auto boss = make_key(R"({"type":"management","organisation":")" + mine + "\"}");
  const std::string& token = boss.second;
  const std::string path = "/v1/keys/" + foreign.first;

  EXPECT_EQ(status_as(token, kGet, path), 404);
  EXPECT_EQ(status_as(token, kPatch, path, R"({"name":"x"})"), 404);
  EXPECT_EQ(status_as(token, kDelete, path), 404);
  EXPECT_EQ(status_as(token, kPost, path + "/block"), 404);
  EXPECT_EQ(status_as(token, kPost, path + "/rotate"), 404);
  EXPECT_EQ(status_as(token, kGet, "/v1/organisations/" + other), 404);
  EXPECT_EQ(status_as(token, kGet, "/key/info?key=" + foreign.second), 404);

  const json::Value made = ok_as(token, kPost, "/v1/keys", R"({"name":"child"})");
  EXPECT_EQ(text_of(*made.find("key"), "organisation"), mine);
  EXPECT_EQ(status_as(token, kPost, "/v1/keys", R"({"organisation":")" + other + "\"}"), 400);
  const std::set<std::string> own = {boss.first, text_of(*made.find("key"), "id")};
  EXPECT_EQ(ids_of(ok_as(token, kGet, "/v1/keys"), "keys"), own);
  EXPECT_EQ(ids_of(ok_as(token, kGet, "/v1/keys?organisation=" + other), "keys").size(), 0u);

  // What binds it is not its own to change.
  EXPECT_EQ(status_as(token, kPatch, "/v1/organisations/" + mine, R"({"limits":null})"), 400);
  EXPECT_EQ(status_as(token, kPost, "/v1/organisations", R"({"name":"new"})"), 400);

  EXPECT_EQ(status_as(token, kGet, "/v1/limits/organisation/" + other), 404);
  EXPECT_EQ(status_as(token, kPost, "/v1/limits/organisation/" + mine + "/reset"), 403);

  // A full sync empties its own alone.
  ok_as(token, kPost, "/v1/keys/sync", R"({"mode":"full","allow_empty":true,"keys":[]})");
  EXPECT_EQ(status_of(kGet, path), 200);
}

TEST_F(StoreCalls, d004_a_scoped_key_reads_of_the_audit_log_what_it_did_itself) {
  const std::string mine = make_owner("organisations", "organisation", R"({"name":"mine"})");
  const auto boss = make_key(R"({"type":"management","organisation":")" + mine + "\"}");
  ok_as(boss.second, kPost, "/v1/keys", "{}");
  const json::Value entries = ok_as(boss.second, kGet, "/v1/audit");
  ASSERT_EQ(entries.find("entries")->as_array()->size(), 1u);
  EXPECT_EQ(text_of(entries.find("entries")->as_array()->front(), "actor"), boss.first);
  EXPECT_EQ(status_as(boss.second, kGet, "/v1/audit?actor=unix:uid=7,pid=9"), 403);
}

// By them it would spend what is another's, and be under none of its own tenant's limits.
TEST_F(StoreCalls, d004_a_scoped_key_gives_no_owner_or_key_a_name_of_the_configuration) {
  config::Snapshot& config = operations_.snapshot_;
  config.tenants = {{.name = "default"}, {.name = "vip"}};
  config.keys.emplace_back().name = "app";
  const std::string mine = make_owner("organisations", "organisation", R"({"name":"mine"})");
  const std::string token =
      make_key(R"({"type":"management","organisation":")" + mine + "\"}").second;
  for (const auto& [path, body] : {std::pair{"/v1/teams", R"({"name":"vip"})"},
                                   {"/v1/teams", R"({"name":"x","id":"vip"})"},
                                   {"/v1/users", R"({"name":"default"})"},
                                   {"/team/new", R"({"team_alias":"vip"})"},
                                   {"/team/new", R"({"team_alias":"x","team_id":"vip"})"}}) {
    EXPECT_EQ(status_as(token, kPost, path, body), 403) << path << body;
    EXPECT_LT(status_of(kPost, path, body), 300) << path << body;
    for (const char* id : {"/v1/teams/vip"}) status_of(kDelete, id);
  }
  const std::string team =
      text_of(*ok_as(token, kPost, "/v1/teams", R"({"name":"plain"})").find("team"), "id");
  EXPECT_EQ(status_as(token, kPatch, "/v1/teams/" + team, R"({"name":"vip"})"), 403);
  EXPECT_EQ(status_as(token, kPost, "/v1/keys/sync",
                      R"({"mode":"incremental","keys":[{"id":"app","secret":"sk-0123456789ab"}]})"),
            403);
  // The name of a key stands for nothing.
  EXPECT_EQ(status_as(token, kPost, "/v1/keys", R"({"name":"vip"})"), 201);
}

TEST_F(StoreCalls, d141_a_full_sync_of_nothing_must_be_meant) {
  const std::string hex(64, 'a');
  const std::string two =
      R"("keys":[{"name":"one","secret":"sk-0123456789abcdef"},{"name":"two","sha256":")" + hex +
      "\"}]}";
  json::Value outcome = ok(kPost, "/v1/keys/sync", R"({"mode":"full","dry_run":true,)" + two);
  EXPECT_EQ(integer_of(outcome, "created"), 2);
  EXPECT_EQ(ids_of(ok(kGet, "/v1/keys"), "keys").size(), 0u);
  ok(kPost, "/v1/keys/sync", R"({"mode":"full",)" + two);
  outcome = ok(kPost, "/v1/keys/sync", R"({"mode":"incremental",)" + two);
  EXPECT_EQ(integer_of(outcome, "unchanged"), 2);

  const auto refused = post("/v1/keys/sync", R"({"mode":"full","keys":[]})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(refused.body.contains("\"param\":\"allow_empty\"")) << refused.body;
  EXPECT_EQ(ids_of(ok(kGet, "/v1/keys"), "keys").size(), 2u);
  outcome = ok(kPost, "/v1/keys/sync", R"({"mode":"full","allow_empty":true,"keys":[]})");
  EXPECT_EQ(integer_of(outcome, "deleted"), 2);
}

TEST_F(StoreCalls, a_sync_names_what_is_wrong_by_its_place) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "keys[0].secret"},
      {R"({"secret":"short"})", "keys[0].secret"},
      {R"({"secret":"sk-0123456789abcdef","sha256":"aa"})", "keys[0].secret"},
      {R"({"sha256":"AA"})", "keys[0].sha256"},
      {R"({"secret":"sk-0123456789abcdef","nmae":"x"})", "keys[0].nmae"},
      {R"({"secret":"sk-0123456789abcdef","weight":0})", "keys[0].weight"},
  };
  for (const auto& [item, param] : cases) {
    const auto answer =
        post("/v1/keys/sync", R"({"mode":"incremental","keys":[)" + std::string(item) + "]}");
    EXPECT_EQ(answer.status, 400) << item;
    EXPECT_TRUE(answer.body.contains("\"param\":\"" + std::string(param) + "\"")) << answer.body;
  }
}

TEST_F(StoreCalls, d008_the_audit_log_names_who_the_kernel_says_it_was) {
  const auto [id, secret] = make_key();
  post("/v1/drain");
  post("/v1/upstreams/one/cooldown", R"({"for":"30s"})");
  post("/v1/upstreams/none/drain");
  const json::Value all = ok(kGet, "/v1/audit");
  const json::Array& entries = *all.find("entries")->as_array();
  ASSERT_EQ(entries.size(), 4u);
  for (const json::Value& entry : entries) EXPECT_EQ(text_of(entry, "actor"), "unix:uid=7,pid=9");
  EXPECT_EQ(text_of(entries[0], "outcome"), "unknown_upstream");
  EXPECT_EQ(text_of(entries[1], "action"), "upstream.cooldown");
  EXPECT_EQ(text_of(entries[1], "object"), "one");
  EXPECT_EQ(text_of(*entries[1].find("after"), "for"), "30s");
  EXPECT_EQ(text_of(entries[2], "action"), "gateway.drain");
  EXPECT_EQ(text_of(entries[3], "action"), "key.create");
  EXPECT_EQ(text_of(entries[3], "object"), id);
  EXPECT_EQ(ok(kGet, "/v1/audit?action=key.*").find("entries")->as_array()->size(), 1u);
  const json::Value page = ok(kGet, "/v1/audit?limit=3");
  EXPECT_EQ(
      ok(kGet, "/v1/audit?cursor=" + text_of(page, "next")).find("entries")->as_array()->size(),
      1u);
  EXPECT_EQ(status_of(kGet, "/v1/audit?cursor=x"), 400);
}

TEST_F(StoreCalls, litellm_scripts_make_change_and_delete_keys) {
  ok(kPost, "/team/new", R"({"team_id":"team_x","team_alias":"x","max_budget":10})");
  const json::Value made = ok(kPost, "/key/generate",
                              R"({"key_alias":"a","team_id":"team_x","duration":"30d","rpm_limit":5,
                                  "max_budget":2,"budget_duration":"1d","metadata":{"a":1}})");
  const std::string secret = text_of(made, "key");
  EXPECT_TRUE(secret.starts_with("sk-"));
  EXPECT_EQ(text_of(made, "team_id"), "team_x");

  const json::Value found = ok(kGet, "/key/info?key=" + secret);
  EXPECT_EQ(integer_of(*found.find("info"), "rpm_limit"), 5);
  EXPECT_EQ(text_of(*found.find("info"), "budget_duration"), "1d");
  ok(kPost, "/key/update", R"({"key":")" + secret + R"(","tpm_limit":100})");
  const json::Value after = ok(kGet, "/key/info?key=" + text_of(made, "token"));
  EXPECT_EQ(integer_of(*after.find("info"), "rpm_limit"), 5);
  EXPECT_EQ(integer_of(*after.find("info"), "tpm_limit"), 100);

  EXPECT_EQ(boolean_of(ok(kPost, "/key/block", R"({"key":")" + secret + "\"}"), "blocked"), true);
  EXPECT_EQ(boolean_of(ok(kPost, "/key/unblock", R"({"key":")" + secret + "\"}"), "blocked"),
            false);
  const std::string next =
      text_of(ok(kPost, "/key/regenerate", R"({"key":")" + secret + "\"}"), "key");
  EXPECT_EQ(status_of(kGet, "/key/info?key=" + secret), 404);
  EXPECT_EQ(ok(kGet, "/key/list?team_id=team_x").find("keys")->as_array()->size(), 1u);
  EXPECT_EQ(ok(kGet, "/key/list?offset=1").find("keys")->as_array()->size(), 0u);
  ok(kPost, "/key/delete", R"({"keys":[")" + next + "\"]}");
  EXPECT_EQ(status_of(kGet, "/key/info?key=" + next), 404);
}

TEST_F(StoreCalls, litellm_scripts_make_change_and_delete_teams) {
  const std::string id = text_of(
      ok(kPost, "/team/new", R"({"team_alias":"x","models":["m"],"tpm_limit":9})"), "team_id");
  ok(kPost, "/team/update", R"({"team_id":")" + id + R"(","rpm_limit":7})");
  const json::Value found = ok(kGet, "/team/info?team_id=" + id);
  EXPECT_EQ(integer_of(*found.find("team_info"), "tpm_limit"), 9);
  EXPECT_EQ(integer_of(*found.find("team_info"), "rpm_limit"), 7);
  EXPECT_EQ(boolean_of(ok(kPost, "/team/block", R"({"team_id":")" + id + "\"}"), "blocked"), true);
  ok(kPost, "/team/unblock", R"({"team_id":")" + id + "\"}");
  EXPECT_EQ(ok(kGet, "/team/list").find("teams")->as_array()->size(), 1u);
  ok(kPost, "/team/delete", R"({"team_ids":[")" + id + "\"]}");
  EXPECT_EQ(status_of(kGet, "/team/info?team_id=" + id), 404);
}

}  // namespace
}  // namespace sluice::admin
