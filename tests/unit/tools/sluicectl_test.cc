#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "sluicectl/admin_client.h"
#include "sluicectl/arguments.h"
#include "sluicectl/command.h"
#include "sluicectl/completion.h"
#include "sluicectl/frame.h"
#include "sluicectl/key_file.h"
#include "sluicectl/man.h"
#include "sluicectl/render.h"
#include "sluicectl/render_own.h"
#include "sluicectl/run.h"

namespace sluice::sluicectl {
namespace {

constexpr int64_t kNow = 1764288000;  // 2025-11-28T00:00:00Z.

json::Value parsed(std::string_view text) {
  auto value = json::parse_value(text);
  EXPECT_TRUE(value) << text;
  return value.value_or(json::Value());
}

const Command& command_called(std::string_view name) {
  const auto all = commands();
  const auto found =
      std::ranges::find_if(all, [&](const Command& one) { return one.full_name() == name; });
  EXPECT_NE(found, all.end()) << name;
  return *found;
}

// As the parser leaves it: "--option=word" or plain words in their order.
Given given_to(const Command& command, std::initializer_list<std::string_view> words) {
  Given given(command.parameters.size());
  for (const std::string_view word : words) {
    for (size_t i = 0; i < given.size(); ++i) {
      const Parameter& parameter = command.parameters[i];
      const std::string start = std::string(parameter.name) + "=";
      if (parameter.is_option() && word.starts_with(start)) {
        given[i].emplace_back(word.substr(start.size()));
        break;
      }
      if (!parameter.is_option() && given[i].empty() && !word.starts_with("--")) {
        given[i].emplace_back(word);
        break;
      }
    }
  }
  return given;
}

Request request_of(std::string_view name, std::initializer_list<std::string_view> words) {
  const Command& command = command_called(name);
  const auto request = make_request(command, given_to(command, words), kNow);
  EXPECT_TRUE(request) << request.error();
  return request.value_or(Request{});
}

std::string fault_of(std::string_view name, std::initializer_list<std::string_view> words) {
  const Command& command = command_called(name);
  const auto request = make_request(command, given_to(command, words), kNow);
  EXPECT_FALSE(request) << request->body;
  return request ? "" : request.error();
}

TEST(SluicectlCommand, table_says_all_that_a_command_needs) {
  std::set<std::string> names;
  for (const Command& command : commands()) {
    EXPECT_TRUE(names.insert(command.full_name()).second) << command.full_name();
    EXPECT_FALSE(command.purpose.empty()) << command.full_name();
    EXPECT_EQ(command.shape == Shape::kOwn, command.render != nullptr) << command.full_name();
    std::set<std::string_view> parameters;
    size_t places = 0;
    for (const Parameter& parameter : command.parameters) {
      EXPECT_TRUE(parameters.insert(parameter.name).second) << parameter.name;
      EXPECT_FALSE(parameter.purpose.empty()) << parameter.name;
      places += parameter.place == Place::kPath ? 1 : 0;
    }
    size_t marks = 0;
    for (size_t at = 0; (at = command.path.find("{}", at)) != std::string_view::npos; ++at) ++marks;
    EXPECT_EQ(marks, places) << command.full_name();
  }
}

TEST(SluicectlCommand, destructive_commands_ask_and_owners_by_their_name) {
  for (const char* name :
       {"keys delete", "keys sync", "drain", "config rollback", "limits reset"}) {
    EXPECT_EQ(command_called(name).question, Question::kYes) << name;
  }
  for (const char* name : {"users delete", "teams delete", "organisations delete"}) {
    EXPECT_EQ(command_called(name).question, Question::kName) << name;  // D85
  }
  EXPECT_EQ(command_called("keys block").question, Question::kNone);
}

TEST(SluicectlArguments, options_become_members_of_their_kinds) {
  const Request request = request_of(
      "keys create", {"--name=app", "--limit=requests_per_minute=60", "--limit=budget_per_day=2.5",
                      "--model=gpt-*,o3", "--tag=a", "--tag=b", "--expires=30d", "--weight=2",
                      "--metadata=owner=x=y", "--model-limit=ft:gpt*:tokens_per_minute=10",
                      "--idempotency-key=one"});
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/keys");
  EXPECT_EQ(request.body,
            "{\"name\":\"app\",\"expires\":\"2025-12-28T00:00:00Z\",\"models\":[\"gpt-*\",\"o3\"],"
            "\"limits\":{\"requests_per_minute\":60,\"budget_per_day\":2.5},"
            "\"model_limits\":[{\"models\":[\"ft:gpt*\"],\"tokens_per_minute\":10}],\"weight\":2,"
            "\"tags\":[\"a\",\"b\"],\"metadata\":{\"owner\":\"x=y\"}}");
  ASSERT_EQ(request.headers.size(), 1u);
  EXPECT_EQ(request.headers[0].second, "one");
}

TEST(SluicectlArguments, paths_and_queries_are_encoded) {
  EXPECT_EQ(request_of("keys show", {"a/b?c"}).path, "/v1/keys/a%2Fb%3Fc");
  EXPECT_EQ(request_of("cooldown", {"pool/a b", "30s"}).path, "/v1/upstreams/pool/a%20b/cooldown");
  EXPECT_EQ(request_of("audit", {"--action=key.*", "--from=24h"}).path,
            "/v1/audit?action=key.%2A&from=2025-11-27T00%3A00%3A00Z");
  EXPECT_EQ(request_of("usage", {"--from=2025-11-01"}).path,
            "/v1/usage?by=key&from=2025-11-01T00%3A00%3A00Z");
  EXPECT_EQ(request_of("teams delete", {"t", "--with-all=true"}).path, "/v1/teams/t?with_all=true");
  EXPECT_EQ(request_of("limits show", {"gateway"}).path, "/v1/limits/gateway/all");
}

TEST(SluicectlArguments, a_level_makes_the_question_an_order) {
  EXPECT_EQ(request_of("log-level", {}).method, "GET");
  const Request request = request_of("log-level", {"debug"});
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.body, "{\"level\":\"debug\"}");
}

TEST(SluicectlArguments, cleared_members_become_null) {
  EXPECT_EQ(request_of("keys update", {"k", "--clear=expires,limits"}).body,
            "{\"expires\":null,\"limits\":null}");
  EXPECT_EQ(fault_of("keys update", {"k", "--name=a", "--clear=name"}), "name is given twice");
}

TEST(SluicectlArguments, malformed_words_are_explained) {
  EXPECT_TRUE(fault_of("keys create", {"--limit=60"}).contains("NAME=NUMBER"));
  EXPECT_TRUE(fault_of("keys create", {"--limit=a=b"}).contains("NAME=NUMBER"));
  EXPECT_TRUE(fault_of("keys create", {"--weight=-1"}).contains("whole number"));
  EXPECT_TRUE(fault_of("keys create", {"--model-limit=gpt"}).contains("MODELS:NAME=NUMBER"));
  EXPECT_TRUE(fault_of("keys create", {"--idempotency-key=a\r\nb"}).contains("visible"));
  EXPECT_TRUE(fault_of("keys show", {""}).contains("ID"));
}

TEST(SluicectlKeyFile, json_and_csv_say_the_same) {
  const auto csv = read_keys(
      "name,secret,models,limits.requests_per_minute,weight,tags\r\n"
      "\"a, \"\"b\"\"\",sk-1,gpt-* o3,60,2,\n\nc,sk-2,,,,x;y\n",
      kNow);
  ASSERT_TRUE(csv) << csv.error();
  const auto json = read_keys(
      " {\"keys\":[{\"name\":\"a, \\\"b\\\"\",\"secret\":\"sk-1\",\"models\":[\"gpt-*\",\"o3\"],"
      "\"weight\":2,\"limits\":{\"requests_per_minute\":60}},"
      "{\"name\":\"c\",\"secret\":\"sk-2\",\"tags\":[\"x\",\"y\"]}]}",
      kNow);
  ASSERT_TRUE(json) << json.error();
  std::string left, right;
  json::Value(*csv).write(left);
  json::Value(*json).write(right);
  EXPECT_EQ(left, right);
}

TEST(SluicectlKeyFile, d079_faults_do_not_quote_the_file) {
  constexpr std::array kFiles = {
      "name,sk-secret\na,b\n", "name\nsk-secret,b\n", "weight\nsk-secret\n",   "\"sk-secret",
      "[\"sk-secret\"]",       "{sk-secret",          "limits.a\nsk-secret\n", ""};
  for (const std::string_view text : kFiles) {
    const auto keys = read_keys(text, kNow);
    ASSERT_FALSE(keys) << text;
    EXPECT_FALSE(keys.error().contains("sk-secret")) << keys.error();
  }
}

TEST(SluicectlRender, what_moves_a_cursor_is_not_shown) {
  EXPECT_EQ(cell(json::Value(std::string("a\x1b[2Jb\n\xc2\x9b\xc3\xa9"))), "a?[2Jb??\xc3\xa9");
}

TEST(SluicectlRender, records_are_lines) {
  EXPECT_EQ(render_record(parsed("{\"id\":\"k1\",\"limits\":{\"rpm\":5,\"tpm\":null},"
                                 "\"expires\":null,\"weight\":1,\"tags\":[\"a\",\"b\"]}")),
            "id:       k1\n"
            "limits:   rpm=5\n"
            "expires:  -\n"
            "weight:   1\n"
            "tags:     a,b\n");
}

TEST(SluicectlRender, columns_are_aligned_by_their_kind) {
  EXPECT_EQ(render_table({{"NAME", "COUNT"}, {"a", "5"}, {"longer", "12345678"}}),
            "NAME       COUNT\n"
            "a              5\n"
            "longer  12345678\n");
}

TEST(SluicectlRender, empty_table_is_its_titles) {
  EXPECT_EQ(render(command_called("shards"), parsed("{\"shards\":[]}")).find("SHARD  CPU"), 0u);
  EXPECT_EQ(render_upstreams(parsed("{\"upstreams\":[]}")).find("UPSTREAM  STATE  BREAKER"), 0u);
}

TEST(SluicectlRender, upstreams_have_a_column_for_each_outcome) {
  const std::string text = render_upstreams(
      parsed("{\"upstreams\":[{\"name\":\"a\",\"authority\":\"h:1\",\"weight\":2,"
             "\"stream_usage\":\"inject\",\"in_flight\":1,\"connections_open\":4,"
             "\"state\":\"cooling\",\"breaker\":\"closed\",\"breaker_s\":null,\"cooldown_s\":2.5,"
             "\"tags\":[\"x\",\"y\"],\"concurrency_max\":8,\"places_in_use\":3,"
             "\"connections_idle\":3,\"attempts\":{\"ok\":10,\"connect_error\":6}}]}"));
  EXPECT_EQ(text,
            "UPSTREAM  STATE    BREAKER  BREAKER-S  COOLDOWN-S  EJECTED-S  IN-FLIGHT  PLACES  "
            "FIRST-MS  WHOLE-MS  ERRORS  TOKENS/MIN  TAGS  AUTHORITY  WEIGHT  USAGE   OPEN  IDLE  "
            "OK  CONNECT-ERROR\n"
            "a         cooling  closed           -         2.5          -          1  3/8     "
            "       -         -       -           -  x,y   h:1             2  inject     4     3  "
            "10              6\n");
}

TEST(SluicectlRender, spend_is_in_dollars) {
  EXPECT_EQ(render_spend(parsed("{\"by\":\"key\",\"window\":\"day\",\"left_out\":2,\"spend\":["
                                "{\"name\":\"app\",\"requests\":810,\"input_tokens\":9,"
                                "\"output_tokens\":8,\"micro_dollars\":12345678,\"unpriced\":0,"
                                "\"unknown\":1},{\"name\":\"b\",\"requests\":1,"
                                "\"input_tokens\":1,\"output_tokens\":1,\"micro_dollars\":7,"
                                "\"unpriced\":0,\"unknown\":0}]}")),
            "Spend this day, UTC\n"
            "KEY    DOLLARS  REQUESTS  TOKENS-IN  TOKENS-OUT  UNPRICED  UNKNOWN\n"
            "app  12.345678       810          9           8         0        1\n"
            "b     0.000007         1          1           1         0        0\n"
            "and 2 more that spent less\n");
  EXPECT_EQ(render_spend(parsed("{\"by\":\"key\",\"window\":\"total\",\"spend\":[]}")),
            "nothing was spent since the journal began\n");
}

TEST(SluicectlRender, single_answers_are_sentences) {
  EXPECT_EQ(render_version(parsed("{\"version\":\"1.0\",\"generation\":3,\"config\":\"a.yaml\","
                                  "\"draining\":true}")),
            "Sluice 1.0, generation 3 of a.yaml, draining\n");
  EXPECT_EQ(render_reload(parsed("{\"generation\":3,\"warnings\":[\"w\"]}")),
            "reloaded, generation 3 is in force\nwarning: w\n");
  EXPECT_EQ(render_drain(parsed("{\"began_now\":true,\"drain_timeout\":\"30s\"}")),
            "draining; open streams have 30s to end\n");
  EXPECT_EQ(render_drain(parsed("{\"began_now\":false}")), "was draining already\n");
  EXPECT_EQ(render(command_called("clear"), parsed("{\"upstream\":\"a\"}")),
            "told a; sluicectl upstreams shows its state\n");
  EXPECT_EQ(
      render_refusal(parsed("{\"error\":{\"message\":\"no\"},\"problems\":[\"p\",\"q\"]}"), false),
      "refused: no\np\nq\n");
}

TEST(SluicectlClient, answer_is_taken_apart) {
  const auto answer = read_answer("HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\n{}");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 409);
  EXPECT_EQ(answer->body, "{}");
}

