#include <sluice/admin/admin_server.h>

#include "fake_gateway.h"

namespace sluice::admin {
namespace {

TEST_F(AdminTest, version_names_program_file_and_generation) {
  EXPECT_EQ(get("/v1/version").body,
            "{\"version\":\"1.2.3\",\"generation\":4,\"config\":\"a.yaml\",\"draining\":false}\n");
}

TEST_F(AdminTest, spend_is_shown_by_subject_and_window) {
  EXPECT_EQ(get("/v1/spend/key/day").status, 409);
  control::SpendBook book;
  usage::SpendRecord record;
  record.kind = usage::SpendKind::kSettled;
  record.source = usage::SpendSource::kReported;
  record.key = "app";
  record.model = "small";
  record.input_tokens = 5;
  record.output_tokens = 6;
  record.cost_micro_dollars = 70;
  book.add(record);
  operations_.spend = {.book = &book, .now = {}};
  EXPECT_EQ(get("/v1/spend/key/day").body,
            "{\"by\":\"key\",\"window\":\"day\",\"spend\":[{\"name\":\"app\",\"requests\":1,"
            "\"input_tokens\":5,\"output_tokens\":6,\"micro_dollars\":70,\"unpriced\":0,"
            "\"unknown\":0}],\"left_out\":0}\n");
  EXPECT_TRUE(get("/v1/spend/tenant/total").body.contains("\"(none)\""));
  for (const char* path : {"/v1/spend", "/v1/spend/", "/v1/spend/key", "/v1/spend/key/",
                           "/v1/spend/key/year", "/v1/spend/user/day", "/v1/spend/key/day/"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
  const control::SmallAnswer posted = post("/v1/spend/key/day");
  EXPECT_EQ(posted.status, 405);
  EXPECT_EQ(posted.allow, "GET");
}

TEST_F(AdminTest, shards_show_their_own_figures) {
  const std::vector<std::string_view> models = {"m"}, upstreams = {"one"};
  const auto cells = registry_.bind(models, upstreams);
  cells[1].models[0]->count_request(metrics::Endpoint::kChatCompletions, 200);
  cells[1].models[0]->count_request(metrics::Endpoint::kChatCompletions, 503);
  cells[1].other->count_request(metrics::Endpoint::kOther, 404);
  registry_.shard(ShardId{1}).connections_open.add(7);
  registry_.shard(ShardId{0}).loop_turns.add(9);
  const std::string body = get("/v1/shards").body;
  EXPECT_TRUE(
      body.contains("{\"shard\":0,\"cpu\":6,\"cpu_seconds\":0,\"connections\":0,"
                    "\"in_flight\":0,\"requests\":0,\"turns\":9,"))
      << body;
  EXPECT_TRUE(
      body.contains("{\"shard\":1,\"cpu\":null,\"cpu_seconds\":0,\"connections\":7,"
                    "\"in_flight\":0,\"requests\":3,\"turns\":0,"))
      << body;
}

TEST_F(AdminTest, upstreams_sum_all_shards_and_tell_no_secret) {
  const std::vector<std::string_view> upstreams = {"one"};
  const auto cells = registry_.bind({}, upstreams);
  for (const auto& shard : cells) {
    shard.upstreams[0]->attempts[metrics::AttemptOutcome::kOk].add(5);
    shard.upstreams[0]->connections_open.add(2);
    shard.upstreams[0]->connections_idle.add(1);
  }
  cells[0].upstreams[0]->in_flight.add(1);
  const std::string body = get("/v1/upstreams").body;
  EXPECT_TRUE(
      body.contains("{\"name\":\"one\",\"authority\":\"host:81\",\"weight\":3,"
                    "\"stream_usage\":\"inject\",\"in_flight\":1,\"connections_open\":4,"
                    "\"connections_idle\":2,\"state\":\"up\","))
      << body;
  EXPECT_TRUE(body.contains("\"attempts\":{\"ok\":10,")) << body;
  EXPECT_FALSE(body.contains("hidden"));
}

TEST_F(AdminTest, upstreams_show_what_keeps_requests_away_and_for_how_long) {
  const MonoTime now{seconds(100)};
  control::DeploymentView& view = operations_.state.deployment;
  operations_.state.now = now;
  view.first_token = microseconds(12'340);
  view.recent_attempts = 8;
  view.recent_failures = 2;
  view.minute_tokens = 77;
  view.breaker = {.at = now - seconds(3),
                  .state = resilience::BreakerState::kOpen,
                  .open_until = now + milliseconds(2500)};
  std::string body = get("/v1/upstreams").body;
  EXPECT_TRUE(
      body.contains("\"state\":\"breaker_open\",\"breaker\":\"open\",\"breaker_s\":2.5,"
                    "\"cooldown_s\":null,\"ejected_s\":null,\"first_token_ms\":12.3,"
                    "\"whole_ms\":null,\"error_ratio\":0.25,\"minute_tokens\":77,"
                    "\"concurrency_max\":null,\"places_in_use\":null,\"tags\":[],"))
      << body;
  view.breaker.open_until = now;
  EXPECT_TRUE(get("/v1/upstreams").body.contains("\"state\":\"half_open\""));
  view.cooldown = {now, now + seconds(30)};
  body = get("/v1/upstreams").body;
  EXPECT_TRUE(body.contains("\"state\":\"cooling\"")) << body;
  EXPECT_TRUE(body.contains("\"cooldown_s\":30,")) << body;
  view.orders.ejected_until = now + seconds(1);
  EXPECT_TRUE(get("/v1/upstreams").body.contains("\"state\":\"ejected\""));
  view.orders.is_down = true;
  EXPECT_TRUE(get("/v1/upstreams").body.contains("\"state\":\"down\""));
  view.orders.is_drained = true;
  EXPECT_TRUE(get("/v1/upstreams").body.contains("\"state\":\"drained\""));
}

TEST_F(AdminTest, upstream_is_cooled_cleared_drained_and_undrained) {
  EXPECT_EQ(send({.method = http::Method::kPost,
                  .path = "/v1/upstreams/one/cooldown",
                  .content_type = "application/json",
                  .body = " { \"for\" : \"1m30s\" } "})
                .body,
            "{\"upstream\":\"one\"}\n");
  EXPECT_EQ(post("/v1/upstreams/one/clear").status, 200);
  EXPECT_EQ(post("/v1/upstreams/group/[::1]:80/drain").status, 200);
  EXPECT_EQ(post("/v1/upstreams/one/undrain").status, 200);
  using control::UpstreamOrder;
  const std::string by = "unix:uid=7,pid=9";
  const std::vector<FakeOperations::Order> expected = {
      {"one", UpstreamOrder::kCooldown, seconds(90), by},
      {"one", UpstreamOrder::kClear, {}, by},
      {"group/[::1]:80", UpstreamOrder::kDrain, {}, by},
      {"one", UpstreamOrder::kUndrain, {}, by}};
  EXPECT_EQ(operations_.orders, expected);
}

TEST_F(AdminTest, order_that_cannot_be_carried_out_says_why) {
  const control::SmallAnswer unknown = post("/v1/upstreams/two/drain");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(unknown.body.contains("\"code\":\"unknown_upstream\"")) << unknown.body;
  EXPECT_EQ(post("/v1/upstreams//drain").status, 404);
  EXPECT_EQ(get("/v1/upstreams/one/drain").allow, "POST");
  for (const char* body :
       {"", "{}", "{\"for\":30}", "{\"for\":\"30\"}", "{\"for\":\"0s\"}", "{\"for\":\"25h\"}",
        "{\"for\":\"1s\"", "{\"for\":\"1s\"}x", "{\"for\":\"1s\",\"a\":1}"}) {
    EXPECT_EQ(send({.method = http::Method::kPost,
                    .path = "/v1/upstreams/one/cooldown",
                    .content_type = "application/json",
                    .body = body})
                  .status,
              400)
        << body;
  }
  EXPECT_TRUE(operations_.orders.empty());
}

TEST_F(AdminTest, reload_that_is_applied_is_200) {
  operations_.outcome.warnings = {"a.yaml:1: something"};
  const control::SmallAnswer answer = post("/v1/reload");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            "{\"generation\":5,\"checksum\":\"\",\"changes\":[],"
            "\"warnings\":[\"a.yaml:1: something\"]}\n");
}

TEST_F(AdminTest, reload_of_a_bad_file_is_422_with_every_problem) {
  operations_.outcome = {.result = control::ReloadResult::kBadFile,
                         .generation = 4,
                         .problems = {"a.yaml:1: first", "a.yaml:2: second"}};
  const control::SmallAnswer answer = post("/v1/reload");
  EXPECT_EQ(answer.status, 422);
  EXPECT_TRUE(answer.body.contains("\"code\":\"invalid_config\""));
  EXPECT_TRUE(answer.body.contains("\"problems\":[\"a.yaml:1: first\",\"a.yaml:2: second\"]"));
  EXPECT_TRUE(answer.body.contains("\"generation\":4"));
}

TEST_F(AdminTest, reload_that_needs_a_restart_or_must_wait_is_409) {
  operations_.outcome.result = control::ReloadResult::kNeedsRestart;
  EXPECT_EQ(post("/v1/reload").status, 409);
  operations_.outcome.result = control::ReloadResult::kBusy;
  const control::SmallAnswer answer = post("/v1/reload");
  EXPECT_EQ(answer.status, 409);
  EXPECT_TRUE(answer.body.contains("\"code\":\"busy\""));
}

TEST_F(AdminTest, upgrade_answers_with_the_successor_or_with_why_there_is_none) {
  EXPECT_EQ(post("/v1/upgrade").body, "{\"upgraded\":true,\"pid\":7,\"version\":\"2.0\"}\n");
  EXPECT_EQ(operations_.upgrade_patience, control::Succession::kPatience);
  EXPECT_EQ(post("/v1/upgrade", "{\"timeout\":\"2m\"}").status, 200);
  EXPECT_EQ(operations_.upgrade_patience, seconds(120));
  for (const char* wrong : {"0", "11m"}) {
    EXPECT_EQ(post("/v1/upgrade", std::string("{\"timeout\":\"") + wrong + "\"}").status, 400);
  }
  operations_.upgrade_outcome = {.result = control::UpgradeResult::kBusy, .problem = "it runs"};
  EXPECT_EQ(post("/v1/upgrade").status, 409);
  operations_.upgrade_outcome = {.result = control::UpgradeResult::kFailed, .problem = "it died"};
  const control::SmallAnswer failed = post("/v1/upgrade");
  EXPECT_EQ(failed.status, 500);
  EXPECT_TRUE(failed.body.contains("it died"));
}

TEST_F(AdminTest, drain_is_accepted_and_says_whether_it_began_now) {
  control::SmallAnswer answer = post("/v1/drain");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "{\"draining\":true,\"began_now\":true,\"drain_timeout\":\"30s\"}\n");
  answer = post("/v1/drain");
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.body.contains("\"began_now\":false"));
  EXPECT_TRUE(get("/v1/version").body.contains("\"draining\":true"));
}

TEST_F(AdminTest, unknown_path_is_404_in_openai_shape) {
  for (const char* path : {"/", "/v1", "/v1/version/", "/V1/version", "/v1/../v1/version"}) {
    const control::SmallAnswer answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_TRUE(answer.body.starts_with("{\"error\":{\"message\":\"")) << path;
  }
}

TEST_F(AdminTest, wrong_method_is_405_with_allow_and_has_no_effect) {
  EXPECT_EQ(get("/v1/reload").allow, "POST");
  EXPECT_EQ(get("/v1/drain").status, 405);
  EXPECT_EQ(post("/v1/version").allow, "GET");
  EXPECT_EQ(operations_.reloads, 0);
  EXPECT_FALSE(operations_.draining);
}

TEST_F(AdminTest, d015_body_that_is_not_json_is_415_and_changes_nothing) {
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded",
                           "application/jsonp", "multipart/form-data; x=application/json"}) {
    const auto answer = send(
        {.method = http::Method::kPost, .path = "/v1/reload", .content_type = type, .body = "{}"});
    EXPECT_EQ(answer.status, 415) << type;
  }
  EXPECT_EQ(operations_.reloads, 0);
  const auto accepted = send({.method = http::Method::kPost,
                              .path = "/v1/reload",
                              .content_type = "Application/JSON ; charset=utf-8",
                              .body = "{}"});
  EXPECT_EQ(accepted.status, 200);
}

