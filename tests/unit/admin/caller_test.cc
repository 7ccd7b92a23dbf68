#include "caller.h"

#include "fake_gateway.h"
#include "route.h"

namespace sluice::admin {
namespace {

constexpr std::string_view kToken = "sk-0123456789";

class CallerTest : public AdminTest {
 protected:
  // One key, found by kToken.
  void put(auth::KeyRecord key, const std::vector<auth::Owner>& owners = {}) {
    key.id = "key_1";
    key.digest = crypto::sha256(kToken);
    auth::DirectoryBuilder builder;
    for (const auth::Owner& owner : owners) builder.add(owner);
    builder.add(key);
    keys_.index = builder.finish();
  }
  uint16_t get_as(std::string_view token, std::string path = "/v1/version",
                  std::string address = "127.0.0.1") {
    return send_as(token, {.method = http::Method::kGet, .path = std::move(path)},
                   std::move(address))
        .status;
  }
  uint16_t post_as(std::string_view token, std::string path) {
    return send_as(token, {.method = http::Method::kPost, .path = std::move(path)}).status;
  }
};

TEST_F(CallerTest, d003_what_a_key_may_do_depends_on_its_type) {
  put({.kind = auth::KeyKind::kManagement});
  EXPECT_EQ(get_as(kToken), 200);
  EXPECT_EQ(post_as(kToken, "/v1/drain"), 202);
  put({.kind = auth::KeyKind::kInference});
  EXPECT_EQ(get_as(kToken), 403);
  EXPECT_EQ(get_as(kToken, "/v1/keys"), 403);
  EXPECT_EQ(get_as(kToken, "/nothing"), 403);
}

TEST_F(CallerTest, d099_a_read_only_key_changes_nothing) {
  put({.kind = auth::KeyKind::kReadOnly});
  EXPECT_EQ(get_as(kToken, "/v1/shards"), 200);
  EXPECT_EQ(post_as(kToken, "/v1/drain"), 403);
  EXPECT_EQ(post_as(kToken, "/v1/reload"), 403);
  EXPECT_FALSE(operations_.draining);
  EXPECT_EQ(operations_.reloads, 0);
}

TEST_F(CallerTest, without_a_known_token_there_is_nothing) {
  put({.kind = auth::KeyKind::kManagement});
  for (const char* authorization : {"", "Bearer", "Bearer ", "Basic abc", "Bearer a b",
                                    "Bearer sk-other", "sk-0123456789", "Bearer  sk-0123456789"}) {
    const auto answer = send_plain({.method = http::Method::kGet,
                                    .path = "/v1/version",
                                    .authorization = authorization,
                                    .peer = {.process = {}, .address = "10.0.0.1"}});
    EXPECT_EQ(answer.status, 401) << authorization;
    EXPECT_TRUE(answer.body.contains("authentication_error")) << answer.body;
  }
}

TEST_F(CallerTest, a_key_out_of_force_is_not_known) {
  const WallTime now = clock_.wall();
  put({.kind = auth::KeyKind::kManagement, .is_blocked = true});
  EXPECT_EQ(get_as(kToken), 401);
  put({.kind = auth::KeyKind::kManagement, .expires = now});
  EXPECT_EQ(get_as(kToken), 401);
  put({.kind = auth::KeyKind::kManagement, .not_before = WallTime{now.unix_us + 1}});
  EXPECT_EQ(get_as(kToken), 401);
  put({.kind = auth::KeyKind::kManagement, .team = "team_1"},
      {{.level = auth::OwnerLevel::kTeam, .id = "team_1", .is_blocked = true}});
  EXPECT_EQ(get_as(kToken), 401);
}

TEST_F(CallerTest, a_key_is_bound_to_its_addresses) {
  auth::KeyRecord key{.kind = auth::KeyKind::kManagement};
  key.allowed_addresses = {{.prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10}, .bits = 104}};
  put(key);
  EXPECT_EQ(get_as(kToken, "/v1/version", "10.1.2.3"), 200);
  EXPECT_EQ(get_as(kToken, "/v1/version", "11.1.2.3"), 403);
  EXPECT_EQ(get_as(kToken, "/v1/version", ""), 403);
}

TEST_F(CallerTest, d004_a_scoped_key_has_no_part_in_what_concerns_all) {
  put({.kind = auth::KeyKind::kManagement, .organisation = "org_1"},
      {{.level = auth::OwnerLevel::kOrganisation, .id = "org_1"}});
  EXPECT_EQ(get_as(kToken), 200);
  for (const char* path : {"/v1/shards", "/v1/upstreams", "/v1/spend/key/day"}) {
    EXPECT_EQ(get_as(kToken, path), 403) << path;
  }
  for (const char* path : {"/v1/reload", "/v1/drain", "/v1/upstreams/one/drain"}) {
    EXPECT_EQ(post_as(kToken, path), 403) << path;
  }
  EXPECT_TRUE(operations_.orders.empty());
}

// Not to be taken for a key of the whole gateway.
TEST_F(CallerTest, d004_a_key_of_a_user_alone_has_no_scope_and_so_no_rights) {
  put({.kind = auth::KeyKind::kManagement, .user = "user_1"},
      {{.level = auth::OwnerLevel::kUser, .id = "user_1"}});
  EXPECT_EQ(get_as(kToken), 403);
}

TEST_F(CallerTest, d004_the_scope_is_that_of_the_nearest_owner_and_those_above) {
  put({.kind = auth::KeyKind::kManagement, .organisation = "org_1", .team = "team_1"},
      {{.level = auth::OwnerLevel::kOrganisation, .id = "org_1"},
       {.level = auth::OwnerLevel::kTeam, .id = "team_1", .organisation = "org_1"}});
  FailureCounts failures;
  const control::SmallRequest request{.authorization = "bearer " + std::string(kToken),
                                      .peer = {.process = {}, .address = "10.0.0.1"}};
  const AdminParts parts{operations_, registry_, clock_, log_, seats_, "1", &keys_};
  const auto caller = identify(parts, request, failures);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->actor.name, "key_1");
  EXPECT_EQ(caller->actor.origin, "10.0.0.1");
  EXPECT_EQ(caller->actor.organisation, "org_1");
  EXPECT_EQ(caller->actor.team, "team_1");
  EXPECT_TRUE(caller->is_scoped());
}