TEST(SluicectlClient, cut_or_foreign_answers_are_errors) {
  EXPECT_FALSE(read_answer(""));
  EXPECT_FALSE(read_answer("SSH-2.0-x\r\n"));
  EXPECT_FALSE(read_answer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"));
}

TEST(SluicectlClient, missing_socket_is_explained_with_its_remedy) {
  const auto answer =
      ask({.socket_path = "/nonexistent/sluice.sock"}, {.method = "GET", .path = "/v1/version"});
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().contains("/nonexistent/sluice.sock")) << answer.error();
  EXPECT_TRUE(answer.error().contains("--socket")) << answer.error();
}

TEST(SluicectlClient, only_loopback_is_spoken_to_in_the_clear) {
  Target target;
  ASSERT_TRUE(read_url("http://127.0.0.1:9091/", target));
  EXPECT_EQ(target.host, "127.0.0.1");
  EXPECT_EQ(target.port, 9091);
  ASSERT_TRUE(read_url("http://[::1]:80", target));
  EXPECT_EQ(target.host, "::1");
  for (const char* url :
       {"https://127.0.0.1:1", "http://10.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:0",
        "http://127.0.0.1:99999", "ftp://127.0.0.1:1", ""}) {
    EXPECT_FALSE(read_url(url, target)) << url;
  }
}

