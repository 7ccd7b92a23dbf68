// Calls about the configuration, limits, the log level and figures.
#include <sluice/control/config_work.h>
#include <sluice/limit/subjects.h>

#include "fake_gateway.h"
#include "fields.h"

namespace sluice::admin {
namespace {

class FakeConfig final : public control::ConfigWork {
 public:
  FakeConfig() {
    history_.add({.generation = 1, .checksum = "aa", .asked_by = "the start", .text = "a"});
    history_.add({.generation = 4,
                  .checksum = "bb",
                  .asked_by = "SIGHUP",
                  .changes = {"x: added"},
                  .text = "b"});
  }
  Task<control::ReloadOutcome> reload(control::ReloadRequest request) override {
    requests.push_back(std::move(request));
    co_return outcome;
  }
  Task<control::CandidateOutcome> check(std::string text) override {
    checked = std::move(text);
    co_return candidate;
  }
  Task<std::string> shown_text() override { co_return "listen: x\n"; }
  [[nodiscard]] const control::ConfigHistory& history() const override { return history_; }
  [[nodiscard]] uint64_t reloads() const override { return 7; }
  [[nodiscard]] LogLevel log_level() const override { return level; }
  void set_log_level(LogLevel wanted, std::string_view) override { level = wanted; }

  std::vector<control::ReloadRequest> requests;
  control::ReloadOutcome outcome{.generation = 5, .checksum = "cc", .changes = {"a: 1 -> 2"}};
  control::CandidateOutcome candidate;
  std::string checked;
  LogLevel level = LogLevel::kInfo;

