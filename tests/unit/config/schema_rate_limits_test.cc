// Limits that hold for many, tenants above one another, and the bound of all together.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

using Ids = std::vector<LimitId>;

// Two of each kind; then more of the file.
std::string with_two_of_each(std::string_view more) {
  return "listen: 127.0.0.1:0\n"
         "upstreams: [{name: up, url: 'http://a'}, {name: other, url: 'http://b'}]\n"
         "models: [{name: m, aliases: [alias], routes: [{upstream: up}, {upstream: other}]},\n"
         "         {name: n, routes: [{upstream: up}]}]\n"
         "keys: [{name: k, secret: 0123456789abcdef, tenant: t},\n"
         "       {name: l, secret: 0123456789abcdeg, models: [m]}]\n" +
         std::string(more);
}

std::string item(std::string_view fields) {
  return with_two_of_each("rate_limits: [{name: r, requests_per_minute: 5, " + std::string(fields) +
                          "}]\n");
}

TEST(SchemaRateLimits, one_rule_is_shared_by_all_that_it_holds_for) {
  const auto snapshot = loaded(item("per: key, concurrency: 2"));
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->limit_rules.size(), 2u);
  EXPECT_EQ(snapshot->limit_rules[0].name, "r/requests_per_minute");
  EXPECT_EQ(snapshot->limit_rules[1].name, "r/concurrency");
  for (const Key& key : snapshot->keys) EXPECT_EQ(key.limits, (Ids{LimitId{0}, LimitId{1}}));
}