TEST_F(CallerTest, d104_the_bootstrap_token_has_all_rights) {
  EXPECT_EQ(get_as(""), 401);  // No token is configured: none is not one.
  operations_.snapshot_.admin.bootstrap_token = "let-me-in-0123456789";
  EXPECT_EQ(get_as("let-me-in-0123456789", "/v1/shards"), 200);
  EXPECT_EQ(get_as("let-me-in-012345678", "/v1/shards"), 401);
  EXPECT_EQ(get_as("let-me-in-01234567890", "/v1/shards"), 401);
}

TEST_F(CallerTest, wrong_tokens_are_counted_by_address_and_for_a_time) {
  put({.kind = auth::KeyKind::kManagement});
  for (uint32_t i = 0; i < FailureCounts::kFailuresMost; ++i) {
    EXPECT_EQ(get_as("sk-wrong", "/v1/version", "10.0.0.1"), 401);
  }
  EXPECT_EQ(get_as("sk-wrong", "/v1/version", "10.0.0.1"), 429);
  EXPECT_EQ(get_as(kToken, "/v1/version", "10.0.0.1"), 429);
  EXPECT_EQ(get("/v1/version").status, 200);
  clock_.advance(FailureCounts::kPeriod);
  EXPECT_EQ(get_as(kToken, "/v1/version", "10.0.0.1"), 200);
}

TEST(FailureCounts, addresses_of_one_ipv6_network_count_together) {
  FailureCounts counts;
  const MonoTime now{seconds(5)};
  for (uint32_t i = 0; i < FailureCounts::kFailuresMost; ++i) {
    counts.add("2001:db8:1:2:" + std::to_string(i) + "::1", now);
  }
  EXPECT_TRUE(counts.is_spent("2001:db8:1:2:99::7", now));
}

TEST_F(CallerTest, answers_are_counted_by_their_end) {
  get("/v1/version");
  get("/nothing");
  EXPECT_EQ(registry_.control().admin_requests[metrics::AdminResult::kDone].value(), 1u);
  EXPECT_EQ(registry_.control().admin_requests[metrics::AdminResult::kRefused].value(), 1u);
}

}  // namespace
}  // namespace sluice::admin