TEST_F(AdminTest, d015_another_content_type_is_415_also_without_a_body) {
  const auto answer =
      send({.method = http::Method::kPost, .path = "/v1/drain", .content_type = "text/plain"});
  EXPECT_EQ(answer.status, 415);
  EXPECT_FALSE(operations_.draining);
}

TEST_F(AdminTest, d015_request_of_a_browser_is_403_and_changes_nothing) {
  const auto answer =
      send({.method = http::Method::kPost, .path = "/v1/drain", .has_origin = true});
  EXPECT_EQ(answer.status, 403);
  EXPECT_FALSE(operations_.draining);
}

class AdminPagesTest : public AdminTest {
 protected:
  AdminPagesTest() {
    config::CorsSettings& cors = operations_.snapshot_.cors;
    cors.enabled = true;
    cors.admin_origins.allow = {"https://ops"};
    cors.data_origins.allow = {"https://chat"};
  }
  control::SmallAnswer ask(const char* origin, http::Method method, std::string path,
                           bool is_on_socket = false) {
    control::SmallRequest request{.method = method,
                                  .path = std::move(path),
                                  .has_origin = true,
                                  .origin = origin,
                                  .is_preflight = method == http::Method::kOptions};
    if (is_on_socket) return send(request);
    request.peer.address = "127.0.0.1";
    return serve(request);
  }
};

