#include "router.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace sluice::admin {
namespace {

using Places = std::vector<std::string>;

TEST(Router, paths_are_matched_by_their_segments) {
  EXPECT_EQ(match_path("/v1/keys", "/v1/keys"), Places{});
  EXPECT_EQ(match_path("/v1/keys/{id}/block", "/v1/keys/key_1/block"), Places{"key_1"});
  EXPECT_EQ(match_path("/v1/spend/{a}/{b}", "/v1/spend/key/day"), (Places{"key", "day"}));
  for (const char* path :
       {"", "/", "v1/keys", "/v1/keys/", "/v1//keys", "/V1/keys", "/v1/keys/x"}) {
    EXPECT_FALSE(match_path("/v1/keys", path)) << path;
  }
  for (const char* path : {"/v1/keys//block", "/v1/keys/block", "/v1/keys/a/b/block",
                           "/v1/keys/%/block", "/v1/keys/%0a/block", "/v1/keys/%zz/block"}) {
    EXPECT_FALSE(match_path("/v1/keys/{id}/block", path)) << path;
  }
}

TEST(Router, a_long_place_takes_slashes_and_leaves_what_follows) {
  constexpr std::string_view kPattern = "/v1/upstreams/{name...}/drain";
  EXPECT_EQ(match_path(kPattern, "/v1/upstreams/one/drain"), Places{"one"});
  EXPECT_EQ(match_path(kPattern, "/v1/upstreams/group/[::1]:80/drain"), Places{"group/[::1]:80"});
  EXPECT_EQ(match_path(kPattern, "/v1/upstreams/a%2Fb/drain"), Places{"a/b"});
  EXPECT_EQ(match_path(kPattern, "/v1/upstreams/drain/drain"), Places{"drain"});
  for (const char* path : {"/v1/upstreams/drain", "/v1/upstreams//drain", "/v1/upstreams/drain/"}) {
    EXPECT_FALSE(match_path(kPattern, path)) << path;
  }
}

TEST(Router, a_literal_segment_goes_before_a_place) {
  const Match sync = find_route("/v1/keys/sync", http::Method::kPost);
  ASSERT_NE(sync.route, nullptr);
  EXPECT_EQ(sync.route->path, "/v1/keys/sync");
  EXPECT_EQ(find_route("/v1/keys/sync", http::Method::kGet).allow, "POST");
}

TEST(Router, a_path_names_its_methods) {
  EXPECT_EQ(find_route("/v1/keys", http::Method::kPut).allow, "GET, POST");
  EXPECT_EQ(find_route("/v1/keys/a", http::Method::kPut).allow, "GET, PATCH, DELETE");
  EXPECT_EQ(find_route("/v1/nothing", http::Method::kGet).allow, "");
}

TEST(Router, percent_signs_are_undone) {
  EXPECT_EQ(decode_percent("a%2Fb%c3%a4", false), "a/b\xc3\xa4");
  EXPECT_EQ(decode_percent("a+b", false), "a+b");
  EXPECT_EQ(decode_percent("a+b", true), "a b");
  for (const char* text : {"%", "%1", "%g1", "a%0Ab", "%7f"}) {
    EXPECT_FALSE(decode_percent(text, true)) << text;
  }
}

void check_fields(std::span<const Field> fields, std::string_view where) {
  std::set<std::string_view> names;
  for (const Field& field : fields) {
    EXPECT_FALSE(field.name.empty()) << where;
    EXPECT_TRUE(names.insert(field.name).second) << where << " " << field.name;
    check_fields(field.fields, where);
  }
}

TEST(Routes, each_row_is_whole_and_there_is_one_for_each_call) {
  std::set<std::pair<std::string_view, http::Method>> seen;
  for (const Route& route : routes()) {
    EXPECT_TRUE(seen.insert({route.path, route.method}).second) << route.path;
    EXPECT_NE(route.run, nullptr) << route.path;
    EXPECT_TRUE(route.purpose.ends_with('.')) << route.path;
    EXPECT_TRUE(route.path.starts_with('/')) << route.path;
    EXPECT_TRUE(route.changes() || route.body.empty()) << route.path;
    EXPECT_TRUE(route.changes() || (route.action.empty() && !route.is_remembered)) << route.path;
    for (const auto fields : {route.query, route.body, route.answer}) {
      check_fields(fields, route.path);
    }
  }
}

// The OpenAPI document writes them in one object.
TEST(Routes, rows_of_one_path_stand_together) {
  std::set<std::string_view> done;
  std::string_view last;
  for (const Route& route : routes()) {
    if (route.path == last) continue;
    EXPECT_TRUE(done.insert(route.path).second) << route.path;
    last = route.path;
  }
}

}  // namespace
}  // namespace sluice::admin
