#include <sluice/limit/subjects.h>

#include <gtest/gtest.h>

namespace sluice::limit {
namespace {

config::LimitRule rule(std::string name, config::LimitScope scope = config::LimitScope::kKey) {
  return {.name = std::move(name), .scope = scope, .most = 10, .length = seconds(60)};
}

AddressBytes ipv4(uint8_t last) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last};
}

TEST(Subjects, counts_are_found_by_the_same_key_in_every_build) {
  const BankKey key = key_of(rule("free/requests_per_minute"), "app");
  EXPECT_EQ(key, key_of(rule("free/requests_per_minute"), "app"));
  EXPECT_EQ(key.rule, 0x5ff3caeab25a477eu);
  EXPECT_EQ(key.subject, 0xf86888009b0399d1u);
}

TEST(Subjects, a_rule_that_counts_otherwise_begins_anew) {
  config::LimitRule changed = rule("r");
  changed.most = 99;
  EXPECT_EQ(key_of(changed, "a"), key_of(rule("r"), "a")) << "another amount is the same count";
  changed.length = seconds(1);
  EXPECT_NE(key_of(changed, "a"), key_of(rule("r"), "a"));
  changed = rule("r");
  changed.burst = 5;
  EXPECT_NE(key_of(changed, "a"), key_of(rule("r"), "a"));
  changed = rule("r");
  changed.measure = config::LimitMeasure::kTokens;
  EXPECT_NE(key_of(changed, "a"), key_of(rule("r"), "a"));
}

TEST(Subjects, addresses_count_alone_and_ipv6_by_its_site) {
  const config::LimitRule ip = rule("ip", config::LimitScope::kIp);
  EXPECT_NE(key_of(ip, ipv4(1)), key_of(ip, ipv4(2)));
  AddressBytes site{0x20, 0x01, 0x0d, 0xb8};
  AddressBytes other = site;
  other[15] = 7;
  EXPECT_EQ(key_of(ip, site), key_of(ip, other));
  other[7] = 1;
  EXPECT_NE(key_of(ip, site), key_of(ip, other));
}

TEST(Subjects, each_owner_finds_its_rules) {
  config::Snapshot config;
  config.limit_rules = {rule("a"), rule("b"), rule("c")};
  config.tenants = {{.name = "default"}, {.name = "t", .limits = {LimitId{1}}}};
  config.keys.resize(2);
  config.keys[0].name = "k0";
  config.keys[1].name = "k1";
  config.keys[1].limits = {LimitId{0}, LimitId{2}};
  config.keys[1].model_limits = {{ModelId{0}, LimitId{1}}};
  config.models.resize(1);
  config.models[0].name = "m";
  config.gateway_limits = {LimitId{2}};
  SubjectTable table(config);
  EXPECT_TRUE(table.of_key(KeyId{0}).empty());
  EXPECT_TRUE(table.of_key(KeyId{}).empty());
  ASSERT_EQ(table.of_key(KeyId{1}).size(), 2u);
  EXPECT_EQ(table.of_key(KeyId{1})[1].key, key_of(config.limit_rules[2], "k1"));
  ASSERT_EQ(table.of_tenant(TenantId{1}).size(), 1u);
  EXPECT_EQ(table.of_tenant(TenantId{1})[0].key, key_of(config.limit_rules[1], "t"));
  ASSERT_EQ(table.of_gateway().size(), 1u);
  EXPECT_TRUE(table.of_model(ModelId{0}).empty());
  EXPECT_TRUE(table.has_key_models());
  EXPECT_NE(table.of_key_model(LimitId{1}, KeyId{1}, ModelId{0}).key,
            table.of_key_model(LimitId{1}, KeyId{0}, ModelId{0}).key);
}

}  // namespace
}  // namespace sluice::limit