 private:
  control::ConfigHistory history_;
};

class ConfigCallsTest : public AdminTest {
 protected:
  ConfigCallsTest() {
    banks_ = std::move(*limit::BankTable::make({.now = clock_.now(), .wall = clock_.wall()}));
    AdminParts parts{operations_, registry_, clock_, log_, seats_, "1.2.3", &keys_};
    parts.config = &config_;
    parts.banks = banks_.get();
    service_ = std::make_unique<AdminService>(parts);
  }
  FakeConfig config_;
  std::unique_ptr<limit::BankTable> banks_;
};

TEST_F(ConfigCallsTest, the_configuration_is_shown) {
  EXPECT_EQ(get("/v1/config").body, R"({"file":"a.yaml","generation":4,"checksum":"bb",)"
                                    R"("loaded_at":"1970-01-01T00:00:00.000000Z",)"
                                    R"("reloads":7,"log_level":"info","text":"listen: x\n"})"
                                    "\n");
}

TEST_F(ConfigCallsTest, the_history_begins_with_the_newest) {
  EXPECT_EQ(get("/v1/config/history").body,
            R"({"versions":[{"generation":4,"checksum":"bb","at":"1970-01-01T00:00:00.000000Z",)"
            R"("asked_by":"SIGHUP","changes":["x: added"]},{"generation":1,"checksum":"aa",)"
            R"("at":"1970-01-01T00:00:00.000000Z","asked_by":"the start","changes":[]}]})"
            "\n");
}

TEST_F(ConfigCallsTest, a_reload_says_what_is_expected_and_who_asks) {
  EXPECT_EQ(post("/v1/reload", R"({"expected_checksum":"bb"})").body,
            R"({"generation":5,"checksum":"cc","changes":["a: 1 -> 2"],"warnings":[]})"
            "\n");
  ASSERT_EQ(config_.requests.size(), 1u);
  EXPECT_EQ(config_.requests[0].expected_checksum, "bb");
  EXPECT_EQ(config_.requests[0].asked_by, "unix:uid=7,pid=9");
  EXPECT_FALSE(config_.requests[0].rollback_to);
  EXPECT_EQ(operations_.reloads, 0);
}

TEST_F(ConfigCallsTest, a_rollback_names_its_generation) {
  EXPECT_EQ(post("/v1/config/rollback", R"({"generation":1})").status, 200);
  EXPECT_EQ(config_.requests[0].rollback_to, 1u);
  EXPECT_EQ(post("/v1/config/rollback").status, 400);
}

TEST_F(ConfigCallsTest, each_way_to_fail_has_a_status_and_a_code) {
  using enum control::ReloadResult;
  struct Case {
    control::ReloadResult result;
    uint16_t status;
    std::string_view code;
  };
  constexpr Case kCases[] = {{kBadFile, 422, "invalid_config"},
                             {kNeedsRestart, 409, "needs_restart"},
                             {kBusy, 409, "busy"},
                             {kOtherText, 409, "checksum_mismatch"},
                             {kUnknownVersion, 404, "not_found"},
                             {kNotDone, 409, "not_possible"}};
  for (const Case& each : kCases) {
    config_.outcome = {.result = each.result, .generation = 4, .problems = {"why"}};
    const control::SmallAnswer answer = post("/v1/reload");
    EXPECT_EQ(answer.status, each.status) << each.code;
    EXPECT_TRUE(answer.body.contains(each.code)) << answer.body;
    EXPECT_TRUE(answer.body.contains(R"("problems":["why"])")) << answer.body;
  }
}

TEST_F(ConfigCallsTest, a_candidate_is_checked) {
  config_.candidate.changes = {"x: 1 -> 2"};
  EXPECT_EQ(post("/v1/config/validate", R"({"text":"a: b"})").body,
            R"({"valid":true,"warnings":[],"changes":["x: 1 -> 2"]})"
            "\n");
  EXPECT_EQ(config_.checked, "a: b");
  config_.candidate.result = control::ReloadResult::kBadFile;
  EXPECT_EQ(post("/v1/config/validate", R"({"text":"a: b"})").status, 422);
}

// What is wrong with a text may quote the variables and files of the host that it names.
TEST_F(ConfigCallsTest, no_token_has_a_candidate_checked) {
  const std::string token = "let-me-in-0123456789abcdef0123456789";
  operations_.snapshot_.admin.bootstrap_token = token;
  const control::SmallRequest request{.method = http::Method::kPost,
                                      .path = "/v1/config/validate",
                                      .content_type = "application/json",
                                      .body = R"({"text":"a: ${HOME}"})"};
  EXPECT_EQ(send_as(token, request).status, 403);
  EXPECT_EQ(config_.checked, "");
}

TEST_F(ConfigCallsTest, the_log_level_is_shown_and_set) {
  control::SmallRequest request{.method = http::Method::kPut,
                                .path = "/v1/log-level",
                                .content_type = "application/json",
                                .body = R"({"level":"debug"})"};
  EXPECT_EQ(send(request).body, R"({"level":"debug","configured":"info"})"
                                "\n");
  EXPECT_EQ(config_.level, LogLevel::kDebug);
  request.body = R"({"level":"loud"})";
  EXPECT_EQ(send(request).status, 400);
  EXPECT_EQ(get("/v1/log-level").status, 200);
}

TEST_F(ConfigCallsTest, limits_of_a_subject_are_shown_and_given_back) {
  config::Snapshot& snapshot = operations_.snapshot_;
  snapshot.limit_rules = {{.name = "gateway/tokens_per_minute",
                           .scope = config::LimitScope::kGateway,
                           .measure = config::LimitMeasure::kTokens,
                           .most = 100,
                           .length = seconds(60)}};
  snapshot.gateway_limits = {LimitId{0}};
  const config::LimitRule& rule = snapshot.limit_rules[0];
  limit::Bank* bank = banks_->open(limit::key_of(rule, ""), limit::terms_of(rule));
  ASSERT_NE(bank, nullptr);
  const auto now = banks_->clock().at(clock_.now());
  ASSERT_EQ(bank->take(30, 30, now).amount, 30);
  const std::string shown = get("/v1/limits/gateway/all").body;
  EXPECT_TRUE(shown.starts_with(
      R"({"limits":[{"name":"gateway/tokens_per_minute","measure":"tokens","window":"1m",)"
      R"("most":100,"used":30,"remaining":70,"resets_in_s":)"))
      << shown;
  EXPECT_EQ(post("/v1/limits/gateway/all/reset").body, "{\"reset\":1,\"note\":null}\n");
  EXPECT_EQ(bank->used(now), 0);
  EXPECT_EQ(bank->room(now), 100);
  banks_->close(*bank);
  EXPECT_EQ(get("/v1/limits/key/nobody").status, 404);
  EXPECT_EQ(get("/v1/limits/nonsense/x").status, 404);
}

TEST_F(ConfigCallsTest, d004_a_scoped_key_gives_nothing_of_the_operators_limits_back) {
  keys_.open(clock_);
  ASSERT_EQ(post("/v1/organisations", R"({"id":"org_1","name":"o"})").status, 201);
  const auto made =
      json::parse_value(post("/v1/keys", R"({"type":"management","organisation":"org_1"})").body);
  ASSERT_TRUE(made);
  const std::string id = text_of(*made->find("key"), "id");
  config::Snapshot& snapshot = operations_.snapshot_;
  snapshot.limit_rules = {{.name = "each", .most = 100, .length = seconds(60)}};
  snapshot.every_key_limits = {LimitId{0}};
  const config::LimitRule& rule = snapshot.limit_rules[0];
  limit::Bank* bank = banks_->open(limit::key_of(rule, id), limit::terms_of(rule));
  ASSERT_NE(bank, nullptr);
  const auto now = banks_->clock().at(clock_.now());
  ASSERT_EQ(bank->take(30, 30, now).amount, 30);
  const std::string path = "/v1/limits/key/" + id;
  const control::SmallRequest reset{.method = http::Method::kPost, .path = path + "/reset"};
  const control::SmallRequest show{.method = http::Method::kGet, .path = path};
  EXPECT_TRUE(send_as(text_of(*made, "secret"), show).body.contains("\"used\":30"));
  EXPECT_TRUE(send_as(text_of(*made, "secret"), reset).body.contains("\"reset\":0"));
  EXPECT_EQ(bank->used(now), 30);
  EXPECT_TRUE(send(reset).body.contains("\"reset\":1"));
  EXPECT_EQ(bank->used(now), 0);
  banks_->close(*bank);
}

TEST_F(ConfigCallsTest, figures_are_sums_over_shards) {
  const std::vector<std::string_view> models = {"m"};
  const std::vector<std::string_view> upstreams = {"u"};
  auto cells = registry_.bind(models, upstreams);
  for (metrics::SnapshotCells& shard : cells) {
    shard.model(ModelId{0}).count_request(metrics::Endpoint::kChatCompletions, 200);
    shard.model(ModelId{0}).count_request(metrics::Endpoint::kChatCompletions, 429);
  }
  const std::string top = get("/v1/top").body;
  EXPECT_TRUE(top.contains(R"("name":"m","requests":4,"tokens_in":0,"tokens_out":0,"queue":0,)"
                           R"("refused":2,)"))
      << top;
  EXPECT_TRUE(top.contains(R"("upstreams":[{"name":"u","attempts":0)")) << top;
}

TEST_F(ConfigCallsTest, d004_keys_of_a_team_see_nothing_of_the_whole) {
  auth::DirectoryBuilder builder;
  builder.add(auth::Owner{.level = auth::OwnerLevel::kOrganisation, .id = "org_1", .name = "o"});
  builder.add(auth::KeyRecord{.id = "key_1",
                              .digest = crypto::sha256("sk-0123456789"),
                              .kind = auth::KeyKind::kManagement,
                              .organisation = "org_1"});
  keys_.index = builder.finish();
  for (const char* path : {"/v1/config", "/v1/config/history", "/v1/log-level", "/v1/top"}) {
    EXPECT_EQ(send_as("sk-0123456789", {.method = http::Method::kGet, .path = path}).status, 403)
        << path;
  }
  operations_.snapshot_.tenants = {{.name = "acme"}};
  for (const char* path : {"/v1/limits/gateway/all", "/v1/limits/tenant/acme"}) {
    EXPECT_EQ(get(path).status, 200);
    EXPECT_EQ(send_as("sk-0123456789", {.method = http::Method::kGet, .path = path}).status, 404)
        << path;
  }
}

}  // namespace
}  // namespace sluice::admin
