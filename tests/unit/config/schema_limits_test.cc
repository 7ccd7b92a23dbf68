// Sets of limits: what each amount and option becomes, and what is refused.
#include "schema_limits.h"

#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

// A key with these limits, in one line.
std::string with_limits(std::string_view limits, std::string_view more = "") {
  return "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}]\n"
         "models:\n  - {name: m, aliases: [alias], routes: [{upstream: up, price: {input: 1, "
         "output: 1}}]}\n  - {name: n, routes: [{upstream: up, price: {input: 1, output: 1}}]}\n"
         "keys:\n  - name: k\n    secret: 0123456789abcdef\n    " +
         std::string(limits) + "\n" + std::string(more);
}

std::vector<LimitRule> rules_of(std::string_view limits) {
  const auto snapshot = loaded(with_limits("limits: " + std::string(limits)));
  return snapshot ? snapshot->limit_rules : std::vector<LimitRule>();
}

std::string warnings_of(const std::string& text) {
  return lines_of(load_text(text, "x.yaml", FakeEnvironment()).warnings);
}

TEST(SchemaLimits, each_amount_is_a_rule_of_its_own) {
  const auto snapshot =
      loaded(with_limits("limits: {requests_per_minute: 60, tokens_per_day: 2M}"));
  ASSERT_TRUE(snapshot);
  LimitRule requests{.name = "keys/k/requests_per_minute",
                     .scope = LimitScope::kKey,
                     .measure = LimitMeasure::kRequests,
                     .most = 60,
                     .window = LimitWindow::kRolling,
                     .length = seconds(60)};
  LimitRule tokens{.name = "keys/k/tokens_per_day",
                   .scope = LimitScope::kKey,
                   .measure = LimitMeasure::kTokens,
                   .most = 2'000'000,
                   .window = LimitWindow::kRolling,
                   .length = seconds(86'400)};
  EXPECT_EQ(snapshot->limit_rules, (std::vector<LimitRule>{requests, tokens}));
  EXPECT_EQ(snapshot->keys[0].limits, (std::vector<LimitId>{LimitId{0}, LimitId{1}}));
}

TEST(SchemaLimits, every_amount_has_its_measure_and_window) {
  for (const Amount& amount : kAmounts) {
    const auto rules = rules_of("{" + std::string(amount.word) + ": 3}");
    ASSERT_EQ(rules.size(), 1u) << amount.word;
    const bool is_money = amount.measure == LimitMeasure::kMicroDollars;
    EXPECT_EQ(rules[0].name, "keys/k/" + std::string(amount.word));
    EXPECT_EQ(rules[0].measure, amount.measure) << amount.word;
    EXPECT_EQ(rules[0].window, amount.window) << amount.word;
    EXPECT_EQ(rules[0].length, amount.length) << amount.word;
    EXPECT_EQ(rules[0].most, is_money ? 3'000'000u : 3u) << amount.word;
    EXPECT_EQ(rules[0].on_loss, is_money ? OnLoss::kDeny : OnLoss::kShare) << amount.word;
    EXPECT_EQ(rules[0].is_soft, amount.word.starts_with("soft_")) << amount.word;
    EXPECT_EQ(rules[0].enforce, !rules[0].is_soft) << amount.word;
  }
}

TEST(SchemaLimits, options_hold_for_the_amounts_that_they_can_hold_for) {
  const auto rules = rules_of(
      "{requests_per_second: 9, input_tokens_per_minute: 8, output_tokens_per_minute: 7,\n"
      "      budget_total: 0.5, soft_budget_total: 0.25, burst: 3, reserve: p95, stop_streams: "
      "true,\n      on_loss: local}");
  ASSERT_EQ(rules.size(), 5u);
  EXPECT_EQ(rules[0].burst, 3u);
  EXPECT_FALSE(rules[0].stops_streams);
  EXPECT_EQ(rules[1].reserve, Reserve::kMax);  // The prompt is known.
  EXPECT_TRUE(rules[1].stops_streams);
  EXPECT_EQ(rules[2].reserve, Reserve::kP95);
  EXPECT_EQ(rules[2].burst, 0u);
  EXPECT_EQ(rules[3].most, 500'000u);
  EXPECT_TRUE(rules[3].stops_streams);
  EXPECT_FALSE(rules[4].stops_streams);
  for (const LimitRule& rule : rules) EXPECT_EQ(rule.on_loss, OnLoss::kLocal);
}

TEST(SchemaLimits, a_dry_run_neither_refuses_nor_stops) {
  const auto rules = rules_of("{tokens_per_day: 9, enforce: false, stop_streams: true}");
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_FALSE(rules[0].enforce);
  EXPECT_FALSE(rules[0].stops_streams);
}

TEST(SchemaLimits, amounts_have_bounds_and_take_k_and_m) {
  EXPECT_EQ(rules_of("{tokens_per_day: 20k}").at(0).most, 20'000u);
  EXPECT_EQ(rules_of("{tokens_per_day: 1099511627776}").at(0).most, LimitRule::kMostMax);
  EXPECT_EQ(rules_of("{budget_total: 0.000001}").at(0).most, 1u);
  EXPECT_EQ(rules_of("{budget_total: 1000000}").at(0).most, 1'000'000'000'000u);
  for (const char* amount :
       {"tokens_per_day: 0", "tokens_per_day: 1099511627777", "tokens_per_day: 99999999999M",
        "tokens_per_day: 1.5", "tokens_per_day: k", "tokens_per_day: 1K", "tokens_per_day: -1",
        "tokens_per_day: 1 k", "tokens_per_day: 010k", "concurrency: 1000001", "budget_total: 0",
        "budget_total: 0.0000001", "budget_total: 1000001", "budget_total: 1M", "burst: 0",
        "budget_total: -1", "enforce: maybe", "reserve: some", "on_loss: allow"}) {
    const std::string name(amount, std::string_view(amount).find(':'));
    EXPECT_TRUE(
        holds(errors_of(with_limits("limits: {requests_per_day: 1, " + std::string(amount) + "}")),
              "x.yaml:9: keys[0].limits." + name + " must be"))
        << amount;
  }
}

TEST(SchemaLimits, what_has_no_effect_is_refused) {
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {}")), "keys[0].limits has no amount; add one"));
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {enforce: true}")), "has no amount"));
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {tokens_per_day: 1, burst: 2}")),
                    "keys[0].limits.burst has no effect without an amount of requests; remove it"));
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {input_tokens_per_day: 1, reserve: max}")),
                    "keys[0].limits.reserve has no effect without"));
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {requests_per_day: 1, stop_streams: true}")),
                    "keys[0].limits.stop_streams has no effect without"));
  EXPECT_TRUE(holds(errors_of(with_limits("limits: {soft_budget_total: 1, stop_streams: true}")),
                    "keys[0].limits.stop_streams has no effect without"));
  EXPECT_TRUE(
      holds(errors_of(with_limits("limits: {rpm: 1}")), "keys[0].limits has an unknown key `rpm`"));
}