TEST_F(AdminPagesTest, a_page_that_is_named_gets_past_its_origin_and_still_needs_a_key) {
  const auto answer = ask("https://ops", http::Method::kGet, "/v1/version");
  EXPECT_EQ(answer.status, 401);
  EXPECT_TRUE(answer.lines.starts_with("access-control-allow-origin: https://ops\r\n"));
  EXPECT_TRUE(answer.lines.ends_with("vary: origin\r\n"));
}

TEST_F(AdminPagesTest, a_preflight_of_a_known_path_needs_no_key_and_does_nothing) {
  const auto answer = ask("https://ops", http::Method::kOptions, "/v1/drain");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_TRUE(answer.lines.contains("access-control-allow-methods: "));
  EXPECT_FALSE(answer.lines.contains("access-control-expose-headers"));
  EXPECT_FALSE(operations_.draining);
  EXPECT_EQ(ask("https://ops", http::Method::kOptions, "/v1/nothing").status, 401);
}

TEST_F(AdminPagesTest, d015_no_other_page_is_told_anything) {
  for (const char* origin : {"https://chat", "https://evil", "null", ""}) {
    for (const http::Method method : {http::Method::kOptions, http::Method::kGet}) {
      const auto answer = ask(origin, method, "/v1/version");
      EXPECT_EQ(answer.status, 403) << origin;
      EXPECT_EQ(answer.lines, "vary: origin\r\n") << origin;
    }
  }
  operations_.snapshot_.cors.allow_all_origins = true;
  ++operations_.snapshot_.generation;
  EXPECT_EQ(ask("https://evil", http::Method::kGet, "/v1/version").status, 403);
}

TEST_F(AdminPagesTest, d015_no_page_reaches_the_socket) {
  const auto answer = ask("https://ops", http::Method::kGet, "/v1/version", true);
  EXPECT_EQ(answer.status, 403);
  EXPECT_FALSE(answer.lines.contains("access-control"));
  EXPECT_EQ(ask("https://ops", http::Method::kOptions, "/v1/version", true).status, 403);
}

TEST_F(AdminPagesTest, a_new_configuration_is_heeded_at_once) {
  EXPECT_EQ(ask("https://ops", http::Method::kOptions, "/v1/version").status, 204);
  operations_.snapshot_.cors.admin_origins.allow = {"https://new"};
  ++operations_.snapshot_.generation;
  EXPECT_EQ(ask("https://ops", http::Method::kOptions, "/v1/version").status, 403);
  EXPECT_EQ(ask("https://new", http::Method::kOptions, "/v1/version").status, 204);
}

}  // namespace
}  // namespace sluice::admin