TEST(SchemaRateLimits, each_scope_has_its_subjects) {
  const Ids one = {LimitId{0}};
  auto snapshot = loaded(item("per: gateway"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->gateway_limits, one);
  EXPECT_EQ(snapshot->limit_rules[0].scope, LimitScope::kGateway);
  snapshot = loaded(item("per: ip"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->ip_limits, one);
  EXPECT_TRUE(snapshot->gateway_limits.empty());
  snapshot = loaded(item("per: tenant"));
  ASSERT_TRUE(snapshot && snapshot->tenants.size() == 2);
  EXPECT_EQ(snapshot->tenants[0].limits, one);
  EXPECT_EQ(snapshot->tenants[1].limits, one);
  snapshot = loaded(item("per: model"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->models[0].limits, one);
  EXPECT_EQ(snapshot->models[1].limits, one);
  snapshot = loaded(item("per: upstream"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->upstreams[0].limits, one);
  EXPECT_EQ(snapshot->upstreams[1].limits, one);
  snapshot = loaded(item("per: key_model"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->keys[1].model_limits, (std::vector<ModelLimit>{{ModelId{}, LimitId{0}}}));
  EXPECT_TRUE(snapshot->keys[1].limits.empty());
}

TEST(SchemaRateLimits, only_names_some_of_them) {
  const Ids one = {LimitId{0}};
  auto snapshot = loaded(item("per: key, only: [l]"));
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->keys[0].limits.empty());
  EXPECT_EQ(snapshot->keys[1].limits, one);
  snapshot = loaded(item("per: tenant, only: [t]"));
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->tenants[0].limits.empty());
  EXPECT_EQ(snapshot->tenants[1].limits, one);
  snapshot = loaded(item("per: upstream, only: [other]"));
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->upstreams[0].limits.empty());
  EXPECT_EQ(snapshot->upstreams[1].limits, one);
  snapshot = loaded(item("per: model, only: [alias]"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->models[0].limits, one);
  EXPECT_TRUE(snapshot->models[1].limits.empty());
  // The second key may not call n.
  snapshot = loaded(item("per: key_model, only: [n, alias]"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->keys[0].model_limits,
            (std::vector<ModelLimit>{{ModelId{0}, LimitId{0}}, {ModelId{1}, LimitId{0}}}));
  EXPECT_EQ(snapshot->keys[1].model_limits, (std::vector<ModelLimit>{{ModelId{0}, LimitId{0}}}));
}

TEST(SchemaRateLimits, a_discovered_upstream_stands_for_all_its_servers) {
  const auto snapshot = loaded(
      "listen: 127.0.0.1:0\ndevelopment: true\n"
      "upstreams: [{name: fleet, url: 'http://f', discover: {dns: f}}]\n"
      "models: [{name: m, routes: [{upstream: fleet}]}]\n"
      "rate_limits: [{name: r, per: upstream, only: [fleet], concurrency: 1}]\n",
      FakeEnvironment(), {{"fleet", {{"8.8.8.8", 1}, {"8.8.4.4", 2}}}});
  ASSERT_TRUE(snapshot && snapshot->upstreams.size() == 2);
  EXPECT_EQ(snapshot->upstreams[0].limits, Ids{LimitId{0}});
  EXPECT_EQ(snapshot->upstreams[1].limits, Ids{LimitId{0}});
}

TEST(SchemaRateLimits, what_is_wrong_says_so) {
  EXPECT_TRUE(
      holds(errors_of(item("per: user")), "rate_limits[0].per must be one of: gateway, ip"));
  EXPECT_TRUE(holds(errors_of(item("only: [k]")), "rate_limits[0].per is missing"));
  EXPECT_TRUE(holds(errors_of(item("per: ip, only: [k]")),
                    "rate_limits[0].only has no effect with this `per`"));
  EXPECT_TRUE(holds(errors_of(item("per: key, only: []")), "only is an empty list"));
  EXPECT_TRUE(holds(errors_of(item("per: key, only: [x1]")),
                    "x.yaml:7: rate_limits[0].only names the key `x1`, which does not exist"));
  EXPECT_TRUE(holds(errors_of(item("per: tenant, only: [tt]")),
                    "names the tenant `tt`, which does not exist (did you mean `t`?)"));
  EXPECT_TRUE(holds(errors_of(item("per: model, only: [m, alias]")), "names a model twice"));
  EXPECT_TRUE(holds(errors_of(with_two_of_each("rate_limits: [{name: r, per: ip}]\n")),
                    "rate_limits[0] has no amount"));
  EXPECT_TRUE(
      holds(errors_of(with_two_of_each("rate_limits:\n  - {name: r, per: ip, concurrency: 1}\n"
                                       "  - {name: r, per: key, concurrency: 1}\n")),
            "x.yaml:9: rate_limits[1] has the name `r` of the item in line 8"));
  EXPECT_TRUE(
      holds(errors_of(with_two_of_each("rate_limits: []\n")), "rate_limits is an empty list"));
}

TEST(SchemaRateLimits, what_one_request_can_match_is_bounded) {
  // Of the gateway and of the key together.
  const auto limits = [](int count) {
    std::string text = "rate_limits:\n  - {name: g, per: gateway, concurrency: 1}\n";
    for (int i = 1; i < count; ++i) {
      text += "  - {name: r" + std::to_string(i) + ", per: key, concurrency: 1}\n";
    }
    return with_two_of_each(text);
  };
  EXPECT_TRUE(loaded(limits(32)));
  EXPECT_EQ(
      errors_of(limits(33)),
      "x.yaml:5: keys[0] can match 33 limits, more than 32: its own, those of its tenants, of "
      "a model, an upstream and of all; remove some, or let fewer of them hold for it with "
      "`only`\n");
}

TEST(SchemaRateLimits, the_bound_counts_every_scope) {
  std::string text;
  for (int i = 0; i < 31; ++i) {
    text += "  - {name: r" + std::to_string(i) + ", per: ip, concurrency: 1}\n";
  }
  for (const char* per : {"gateway", "ip", "key", "tenant", "model", "key_model", "upstream"}) {
    const std::string last = "  - {name: x, per: " + std::string(per) + ", concurrency: 1";
    EXPECT_TRUE(loaded(with_two_of_each("rate_limits:\n" + text + last + "}\n"))) << per;
    EXPECT_TRUE(holds(
        errors_of(with_two_of_each("rate_limits:\n" + text + last + ", requests_per_day: 1}\n")),
        "can match 33 limits"))
        << per;
  }
}

TEST(SchemaTenants, they_have_limits_and_others_above_them) {
  const auto snapshot = loaded(with_two_of_each(
      "tenants:\n  - {name: t, parent: top, limits: {concurrency: 3}}\n  - {name: top}\n"
      "  - {name: default, parent: top, limits: {tokens_per_day: 4}}\n"));
  ASSERT_TRUE(snapshot && snapshot->tenants.size() == 3);
  EXPECT_EQ(snapshot->tenants[0].name, "default");
  EXPECT_EQ(snapshot->tenants[0].parent, TenantId{2});
  EXPECT_EQ(snapshot->tenants[0].limits, Ids{LimitId{1}});
  EXPECT_EQ(snapshot->tenants[1].name, "t");
  EXPECT_EQ(snapshot->tenants[1].parent, TenantId{2});
  EXPECT_EQ(snapshot->tenants[2].name, "top");
  EXPECT_FALSE(snapshot->tenants[2].parent.is_valid());
  EXPECT_EQ(snapshot->limit_rules[0].name, "tenants/t/concurrency");
  EXPECT_EQ(snapshot->limit_rules[0].scope, LimitScope::kTenant);
  EXPECT_EQ(snapshot->keys[0].tenant, TenantId{1});
  EXPECT_EQ(snapshot->keys[1].tenant, TenantId{0});
}

TEST(SchemaTenants, one_that_no_list_has_is_made_as_before) {
  const auto snapshot = loaded(with_two_of_each("tenants: [{name: listed}]\n"));
  ASSERT_TRUE(snapshot && snapshot->tenants.size() == 3);
  EXPECT_EQ(snapshot->tenants[snapshot->keys[0].tenant.value].name, "t");
}

TEST(SchemaTenants, circles_and_long_chains_are_refused) {
  EXPECT_EQ(
      errors_of(with_two_of_each("tenants:\n  - {name: a, parent: b}\n  - {name: b, parent: a}\n")),
      "x.yaml:8: tenants[0].parent leads back to the tenant: a -> b -> a; remove one of "
      "these steps\n"
      "x.yaml:9: tenants[1].parent leads back to the tenant: b -> a -> b; remove one of "
      "these steps\n");
  EXPECT_TRUE(holds(errors_of(with_two_of_each("tenants:\n  - {name: a, parent: a}\n")),
                    "tenants[0].parent leads back to the tenant"));
  EXPECT_TRUE(
      holds(errors_of(with_two_of_each("tenants: [{name: a, parent: b}, {name: b, parent: c}, "
                                       "{name: c, parent: b}]\n")),
            "tenants[0].parent has more than 4 tenants above one another"));
  const std::string four =
      "tenants: [{name: a, parent: b}, {name: b, parent: c}, "
      "{name: c, parent: d}, {name: d";
  EXPECT_TRUE(loaded(with_two_of_each(four + "}]\n")));
  EXPECT_EQ(errors_of(with_two_of_each(four + ", parent: e}, {name: e}]\n")),
            "x.yaml:7: tenants[0].parent has more than 4 tenants above one another: a -> b -> c -> "
            "d -> e; leave out a level\n");
}

TEST(SchemaTenants, names_are_unique_and_parents_are_listed) {
  EXPECT_TRUE(holds(errors_of(with_two_of_each("tenants:\n  - {name: a}\n  - {name: a}\n")),
                    "x.yaml:9: tenants[1] has the name `a` of the tenant in line 8"));
  EXPECT_TRUE(holds(errors_of(with_two_of_each("tenants: [{name: a, parent: t}]\n")),
                    "tenants[0].parent names the tenant `t`, which does not exist"));
  EXPECT_TRUE(
      holds(errors_of(with_two_of_each("tenants: [{parent: a}]\n")), "tenants[0].name is missing"));
  EXPECT_TRUE(holds(errors_of(with_two_of_each("tenants: [{name: a, limits: {}}]\n")),
                    "tenants[0].limits has no amount"));
}

TEST(SchemaTenants, their_limits_count_into_the_bound_along_the_chain) {
  std::string text =
      "tenants:\n  - {name: t, parent: a, limits: {concurrency: 1}}\n"
      "  - {name: a, parent: b, limits: {concurrency: 1}}\n"
      "  - {name: b, limits: {concurrency: 1}}\nrate_limits:\n";
  for (int i = 0; i < 29; ++i) {
    text += "  - {name: r" + std::to_string(i) + ", per: ip, concurrency: 1}\n";
  }
  EXPECT_TRUE(loaded(with_two_of_each(text)));
  EXPECT_TRUE(holds(errors_of(with_two_of_each(text + "  - {name: x, per: ip, concurrency: 1}\n")),
                    "keys[0] can match 33 limits"));
}

TEST(SchemaRateLimits, rules_without_only_hold_for_keys_that_the_file_does_not_name) {
  const auto snapshot = loaded(
      "listen: 127.0.0.1:0\ndevelopment: true\nupstreams: [{name: up, url: 'http://a'}]\n"
      "models: [{name: m, routes: [{upstream: up}]}, {name: n, routes: [{upstream: up}]}]\n"
      "tenants: [{name: t}]\nrate_limits:\n"
      "  - {name: a, per: key, requests_per_minute: 1, tokens_per_day: 2}\n"
      "  - {name: b, per: tenant, requests_per_minute: 3}\n"
      "  - {name: c, per: tenant, only: [t], requests_per_minute: 4}\n"
      "  - {name: d, per: key_model, requests_per_minute: 5}\n"
      "  - {name: e, per: key_model, only: [n], requests_per_minute: 6}\n");
  const auto names = [&](const auto& ids) {
    std::string text;
    for (const LimitId id : ids) text += snapshot->limit_rules[id.value].name + ' ';
    return text;
  };
  EXPECT_EQ(names(snapshot->every_key_limits), "a/requests_per_minute a/tokens_per_day ");
  EXPECT_EQ(names(snapshot->every_tenant_limits), "b/requests_per_minute ");
  ASSERT_EQ(snapshot->every_key_model_limits.size(), 2u);
  EXPECT_EQ(snapshot->every_key_model_limits[0].model, ModelId{1});
  EXPECT_FALSE(snapshot->every_key_model_limits[1].model.is_valid());
}

}  // namespace
}  // namespace sluice::config
