#include "views.h"

#include "script_run.h"

namespace sluice::script {
namespace {

TEST(Views, request) {
  expect_true("return request.method == 'POST' and request.path == '/v1/chat/completions'");
  expect_true("return request.client_ip == '192.0.2.7' and request.id == 'id-1'");
  expect_true(
      "return request.model == 'm' and request.stream == true and request.tenant == 'acme'");
  expect_true("return request.key_id == 'k1' and request.key_name == 'build'");
  expect_true("return request.user == nil and api_key == 'sk-abcd...'");
  expect_error("return request.modle", "request has no field of this name");
  expect_error("return response.status", "there is no response yet in this hook");
}

TEST(Views, headers_are_found_in_any_case) {
  expect_true("return request.headers['x-team'] == 'blue' and request.headers.ACCEPT == '*/*'");
  expect_true("return request.headers['x-none'] == nil and request.headers[1] == nil");
  expect_true(
      "local t = {} for name, value in pairs(request.headers) do t[#t + 1] = value end "
      "return table.concat(t, ' ') == '*/* blue red'");
}

TEST(Views, data_and_metadata_are_tables) {
  expect_true("return data.status == 0 and data.tags[2] == 'b' and #data.tags == 2");
  expect_true("return data.deep.x == 1.5 and data.deep.none == nil and key.status == 0");
  expect_true("return metadata.user_id == 'u1' and data == data and data == key");
  expect_true("data.status = 5 return data.status == 5");
}

TEST(Views, data_is_each_calls_own) {
  ScriptRun run;
  run.load(
      "local seen = data.status data.status = 7 return {allow = true, model = tostring(seen)}");
  EXPECT_EQ(run.again().model, "0");
  run.request.data = R"({"status":3})";
  EXPECT_EQ(run.again().model, "3");
  run.request.data = "";
  EXPECT_TRUE(run.again().message.contains("attempt to index global 'data' (a nil value)"));
}

TEST(Views, data_that_is_not_json_is_an_error_when_it_is_read) {
  ScriptRun run;
  run.request.data = "{";
  EXPECT_EQ(run("return true").verdict, Verdict::kAllow);
  EXPECT_TRUE(run("return data.x").message.contains("data cannot be read: "));
  run.request.data = R"("a text")";
  EXPECT_EQ(run("return data == 'a text'").verdict, Verdict::kAllow);
  run.request.data = "null";
  EXPECT_EQ(run("return data == nil").verdict, Verdict::kAllow);
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  run.request.data = deep;
  EXPECT_EQ(run("return data").verdict, Verdict::kError);
}

TEST(Views, response) {
  ScriptRun run;
  run.kind = HookKind::kOnResponse;
  const ResponseView response{
      .status = 200, .latency_ms = 12, .upstream = "u", .model = "m2", .input_tokens = 5};
  const HookOutcome outcome =
      run("return {log = {s = response.status, l = response.latency_ms, u = response.upstream, "
          "m = response.model, i = response.input_tokens, o = response.output_tokens or 'none'}}",
          &response);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"i", "5"}, {"l", "12"}, {"m", "m2"}, {"o", "none"}, {"s", "200"}, {"u", "u"}};
  EXPECT_EQ(outcome.log_fields, expected) << outcome.message;
}

TEST(Views, time) { expect_true("return now() == 1750000000 and now_ms() == 1750000000123"); }

TEST(Views, log_is_bounded) {
  ScriptRun run;
  const HookOutcome outcome =
      run("log('a\\nb') for i = 1, 100 do log(string.rep('x', 1000)) end return true");
  EXPECT_EQ(outcome.verdict, Verdict::kAllow);
  ASSERT_EQ(outcome.log_lines.size(), kLogLinesMax);
  EXPECT_EQ(outcome.log_lines[0], "a?b");
  EXPECT_EQ(outcome.log_lines[1].size(), kLogBytesMax);
}

}  // namespace
}  // namespace sluice::script
