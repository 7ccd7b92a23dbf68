// Scripts of the operator, from the client's and the upstream's side: what they may do, what their
// failures mean, and that requests beside them go on.
#include "served_stage.h"

namespace sluice::sim {
namespace {

using config::HookFailure;
using config::HookSettings;

constexpr std::string_view kModels =
    "models:\n  - {name: m, routes: [{upstream: a}]}\n"
    "  - {name: n, routes: [{upstream: b}]}\n"
    "keys:\n  - {name: app, secret: sk-app-0123456789abcdef, tenant: acme, priority_max: 5}\n"
    "  - {name: free, secret: sk-free-0123456789abcdef, models: [m]}\n";

class Scripts : public ServedStage {
 protected:
  Scripts() : ServedStage(with_hooks(hooks_of_test())) {}

  // Set by each test before the configuration is adopted; the stage copies its options.
  static config::ScriptSettings& hooks_of_test() {
    static config::ScriptSettings hooks;
    return hooks;
  }
  static std::string& chain_of_test() {
    static std::string source;
    return source;
  }
  // With it the chain is these two scripts, and both must allow.
  static std::string& chain_end_of_test() {
    static std::string source;
    return source;
  }
  static config::SourceSettings script(std::string name) {
    config::SourceSettings settings{.kind = config::SourceKind::kLua, .name = std::move(name)};
    settings.script = "chain.lua";
    return settings;
  }
  static ShardOptions with_hooks(config::ScriptSettings&) {
    hooks_of_test() = {};
    chain_of_test().clear();
    chain_end_of_test().clear();
    ShardOptions options;
    options.adjust = [](config::Snapshot& snapshot) {
      snapshot.scripts = hooks_of_test();
      if (chain_of_test().empty()) return;
      snapshot.auth.sources = {{.kind = config::SourceKind::kFile}, script("policy")};
      snapshot.auth.sources[1].source = chain_of_test();
      if (chain_end_of_test().empty()) return;
      snapshot.auth.mode = config::AuthMode::kAll;
      snapshot.auth.sources[0] = script("more");
      snapshot.auth.sources[0].source = chain_of_test();
      snapshot.auth.sources[1].source = chain_end_of_test();
    };
    return options;
  }
  static HookSettings hook(std::string source, HookFailure on_error = HookFailure::kRefuse) {
    return {.script = "test.lua", .source = std::move(source), .on_error = on_error};
  }
  void begin() {
    start("", std::string(kModels));
    for (Server& server : servers) server.answer = answer("{}");
  }
  static std::string bearer(std::string_view key = "app") {
    return "authorization: Bearer sk-" + std::string(key) + "-0123456789abcdef\r\n";
  }
  Answer call(std::string_view key = "app", std::string_view model = "m") {
    return get(model, bearer(key));
  }
  static std::string code_of(const Answer& answer) {
    const size_t at = answer.body.find("\"code\":\"");
    if (at == std::string::npos) return "";
    return answer.body.substr(at + 8, answer.body.find('"', at + 8) - at - 8);
  }
  uint64_t runs(metrics::Hook kind, metrics::HookOutcome outcome) {
    return shard.cells().hook_runs[static_cast<size_t>(kind)][outcome].value();
  }
};

TEST_F(Scripts, d094_on_auth_sees_who_calls_and_may_refuse) {
  hooks_of_test().on_auth = hook(R"(
    if request.path ~= "/v1/chat/completions" then return {allow = false, message = "path"} end
    if request.key_name == "free" then return {allow = false, message = "No free lunch."} end)");
  begin();
  EXPECT_EQ(call("app").status, 200);
  const Answer refused = call("free");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(code_of(refused), "refused_by_policy");
  EXPECT_NE(refused.body.find("No free lunch."), std::string::npos);
  EXPECT_EQ(runs(metrics::Hook::kOnAuth, metrics::HookOutcome::kRefuse), 1u);
  shard.expect_clean_end();
}

TEST_F(Scripts, d132_metadata_that_on_auth_gives_is_what_on_request_sees) {
  hooks_of_test().on_auth = hook("return {allow = true, metadata = {plan = 'gold'}}");
  hooks_of_test().on_request = hook("return {headers = {['x-plan'] = metadata.plan}}");
  begin();
  EXPECT_EQ(call().status, 200);
  EXPECT_NE(servers[0].requests.at(0).find("x-plan: gold\r\n"), std::string::npos);
  shard.expect_clean_end();
}

TEST_F(Scripts, d132_what_on_request_asks_for_takes_effect) {
  hooks_of_test().on_request = hook(R"(
    return {headers = {["x-policy"] = "p-" .. request.model}, priority = 9})");
  begin();
  EXPECT_EQ(call().status, 200);
  ASSERT_EQ(servers[0].requests.size(), 1u);
  EXPECT_NE(servers[0].requests[0].find("x-policy: p-m\r\n"), std::string::npos)
      << servers[0].requests[0];
  EXPECT_NE(servers[0].requests[0].find("x-sluice-priority: 5\r\n"), std::string::npos)
      << "no more than the key may ask for";
  shard.expect_clean_end();
}

TEST_F(Scripts, d094_without_leave_a_script_chooses_no_model_and_no_credential) {
  for (const char* source :
       {"return {model = 'n'}", "return {tags = {'gpu'}}",
        "return {headers = {authorization = 'Bearer x'}}",
        "return {headers = {['content-length'] = '1'}}", "return {headers = {Host = 'x'}}"}) {
    hooks_of_test().on_request = hook(source);
    if (servers[0].answer.empty()) {
      begin();
    } else {
      reload({"", "", "", ""}, std::string(kModels));
    }
    const Answer refused = call();
    EXPECT_EQ(refused.status, 500) << source;
    EXPECT_EQ(code_of(refused), "policy_failed") << source;
  }
  EXPECT_EQ(calls(), 0u);
  shard.expect_clean_end();
}

TEST_F(Scripts, with_leave_it_chooses_among_what_the_key_may_use) {
  hooks_of_test().on_request = hook("return {model = 'n'}");
  hooks_of_test().may_route = true;
  begin();
  EXPECT_EQ(call("app").status, 200);
  EXPECT_EQ(servers[0].requests.size(), 0u);
  ASSERT_EQ(servers[1].requests.size(), 1u);
  EXPECT_NE(servers[1].requests[0].find(R"("model":"n")"), std::string::npos);
  EXPECT_EQ(shard.records().back().record.model.view(), "n");
  EXPECT_EQ(code_of(call("free")), "policy_failed");
  shard.expect_clean_end();
}

TEST_F(Scripts, d130_an_endless_loop_costs_its_own_request_alone) {
  hooks_of_test().on_request = hook("if request.model == 'm' then while true do end end");
  hooks_of_test().instructions_max = 10'000;
  begin();
  const Answer stopped = call("app", "m");
  EXPECT_EQ(stopped.status, 500);
  EXPECT_EQ(code_of(stopped), "policy_failed");
  EXPECT_EQ(call("app", "n").status, 200);
  EXPECT_EQ(runs(metrics::Hook::kOnRequest, metrics::HookOutcome::kTooLong), 1u);
  EXPECT_EQ(servers[0].requests.size(), 0u);
  shard.expect_clean_end();
}

TEST_F(Scripts, d130_so_does_a_memory_bomb) {
  hooks_of_test().on_request = hook(R"(
    if request.model == 'm' then
      local t = {}
      for i = 1, 1e9 do t[i] = {i} end
    end)");
  hooks_of_test().memory_max = 1u << 20;
  hooks_of_test().instructions_max = 1'000'000'000;
  begin();
  EXPECT_EQ(code_of(call("app", "m")), "policy_failed");
  EXPECT_EQ(call("app", "n").status, 200);
  EXPECT_EQ(runs(metrics::Hook::kOnRequest, metrics::HookOutcome::kTooLarge), 1u);
  shard.expect_clean_end();
}

TEST_F(Scripts, d095_d132_whether_a_failure_refuses_is_configured) {
  hooks_of_test().on_request = hook("error('no')", HookFailure::kPass);
  begin();
  EXPECT_EQ(call().status, 200);
  hooks_of_test().on_request = hook("error('no')");
  reload({"", "", "", ""}, std::string(kModels));
  EXPECT_EQ(code_of(call()), "policy_failed");
  hooks_of_test().on_request = hook("return 7");
  reload({"", "", "", ""}, std::string(kModels));
  EXPECT_EQ(code_of(call()), "policy_failed");
  EXPECT_EQ(runs(metrics::Hook::kOnRequest, metrics::HookOutcome::kError), 3u);
  shard.expect_clean_end();
}

TEST_F(Scripts, on_response_adds_to_the_access_log_and_changes_nothing_else) {
  hooks_of_test().on_response = hook("return {log = {team = 'blue', was = response.status}}");
  begin();
  EXPECT_EQ(call().status, 200);
  EXPECT_EQ(shard.records().back().record.script_fields.view(), R"({"team":"blue","was":"200"})");
  hooks_of_test().on_response = hook("return {allow = false}");
  reload({"", "", "", ""}, std::string(kModels));
  EXPECT_EQ(call().status, 200);
  shard.expect_clean_end();
}

TEST_F(Scripts, a_script_in_the_chain_lets_in_whom_nobody_else_knows) {
  chain_of_test() = R"(
    if request.headers["x-team"] == "blue" then
      return {allow = true, metadata = {user_id = "ada", models = {"m"}}}
    end
    if request.headers["x-team"] == "red" then return false end)";
  begin();
  EXPECT_EQ(call("app").status, 200);
  const auto with_team = [&](std::string_view team, std::string_view model) {
    return get(model, "authorization: Bearer sk-unknown-0123456789\r\nx-team: " +
                          std::string(team) + "\r\n");
  };
  EXPECT_EQ(with_team("blue", "m").status, 200);
  EXPECT_EQ(shard.records().back().record.key.view().substr(0, 7), "policy:");
  EXPECT_EQ(code_of(with_team("blue", "n")), "model_not_allowed");
  EXPECT_EQ(code_of(with_team("red", "m")), "refused_by_policy");
  EXPECT_EQ(code_of(with_team("green", "m")), "invalid_api_key");
  shard.expect_clean_end();
}

TEST_F(Scripts, d129_where_all_must_allow_the_first_script_says_who_it_is) {
  chain_of_test() = R"(return {allow = true, metadata = {user_id = "ada", models = {"m"}}})";
  chain_end_of_test() = R"(
    if request.headers["x-team"] == "red" then return false end
    return {allow = true, metadata = {user_id = "eve", models = {"n"}}})";
  begin();
  EXPECT_EQ(call("app", "m").status, 200);
  EXPECT_EQ(shard.records().back().record.key.view().substr(0, 5), "more:");
  EXPECT_EQ(code_of(call("app", "n")), "model_not_allowed");
  EXPECT_EQ(code_of(get("m", bearer() + "x-team: red\r\n")), "refused_by_policy");
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
