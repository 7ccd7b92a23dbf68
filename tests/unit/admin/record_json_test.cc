#include "record_json.h"

#include <gtest/gtest.h>

#include <sluice/config/limit_amounts.h>

#include "fields.h"

namespace sluice::admin {
namespace {

json::Value body_of(std::span<const Field> fields, std::string_view text) {
  auto body = read_body(fields, text);
  EXPECT_TRUE(body) << body.error().message;
  return body ? *std::move(body) : json::Value(json::Object{});
}

TEST(RecordJson, all_members_of_a_key_are_read) {
  auth::KeyRecord key;
  const auto body = body_of(key_input_fields(), R"({
    "name":"app","type":"management","organisation":"org_1","team":"team_1","user":"user_1",
    "blocked":true,"not_before":"2030-01-01T00:00:00Z","expires":"2031-01-01T00:00:00Z",
    "models":["gpt-*"],"limits":{"requests_per_minute":60,"budget_per_day":2.5},
    "model_limits":[{"models":"gpt-4*","tokens_per_minute":1000,"requests_per_minute":5}],
    "allowed_addresses":["10.0.0.0/8"],"denied_addresses":["10.0.0.7"],"weight":3,
    "priority_max":2,"tags":["a"],"metadata":{"x":[1]}})");
  const auto refusal = read_key(body, key);
  ASSERT_FALSE(refusal) << refusal->message;
  EXPECT_EQ(key.kind, auth::KeyKind::kManagement);
  EXPECT_EQ(key.user, "user_1");
  EXPECT_TRUE(key.is_blocked);
  ASSERT_EQ(key.limits.size(), 2u);
  EXPECT_EQ(config::limit_word_of(key.limits[1]), "budget_per_day");
  EXPECT_EQ(config::limit_amount_of(key.limits[1]), 2.5);
  EXPECT_EQ(key.model_limits.size(), 2u);
  EXPECT_EQ(key.allowed_addresses.at(0).bits, 104);
  EXPECT_EQ(key.weight, 3u);
  EXPECT_EQ(key.metadata, R"({"x":[1]})");
}

TEST(RecordJson, members_that_are_absent_stay_and_null_clears) {
  auth::KeyRecord key{.name = "a", .team = "team_1", .weight = 5, .tags = {"x"}};
  ASSERT_FALSE(read_key(body_of(key_input_fields(), R"({"name":"b"})"), key));
  EXPECT_EQ(key.name, "b");
  EXPECT_EQ(key.weight, 5u);
  ASSERT_FALSE(read_key(
      body_of(key_input_fields(), R"({"team":null,"weight":null,"tags":null,"limits":null})"),
      key));
  EXPECT_EQ(key.team, "");
  EXPECT_EQ(key.weight, 1u);
  EXPECT_TRUE(key.tags.empty());
}

TEST(RecordJson, what_is_wrong_in_a_key_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"name":"a/b"})", "name"},
      {R"({"limits":{"requests_per_minute":0}})", "limits.requests_per_minute"},
      {R"({"limits":{"concurrency":1.5}})", "limits.concurrency"},
      {R"({"model_limits":[{"models":"m","tokens_per_minute":-1}]})",
       "model_limits[0].tokens_per_minute"},
      {R"({"allowed_addresses":["10.0.0.1/8"]})", "allowed_addresses"},
      {R"({"weight":99999999999})", "weight"},
      {R"({"priority_max":256})", "priority_max"},
      {R"({"tags":["a","a"]})", "tags"},
      {R"({"not_before":"2030-01-01T00:00:00Z","expires":"2029-01-01T00:00:00Z"})", "expires"},
  };
  for (const auto& [text, param] : cases) {
    auth::KeyRecord key;
    const auto refusal = read_key(body_of(key_input_fields(), text), key);
    ASSERT_TRUE(refusal) << text;
    EXPECT_EQ(refusal->param, param) << refusal->message;
    auth::KeyRecord one;
    EXPECT_EQ(read_key(body_of(key_input_fields(), text), one, "keys[3].")->param,
              std::string("keys[3].") + param);
  }
}

TEST(RecordJson, an_owner_is_shown_as_its_fields_say) {
  auth::Owner owner{.level = auth::OwnerLevel::kTeam, .id = "team_1"};
  ASSERT_FALSE(
      read_owner(body_of(owner_input_fields(auth::OwnerLevel::kTeam),
                         R"({"name":"t","organisation":"org_1","limits":{"concurrency":4}})"),
                 owner));
  std::string text;
  json::Writer writer(text);
  write_owner(writer, owner);
  const auto shown = json::parse_value(text);
  ASSERT_TRUE(shown) << text;
  const auto refusal = check_members(owner_fields(), *shown->as_object());
  EXPECT_FALSE(refusal) << refusal->message;
  EXPECT_EQ(text_of(*shown, "level"), "team");
  EXPECT_TRUE(text.contains(R"("limits":{"concurrency":4})")) << text;
}

TEST(RecordJson, an_organisation_has_nothing_above_it) {
  for (const char* text : {R"({"name":"a","team":"t"})", R"({"name":"a","organisation":"o"})"}) {
    EXPECT_FALSE(read_body(owner_input_fields(auth::OwnerLevel::kOrganisation), text)) << text;
  }
}

}  // namespace
}  // namespace sluice::admin
