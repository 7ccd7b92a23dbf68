#include <sluice/auth/key_record.h>

#include <functional>

#include <gtest/gtest.h>

#include <sluice/config/limit_amounts.h>

namespace sluice::auth {
namespace {

KeyRecord full_record() {
  KeyRecord record;
  record.id = "key_0123456789abcdef01234567";
  record.name = "Billing robot 2.0";
  record.prefix = "sk-AbCd";
  record.not_before = WallTime{1};
  record.expires = WallTime{2};
  record.models = {"*", "gpt-4*"};
  record.weight = kWeightMax;
  record.priority_max = kPriorityMax;
  record.tags = {"a", "b c"};
  record.metadata = R"({"cost":{"centre":7}})";
  EXPECT_TRUE(
      config::add_limit(record.limits, config::LimitScope::kKey, "key", "requests_per_minute", 60));
  std::vector<config::LimitRule> rules;
  EXPECT_TRUE(
      config::add_limit(rules, config::LimitScope::kKeyModel, "key/gpt-4*", "tokens_per_day", 5));
  record.model_limits = {{"gpt-4*", rules[0]}, {"gpt-3*", rules[0]}};
  return record;
}

TEST(KeyRecord, what_is_within_the_bounds_passes) {
  const auto good = check_record(full_record());
  EXPECT_TRUE(good) << good.error().text;
  EXPECT_TRUE(check_record({}));
}

struct Break {
  std::string_view field;
  std::function<void(KeyRecord&)> apply;
};

TEST(KeyRecord, what_is_not_is_refused_with_its_field) {
  const std::vector<Break> breaks = {
      {"id", [](KeyRecord& r) { r.id = std::string(41, 'x'); }},
      {"id", [](KeyRecord& r) { r.id = "a/b"; }},
      {"name", [](KeyRecord& r) { r.name = std::string(65, 'x'); }},
      {"name", [](KeyRecord& r) { r.name = "a\nb"; }},
      {"prefix", [](KeyRecord& r) { r.prefix = std::string(17, 'x'); }},
      {"kind", [](KeyRecord& r) { r.kind = static_cast<KeyKind>(3); }},
      {"weight", [](KeyRecord& r) { r.weight = 0; }},
      {"weight", [](KeyRecord& r) { r.weight = 1'001; }},
      {"priority_max", [](KeyRecord& r) { r.priority_max = 256; }},
      {"organisation", [](KeyRecord& r) { r.organisation = "'"; }},
      {"team", [](KeyRecord& r) { r.team = " "; }},
      {"user", [](KeyRecord& r) { r.user = "\xc3\xa4"; }},
      {"not_before", [](KeyRecord& r) { r.not_before = WallTime{-1}; }},
      {"expires", [](KeyRecord& r) { r.expires = WallTime{INT64_MAX}; }},
      {"expires", [](KeyRecord& r) { r.expires = r.not_before; }},
      {"former_until", [](KeyRecord& r) { r.former_until = WallTime{0}; }},
      {"models", [](KeyRecord& r) { r.models = {""}; }},
      {"models", [](KeyRecord& r) { r.models = {"a b"}; }},
      {"models", [](KeyRecord& r) { r.models.assign(1'001, "x"); }},
      {"models", [](KeyRecord& r) { r.models = {std::string(257, 'x')}; }},
      {"limits", [](KeyRecord& r) { r.limits.push_back(r.limits[0]); }},
      {"limits", [](KeyRecord& r) { r.limits[0].most = 0; }},
      {"limits", [](KeyRecord& r) { r.limits[0].length = seconds(7); }},
      {"limits", [](KeyRecord& r) { r.limits[0].burst = 3; }},
      {"limits", [](KeyRecord& r) { r.limits.resize(7); }},
      {"model_limits", [](KeyRecord& r) { r.model_limits[1].models = "gpt-4*"; }},
      {"model_limits", [](KeyRecord& r) { r.model_limits[1].models = ""; }},
      {"model_limits", [](KeyRecord& r) { r.model_limits.resize(65); }},
      {"allowed_addresses", [](KeyRecord& r) { r.allowed_addresses.resize(257); }},
      {"denied_addresses", [](KeyRecord& r) { r.denied_addresses = {{.bits = 129}}; }},
      {"tags", [](KeyRecord& r) { r.tags.assign(33, "x"); }},
      {"tags", [](KeyRecord& r) { r.tags = {"a", "a"}; }},
      {"tags", [](KeyRecord& r) { r.tags = {""}; }},
      {"tags", [](KeyRecord& r) { r.tags = {"a\""}; }},
      {"metadata", [](KeyRecord& r) { r.metadata = "[]"; }},
      {"metadata", [](KeyRecord& r) { r.metadata = "{"; }},
      {"metadata",
       [](KeyRecord& r) { r.metadata = "{\"a\":\"" + std::string(16'384, 'x') + "\"}"; }},
  };
  for (size_t i = 0; i < breaks.size(); ++i) {
    KeyRecord record = full_record();
    breaks[i].apply(record);
    const auto good = check_record(record);
    ASSERT_FALSE(good) << i;
    EXPECT_EQ(good.error().field, breaks[i].field) << i << ": " << good.error().text;
    EXPECT_TRUE(good.error().text.starts_with(breaks[i].field)) << good.error().text;
  }
}

TEST(KeyRecord, owners_are_checked_alike_and_by_their_level) {
  Owner owner{.level = OwnerLevel::kUser, .name = "Ann", .organisation = "org_1", .team = "team_1"};
  EXPECT_TRUE(check_owner(owner));
  const auto field_of = [&](auto apply) {
    Owner broken = owner;
    apply(broken);
    const auto good = check_owner(broken);
    return good ? std::string() : good.error().field;
  };
  EXPECT_EQ(field_of([](Owner& o) { o.name = ""; }), "name");
  EXPECT_EQ(field_of([](Owner& o) { o.level = static_cast<OwnerLevel>(9); }), "level");
  EXPECT_EQ(field_of([](Owner& o) { o.level = OwnerLevel::kTeam; }), "team");
  EXPECT_EQ(field_of([](Owner& o) { o.level = OwnerLevel::kOrganisation; }), "organisation");
  EXPECT_EQ(field_of([](Owner& o) { o.metadata = "1"; }), "metadata");
  EXPECT_EQ(field_of([](Owner& o) { o.expires = WallTime{0}; }), "expires");
  EXPECT_EQ(field_of([](Owner& o) { o.models = {" "}; }), "models");
  EXPECT_EQ(field_of([](Owner& o) { o.limits.resize(1); }), "limits");
}

}  // namespace
}  // namespace sluice::auth