TEST(SluicectlClient, exit_status_says_whose_fault_it_is) {
  EXPECT_EQ(exit_status_of({.status = 201, .body = ""}), 0);
  EXPECT_EQ(exit_status_of({.status = 404, .body = ""}), 1);
  EXPECT_EQ(exit_status_of({.status = 503, .body = ""}), 3);
}

TEST(SluicectlPages, every_command_and_option_is_everywhere) {
  const std::array pages = {completion("bash"), completion("zsh"), completion("fish")};
  const std::string manual = manual_page();
  for (const Command& command : commands()) {
    for (const std::string& page : pages) EXPECT_TRUE(page.contains(command.name));
    for (const Parameter& parameter : command.parameters) {
      if (!parameter.is_option()) continue;
      EXPECT_TRUE(pages[0].contains(parameter.name)) << parameter.name;
      EXPECT_TRUE(pages[1].contains(parameter.name)) << parameter.name;
      EXPECT_TRUE(pages[2].contains("-l " + std::string(parameter.name.substr(2))));
    }
    std::string dashed(command.full_name());
    for (size_t at = 0; (at = dashed.find('-', at)) != std::string::npos; at += 2) {
      dashed.insert(at, 1, '\\');
    }
    EXPECT_TRUE(manual.contains("\\fB" + dashed + "\\fR")) << dashed;
  }
  EXPECT_EQ(completion("tcsh"), "");
}

