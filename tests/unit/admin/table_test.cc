// Walks the table of routes: what holds of each call, whatever it does.
#include <algorithm>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "fake_gateway.h"
#include "fields.h"
#include "router.h"

namespace sluice::admin {
namespace {

constexpr std::string_view kToken = "sk-0123456789";

// A path that the pattern matches.
std::string path_of(const Route& route) {
  std::string path;
  for (size_t i = 0; i < route.path.size(); ++i) {
    if (route.path[i] == '{') {
      path += "one";
      i = route.path.find('}', i);
    } else {
      path += route.path[i];
    }
  }
  return path;
}

std::string code_of(const control::SmallAnswer& answer) {
  const auto body =
      json::parse_value(std::string_view(answer.body).substr(0, answer.body.size() - 1));
  const json::Value* error = body ? body->find("error") : nullptr;
  return error == nullptr ? "" : text_of(*error, "code");
}

class TableTest : public AdminTest {
 protected:
  control::SmallRequest request_of(const Route& route) {
    return {.method = route.method, .path = path_of(route), .content_type = "application/json"};
  }
  void put_key(auth::KeyKind kind) {
    auth::DirectoryBuilder builder;
    auth::KeyRecord key{.id = "key_1", .digest = crypto::sha256(kToken), .kind = kind};
    builder.add(key);
    keys_.index = builder.finish();
  }
};

TEST_F(TableTest, d007_each_route_is_reachable) {
  for (const Route& route : routes()) {
    const std::string code = code_of(send(request_of(route)));
    EXPECT_NE(code, "unknown_url") << route.path;
    EXPECT_NE(code, "method_not_allowed") << route.path;
  }
}

TEST_F(TableTest, each_route_names_its_methods_to_another_one) {
  for (const Route& route : routes()) {
    control::SmallRequest request = request_of(route);
    for (const http::Method method : {http::Method::kOptions, http::Method::kHead}) {
      request.method = method;
      const auto answer = send(request);
      EXPECT_EQ(answer.status, 405) << route.path;
      EXPECT_TRUE(answer.allow.contains(http::to_string(route.method))) << route.path;
    }
  }
}

TEST_F(TableTest, d015_no_route_takes_another_content_type_or_a_browser) {
  for (const Route& route : routes()) {
    control::SmallRequest request = request_of(route);
    request.body = "{}";
    request.content_type = "text/plain";
    EXPECT_EQ(send(request).status, 415) << route.path;
    request = request_of(route);
    request.has_origin = true;
    EXPECT_EQ(send(request).status, 403) << route.path;
  }
  EXPECT_EQ(operations_.reloads, 0);
  EXPECT_FALSE(operations_.draining);
}

TEST_F(TableTest, d099_no_route_that_changes_takes_a_read_only_key) {
  put_key(auth::KeyKind::kReadOnly);
  for (const Route& route : routes()) {
    const auto answer = send_as(kToken, request_of(route));
    EXPECT_EQ(code_of(answer) == "forbidden", route.changes()) << route.path;
  }
}

TEST_F(TableTest, d003_no_route_takes_an_inference_key_or_none) {
  put_key(auth::KeyKind::kInference);
  for (const Route& route : routes()) {
    EXPECT_EQ(send_as(kToken, request_of(route)).status, 403) << route.path;
    control::SmallRequest request = request_of(route);
    request.peer.address = route.path;  // Each its own, so that none is spent.
    EXPECT_EQ(send_plain(request).status, 401) << route.path;
  }
}

TEST_F(TableTest, no_route_takes_an_unknown_member_or_parameter) {
  for (const Route& route : routes()) {
    control::SmallRequest request = request_of(route);
    request.query = "nonsense=1";
    auto answer = send(request);
    EXPECT_EQ(answer.status, 400) << route.path;
    EXPECT_TRUE(answer.body.contains("\"param\":\"nonsense\"")) << answer.body;
    request = request_of(route);
    request.body = R"({"nonsense":1})";
    // What is needed may be missed first.
    const bool needs_query = std::ranges::any_of(route.query, &Field::is_needed);
    answer = send(request);
    EXPECT_EQ(answer.status, 400) << route.path;
    EXPECT_EQ(answer.body.contains("\"param\":\"nonsense\""), !needs_query) << answer.body;
  }
}

// The document as the table says, and nothing else.
TEST_F(TableTest, d007_the_openapi_document_is_the_table) {
  const auto answer = get("/v1/openapi.json");
  ASSERT_EQ(answer.status, 200);
  const auto document = json::parse_value(answer.body);
  ASSERT_TRUE(document) << document.error();
  EXPECT_EQ(text_of(*document, "openapi"), "3.1.0");
  const json::Value* paths = document->find("paths");
  ASSERT_NE(paths, nullptr);
  size_t operations = 0;
  std::set<std::string> ids;
  for (const json::Member& path : *paths->as_object()) {
    for (const json::Member& operation : *path.value.as_object()) {
      ++operations;
      EXPECT_TRUE(ids.insert(text_of(operation.value, "operationId")).second) << path.name;
      EXPECT_NE(operation.value.find("responses"), nullptr) << path.name;
    }
  }
  EXPECT_EQ(operations, routes().size());
  for (const Route& route : routes()) {
    std::string path(route.path);
    if (const size_t dots = path.find("..."); dots != std::string::npos) path.erase(dots, 3);
    const json::Value* item = paths->find(path);
    ASSERT_NE(item, nullptr) << path;
    std::string method(http::to_string(route.method));
    for (char& c : method) c = static_cast<char>(std::tolower(c));
    const json::Value* operation = item->find(method);
    ASSERT_NE(operation, nullptr) << path;
    EXPECT_EQ(operation->find("requestBody") != nullptr, !route.body.empty()) << path;
    EXPECT_NE(operation->find("responses")->find(std::to_string(route.status)), nullptr) << path;
    const auto places = std::ranges::count(path, '{');
    const auto expected = static_cast<size_t>(places) + route.query.size() + route.is_remembered;
    EXPECT_EQ(operation->find("parameters")->as_array()->size(), expected) << path;
  }
}

TEST_F(TableTest, answers_have_the_members_that_the_table_says) {
  const std::vector<std::string_view> upstreams = {"one"};
  const auto cells = registry_.bind({}, upstreams);
  control::SpendBook book;
  operations_.spend = {.book = &book, .now = {}};
  size_t checked = 0;
  for (const Route& route : routes()) {
    if (route.path.contains("openapi")) continue;
    control::SmallRequest request = request_of(route);
    if (route.path.contains("spend")) request.path = "/v1/spend/key/day";
    if (route.path.ends_with("cooldown")) request.body = R"({"for":"30s"})";
    const auto answer = send(request);
    if (answer.status >= 300) continue;  // Needs a store.
    ++checked;
    EXPECT_EQ(answer.status, route.status) << route.path;
    const auto body = json::parse_value(answer.body);
    ASSERT_TRUE(body) << answer.body;
    const auto refusal = check_members(route.answer, *body->as_object());
    EXPECT_FALSE(refusal) << route.path << ": " << refusal->message;
  }
  EXPECT_GE(checked, 9u);
}

// The table of docs/admin.md is this text.
TEST(Routes, docs_list_every_call) {
  std::string table = "| call | for | |\n|---|---|---|\n";
  for (const Route& route : routes()) {
    const std::string_view whom = route.rights == Rights::kGateway   ? "gateway"
                                  : route.rights == Rights::kAnybody ? "any key"
                                                                     : "own";
    table += fmt::format("| `{} {}` | {} | {} |\n", http::to_string(route.method), route.path, whom,
                         route.purpose);
  }
  std::ifstream file(SLUICE_SOURCE_ROOT "/docs/admin.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  constexpr std::string_view kBegin = "<!-- calls: begin -->\n";
  const size_t begin = text.find(kBegin) + kBegin.size();
  const size_t end = text.find("<!-- calls: end -->");
  ASSERT_LT(begin, end);
  EXPECT_EQ(text.substr(begin, end - begin), table) << "put this between the marks:\n" << table;
}

TEST_F(TableTest, without_a_store_calls_of_it_say_so) {
  const auto answer = get("/v1/keys");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(code_of(answer), "no_store");
  EXPECT_EQ(code_of(get("/v1/usage")), "no_usage_log");
}

}  // namespace
}  // namespace sluice::admin
