#include "plan/workload.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::load {
namespace {

std::string_view body_of(std::string_view request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

std::string_view head_of(std::string_view request) {
  return request.substr(0, request.find("\r\n\r\n") + 4);
}

Settings settings() {
  Settings out;
  out.target.url = *parse_url("http://127.0.0.1:8080/base");
  return out;
}

Workload make(const Settings& settings, std::optional<Trace> trace = {}) {
  auto workload = Workload::make(settings, std::move(trace));
  EXPECT_TRUE(workload) << workload.error();
  return std::move(*workload);
}

TEST(Workload, a_body_has_the_length_asked_for_and_says_so) {
  for (const uint64_t bytes : {200u, 700u, 10'000u, 1'000'000u}) {
    Settings s = settings();
    s.streams = true;
    s.sizes = {{bytes, 1}};
    std::string scratch;
    const Workload workload = make(s);
    const std::string_view request = workload.request(0, scratch).bytes;
    EXPECT_EQ(body_of(request).size(), bytes);
    EXPECT_NE(head_of(request).find("content-length: " + std::to_string(bytes) + "\r\n"),
              std::string_view::npos);
    EXPECT_TRUE(request.starts_with("POST /base/v1/chat/completions HTTP/1.1\r\n"));
  }
}

TEST(Workload, shares_of_models_and_tenants_come_out) {
  Settings s = settings();
  s.models = {{"a", 3}, {"b", 1}};
  s.tenants = {{"acme", 1, {"k1", "k2"}}, {"beta", 1, {"k3"}}};
  const Workload workload = make(s);
  ASSERT_EQ(workload.parts(), (std::vector<std::string>{"acme a", "acme b", "beta a", "beta b"}));
  std::map<uint32_t, int> parts;
  std::map<std::string, int> keys;
  std::string scratch;
  for (uint64_t i = 0; i < 8000; ++i) {
    const Request request = workload.request(i, scratch);
    ++parts[request.part];
    const size_t at = request.bytes.find("Bearer ") + 7;
    ++keys[std::string(request.bytes.substr(at, 2))];
    const std::string_view model = request.part % 2 == 0 ? R"("model":"a")" : R"("model":"b")";
    EXPECT_NE(body_of(request.bytes).find(model), std::string_view::npos);
  }
  EXPECT_NEAR(parts[0] + parts[2], 6000, 200);
  EXPECT_NEAR(parts[0] + parts[1], 4000, 200);
  EXPECT_NEAR(keys["k1"], keys["k2"], 200);
  EXPECT_NEAR(keys["k3"], 4000, 200);
}

TEST(Workload, a_template_is_filled_in) {
  Settings s = settings();
  s.body = R"({"m":"{{model}}","p":"{{prompt}}","n":{{max_tokens}},"x":"{{other}}"})";
  s.models = {{"a\"b", 1}};
  s.answer_tokens = 12;
  s.sizes = {{200, 1}};
  std::string scratch;
  const Workload workload = make(s);
  const std::string_view body = body_of(workload.request(0, scratch).bytes);
  EXPECT_EQ(body.size(), 200u);
  EXPECT_TRUE(body.starts_with(R"({"m":"a\"b","p":")"));
  EXPECT_TRUE(body.ends_with(R"(","n":12,"x":"{{other}}"})"));
}

TEST(Workload, equal_blocks_of_a_trace_are_equal_text) {
  const auto trace = parse_trace(
      R"({"timestamp": 0, "input_length": 1536, "output_length": 5, "hash_ids": [0, 7, 9]})"
      "\n"
      R"({"timestamp": 20, "input_length": 1100, "output_length": 6, "hash_ids": [0, 7, 10]})"
      "\n",
      "t");
  ASSERT_TRUE(trace);
  Settings s = settings();
  s.speed = 20;
  const Workload workload = make(s, *trace);
  const auto prompt_of = [&workload](uint64_t index) {
    std::string scratch;
    const std::string body(body_of(workload.request(index, scratch).bytes));
    const size_t at = body.find(R"("content":")") + 11;
    return body.substr(at, body.size() - at - 4);
  };
  const std::string first = prompt_of(0), second = prompt_of(1);
  EXPECT_EQ(first.size(), 1536u * 4);
  EXPECT_EQ(second.size(), 1100u * 4);
  EXPECT_EQ(first.substr(0, 4096), second.substr(0, 4096));
  EXPECT_NE(first.substr(4096, 8), second.substr(4096, 8));
  EXPECT_EQ(workload.due(1), Duration(milliseconds(1)));
  EXPECT_EQ(workload.due(2), std::nullopt);
  std::string scratch;
  const std::string_view request = workload.request(1, scratch).bytes;
  EXPECT_NE(head_of(request).find("x-sim-tokens: 6\r\n"), std::string_view::npos);
  EXPECT_NE(body_of(request).find(R"("max_tokens":6)"), std::string_view::npos);
}

TEST(Workload, prompts_without_shared_blocks_differ_from_the_first_word_on) {
  const auto trace = parse_trace("2023-11-16 00:00:00,600,1\n2023-11-16 00:00:01,600,1\n", "t");
  ASSERT_TRUE(trace);
  const Settings s = settings();
  const Workload workload = make(s, *trace);
  std::string one, two;
  const std::string_view first = body_of(workload.request(0, one).bytes);
  const std::string_view second = body_of(workload.request(1, two).bytes);
  const size_t at = first.find(R"("content":")") + 11;
  EXPECT_EQ(first.substr(0, at), second.substr(0, at));
  EXPECT_NE(first.substr(at, 16), second.substr(at, 16));
}

TEST(Workload, a_share_of_the_requests_leaves) {
  Settings s = settings();
  s.leave_at_event = 5;
  s.leave_share = 0.25;
  const Workload workload = make(s);
  std::string scratch;
  int leaving = 0;
  for (uint64_t i = 0; i < 4000; ++i) leaving += workload.request(i, scratch).leave_at == 5;
  EXPECT_NEAR(leaving, 1000, 150);
}

TEST(Workload, a_head_that_is_none_is_refused) {
  Settings s = settings();
  s.headers = {{"a", "b\r\nc: d"}};
  EXPECT_FALSE(Workload::make(s, {}));
  s.headers = {{"a", std::string(20'000, 'x')}};
  EXPECT_FALSE(Workload::make(s, {}));
}

}  // namespace
}  // namespace sluice::load
