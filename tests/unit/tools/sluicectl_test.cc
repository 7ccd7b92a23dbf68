#include <gtest/gtest.h>

#include "sluicectl/admin_client.h"
#include "sluicectl/json_value.h"
#include "sluicectl/render.h"

namespace sluice::sluicectl {
namespace {

JsonValue parsed(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value.value_or(JsonValue{});
}

TEST(SluicectlJson, values_of_every_kind_are_read) {
  const JsonValue value = parsed(
      " {\"s\": \"a\\n\\\"\\u00e9\\ud83d\\ude00\", \"n\": -1.5e3, \"t\": true, \"z\": null,"
      " \"l\": [1, []], \"o\": {}} ");
  EXPECT_EQ(value["s"].cell(), "a\n\"\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(value["n"].cell(), "-1.5e3");
  EXPECT_TRUE(value["t"].is_true());
  EXPECT_EQ(value["z"].cell(), "-");
  EXPECT_EQ(value["l"].items.size(), 2u);
  EXPECT_EQ(value["absent"].cell(), "-");
}

TEST(SluicectlJson, what_is_not_json_is_refused) {
  for (const char* text :
       {"", "{", "[1,", "{\"a\"}", "{\"a\":1}x", "\"a", "\"\\x\"", "\"\\ud83d\"", "{1:2}", "nul"}) {
    EXPECT_FALSE(parse_json(text)) << text;
  }
  EXPECT_FALSE(parse_json(std::string(1000, '[')));
}

TEST(SluicectlRender, columns_are_aligned_by_their_kind) {
  EXPECT_EQ(render_table({{"NAME", "COUNT"}, {"a", "5"}, {"longer", "12345678"}}),
            "NAME       COUNT\n"
            "a              5\n"
            "longer  12345678\n");
}

TEST(SluicectlRender, empty_table_is_its_titles) {
  EXPECT_EQ(render_shards(parsed("{\"shards\":[]}")).find("SHARD  CPU"), 0u);
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
  EXPECT_EQ(render_order(parsed("{\"upstream\":\"a\"}")),
            "told a; sluicectl upstreams shows its state\n");
  EXPECT_EQ(render_refusal(parsed("{\"error\":{\"message\":\"no\"},\"problems\":[\"p\",\"q\"]}")),
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
  const auto answer = ask("/nonexistent/sluice.sock", "GET", "/v1/version");
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().contains("/nonexistent/sluice.sock")) << answer.error();
  EXPECT_TRUE(answer.error().contains("--socket")) << answer.error();
}

}  // namespace
}  // namespace sluice::sluicectl