constexpr std::string_view kBefore =
    "{\"at\":\"2025-11-28T00:00:00Z\",\"uptime_s\":10,\"shards\":[{\"shard\":0,"
    "\"cpu_seconds\":1,\"connections\":3,\"in_flight\":2,\"bytes_sent\":1000}],"
    "\"models\":[{\"name\":\"a\",\"requests\":10,\"tokens_in\":0,\"tokens_out\":0,\"queue\":0,"
    "\"refused\":0,\"first_token_buckets\":[{\"le_s\":0.1,\"count\":5},"
    "{\"le_s\":null,\"count\":0}]}],\"upstreams\":[],\"tenants\":[]}";
constexpr std::string_view kAfter =
    "{\"at\":\"2025-11-28T00:00:02Z\",\"uptime_s\":12,\"shards\":[{\"shard\":0,"
    "\"cpu_seconds\":2,\"connections\":4,\"in_flight\":1,\"bytes_sent\":3000}],"
    "\"models\":[{\"name\":\"a\",\"requests\":30,\"tokens_in\":100,\"tokens_out\":50,\"queue\":1,"
    "\"refused\":4,\"first_token_buckets\":[{\"le_s\":0.1,\"count\":15},"
    "{\"le_s\":null,\"count\":0}]},{\"name\":\"new\",\"requests\":60,\"tokens_in\":0,"
    "\"tokens_out\":0,\"queue\":0,\"refused\":0,\"first_token_buckets\":[]}],"
    "\"upstreams\":[],\"tenants\":[]}";