TEST(SchemaLimits, tokens_and_money_need_usage) {
  for (const char* amount : {"tokens_per_day", "input_tokens_per_minute", "budget_total"}) {
    EXPECT_TRUE(
        holds(errors_of(with_limits("limits: {" + std::string(amount) + ": 1}", "usage: off\n")),
              std::string(amount) + " needs token counts, which `usage: off` does without; write "
                                    "`usage: on`, or limit requests instead"));
  }
  EXPECT_TRUE(loaded(with_limits("limits: {concurrency: 1}", "usage: off\n")));
}

TEST(SchemaLimits, a_soft_budget_above_the_hard_one_is_warned_of) {
  EXPECT_TRUE(holds(warnings_of(with_limits("limits: {budget_per_day: 5, soft_budget_per_day: 6}")),
                    "keys[0].limits.soft_budget_per_day is above budget_per_day"));
  EXPECT_EQ(warnings_of(with_limits("limits: {budget_per_day: 5, soft_budget_per_week: 6}")), "");
  EXPECT_EQ(warnings_of(with_limits("limits: {budget_per_day: 5, soft_budget_per_day: 4}")), "");
}

TEST(SchemaLimits, on_loss_without_redis_is_warned_of_once) {
  const std::string text =
      with_limits("limits: {requests_per_day: 1, on_loss: deny}",
                  "rate_limits: [{name: a, per: ip, requests_per_day: 1, on_loss: deny}]\n");
  const LoadOutcome alone = load_text(text, "x.yaml", FakeEnvironment());
  ASSERT_EQ(alone.warnings.size(), 1u);
  EXPECT_TRUE(holds(to_string(alone.warnings[0]), "on_loss has no effect without `redis`"));
  EXPECT_EQ(warnings_of(text + "redis: {url: 'redis://localhost', gateways: 2}\n"), "");
}