TEST(SluicectlFrame, two_samples_make_rates) {
  const json::Value frame = make_frame(parsed(kBefore), parsed(kAfter));
  const json::Array& models = items(frame, "models");
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(cell(models[0], "name"), "new");  // The busiest first.
  EXPECT_EQ(cell(models[0], "requests_per_s"), "30.0");
  EXPECT_EQ(cell(models[0], "first_token_ms_p50"), "-");
  EXPECT_EQ(cell(models[1], "requests_per_s"), "10.0");
  EXPECT_EQ(cell(models[1], "refused_per_s"), "2.0");
  EXPECT_EQ(cell(models[1], "first_token_ms_p50"), "50.0");
  EXPECT_EQ(cell(models[1], "first_token_ms_p99"), "99.0");
  EXPECT_EQ(cell(items(frame, "shards")[0], "cpu_percent"), "50.0");
  EXPECT_EQ(cell(items(frame, "shards")[0], "bytes_per_s"), "1000");
  EXPECT_EQ(cell(*frame.find("total"), "requests_per_s"), "40.0");
  EXPECT_EQ(cell(*frame.find("total"), "tokens_in_per_s"), "50.0");
  EXPECT_EQ(cell(*frame.find("total"), "in_flight"), "1");
}

TEST(SluicectlFrame, a_gateway_that_began_anew_has_no_rates_yet) {
  const json::Value frame = make_frame(parsed(kAfter), parsed(kBefore));
  EXPECT_EQ(cell(*frame.find("total"), "requests_per_s"), "0.0");
  EXPECT_EQ(cell(*frame.find("total"), "first_token_ms_p50"), "-");
}

TEST(SluicectlFrame, sections_share_a_low_window) {
  const json::Value frame = make_frame(parsed(kBefore), parsed(kAfter));
  const auto count_lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  EXPECT_TRUE(render_frame(frame, 0).contains("MODEL"));
  const std::string low = render_frame(frame, 13);
  EXPECT_LE(count_lines(low), 13);
  EXPECT_TRUE(low.contains("(1 more)")) << low;
}

}  // namespace
}  // namespace sluice::sluicectl