TEST(SchemaLimits, d029_limits_of_one_model_hold_for_its_aliases) {
  const auto snapshot = loaded(with_limits(
      "model_limits: [{model: n, concurrency: 2}, {model: alias, requests_per_minute: 5, "
      "tokens_per_day: 6}]"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->keys[0].model_limits,
            (std::vector<ModelLimit>{
                {ModelId{0}, LimitId{0}}, {ModelId{0}, LimitId{1}}, {ModelId{1}, LimitId{2}}}));
  EXPECT_EQ(snapshot->limit_rules[0].name, "keys/k/m/requests_per_minute");
  EXPECT_EQ(snapshot->limit_rules[2].name, "keys/k/n/concurrency");
  EXPECT_EQ(snapshot->limit_rules[2].scope, LimitScope::kKeyModel);
  EXPECT_EQ(snapshot->limit_rules[2].window, LimitWindow::kNone);
}

TEST(SchemaLimits, limits_of_one_model_name_it_once_and_one_that_may_be_called) {
  EXPECT_TRUE(
      holds(errors_of(with_limits("model_limits: [{model: m, concurrency: 1}, {model: alias, "
                                  "concurrency: 2}]")),
            "keys[0].model_limits[1] names a model again"));
  EXPECT_TRUE(
      holds(errors_of(with_limits("models: [n]\n    model_limits: [{model: m, concurrency: 1}]")),
            "keys[0].model_limits[0] names a model that the key may not call"));
  EXPECT_TRUE(holds(errors_of(with_limits("model_limits: [{model: o, concurrency: 1}]")),
                    "keys[0].model_limits[0].model names the model `o`, which does not exist"));
  EXPECT_TRUE(holds(errors_of(with_limits("model_limits: [{model: m}]")),
                    "keys[0].model_limits[0] has no amount"));
}

TEST(SchemaLimits, concurrency_has_one_place) {
  const auto snapshot = loaded(with_limits("concurrency_max: 9"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->keys[0].concurrency_max, 9u);
  EXPECT_TRUE(holds(errors_of(with_limits("concurrency_max: 9\n    limits: {concurrency: 9}")),
                    "keys[0].concurrency_max stands beside `concurrency` of the key's limits"));
  EXPECT_TRUE(loaded(with_limits("concurrency_max: 9\n    limits: {requests_per_day: 9}")));
}

TEST(SchemaLimits, models_and_upstreams_have_limits) {
  const auto snapshot = loaded(
      "listen: 127.0.0.1:0\ndevelopment: true\n"
      "upstreams:\n  - {name: up, url: 'http://a', limits: {requests_per_second: 3}}\n"
      "  - {name: fleet, url: 'http://f', discover: {dns: f}, limits: {concurrency: 4}}\n"
      "models: [{name: a/b, routes: [{upstream: up}, {upstream: fleet}], max_output_tokens: 7,\n"
      "          limits: {tokens_per_minute: 5}}]\n",
      FakeEnvironment(), {{"fleet", {{"8.8.8.8", 1}, {"8.8.4.4", 2}}}});
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->models[0].max_output_tokens, 7u);
  EXPECT_EQ(snapshot->upstreams[0].limits, std::vector<LimitId>{LimitId{0}});
  EXPECT_EQ(snapshot->upstreams.at(1).limits, std::vector<LimitId>{LimitId{1}});
  EXPECT_EQ(snapshot->upstreams.at(2).limits, std::vector<LimitId>{LimitId{1}});
  EXPECT_EQ(snapshot->limit_rules.at(1).name, "upstreams/fleet/concurrency");
  EXPECT_EQ(snapshot->limit_rules[1].scope, LimitScope::kUpstream);
  EXPECT_EQ(snapshot->models[0].limits, std::vector<LimitId>{LimitId{2}});
  EXPECT_EQ(snapshot->limit_rules[2].name, "models/a/b/tokens_per_minute");
  EXPECT_EQ(snapshot->limit_rules[2].scope, LimitScope::kModel);
}

TEST(SchemaLimits, d101_budgets_warn_once_of_models_without_a_price) {
  const std::string models =
      "models: [{name: a, routes: [{upstream: up, price: {input: 0, output: 0}}]},\n"
      "         {name: b, routes: [{upstream: up}]}, {name: c, routes: [{upstream: up}]}]\n";
  const std::string base =
      "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}]\n" + models;
  const std::string key = "keys: [{name: k, secret: 0123456789abcdef, limits: ";
  EXPECT_EQ(warnings_of(base + key + "{budget_per_day: 1}}]\n"),
            "x.yaml:4: models[1] `b` has a route without a price, as 2 models have: budgets do not "
            "count it; add a `price` to its routes, or the model to the file of `prices`\n");
  EXPECT_EQ(warnings_of(base + key + "{tokens_per_day: 1}}]\n"), "");
}

}  // namespace
}  // namespace sluice::config
