// What a model's item of the file becomes: names, strategy, fallbacks, clocks.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

TEST(ModelSettings, absent_sections_are_the_defaults) {
  const auto snapshot = loaded(with_models("  - {name: m, routes: [{upstream: up}]}\n"));
  ASSERT_TRUE(snapshot);
  const Model& model = snapshot->models[0];
  EXPECT_EQ(model.strategy, StrategyKind::kPowerOfTwo);
  EXPECT_EQ(model.retries, RetrySettings());
  EXPECT_EQ(model.queue, QueueSettings());
  EXPECT_FALSE(model.hedge);
  EXPECT_EQ(model.recovery, RecoverySettings());
  EXPECT_EQ(model.ping, Duration::zero());
  EXPECT_EQ(model.concurrency_max, 0u);
  EXPECT_TRUE(model.fallbacks.empty());
  EXPECT_FALSE(snapshot->outliers);
  EXPECT_EQ(snapshot->timeout_header_max, Duration::zero());
  EXPECT_EQ(snapshot->limits.concurrency_max, 0u);
}

TEST(ModelSettings, every_section_arrives_as_written) {
  const auto snapshot = loaded(with_models(
      "  - name: m\n    strategy: affinity\n"
      "    affinity: {header: X-Chat, prompt_bytes: 9, load_factor: 2, client_address: on}\n"
      "    routes: [{upstream: up}]\n    concurrency_max: 5\n"
      "    queue: {length_max: 6, wait_max: 7s}\n"
      "    hedge: {quantile: 99.9%, after_min: 8ms, budget: 9%}\n"
      "    recovery: {mode: append, bytes_max: 2KiB}\n    ping: 10s\n"
      "  - {name: n, routes: [{upstream: up}], queue: off, hedge: off, recovery: retry, ping: "
      "off}\n",
      "outliers: {interval: 1s, requests_min: 2, ratio_above: 3%, eject_for: 4s, share_max: 50%}\n"
      "timeout_header_max: 1m\nlimits: {concurrency_max: 70}\n"));
  ASSERT_TRUE(snapshot);
  const Model& model = snapshot->models[0];
  EXPECT_EQ(model.strategy, StrategyKind::kAffinity);
  EXPECT_EQ(model.affinity, (Affinity{"x-chat", 9, 2, true}));
  EXPECT_EQ(model.concurrency_max, 5u);
  EXPECT_EQ(model.queue, (QueueSettings{6, seconds(7)}));
  EXPECT_DOUBLE_EQ(model.hedge.value().quantile, 0.999);
  EXPECT_EQ(model.hedge->after_min, milliseconds(8));
  EXPECT_DOUBLE_EQ(model.hedge->budget, 0.09);
  EXPECT_EQ(model.recovery, (RecoverySettings{RecoveryMode::kAppend, 2048}));
  EXPECT_EQ(model.ping, seconds(10));
  EXPECT_EQ(snapshot->models[1].queue.length_max, 0u);
  EXPECT_FALSE(snapshot->models[1].hedge);
  EXPECT_EQ(snapshot->models[1].recovery.mode, RecoveryMode::kRetry);
  EXPECT_EQ(snapshot->outliers, (OutlierSettings{seconds(1), 2, 0.03, seconds(4), 0.5}));
  EXPECT_EQ(snapshot->timeout_header_max, seconds(60));
  EXPECT_EQ(snapshot->limits.concurrency_max, 70u);
}

TEST(ModelSettings, every_strategy_has_its_word) {
  constexpr std::array<std::pair<const char*, StrategyKind>, 9> kWords = {
      {{"power_of_two", StrategyKind::kPowerOfTwo},
       {"round_robin", StrategyKind::kRoundRobin},
       {"weighted", StrategyKind::kWeighted},
       {"random", StrategyKind::kRandom},
       {"least_busy", StrategyKind::kLeastBusy},
       {"lowest_latency", StrategyKind::kLowestLatency},
       {"lowest_usage", StrategyKind::kLowestUsage},
       {"affinity", StrategyKind::kAffinity},
       {"failover", StrategyKind::kFailover}}};
  for (const auto& [word, kind] : kWords) {
    const auto snapshot = loaded(with_models(
        "  - {name: m, routes: [{upstream: up}], strategy: " + std::string(word) + "}\n"));
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(snapshot->models[0].strategy, kind) << word;
  }
  EXPECT_TRUE(holds(errors_of(with_models("  - {name: m, strategy: least_bussy}\n")),
                    "did you mean `least_busy`?"));
}

TEST(ModelSettings, lowest_cost_needs_the_price_of_every_route) {
  EXPECT_TRUE(holds(errors_of(with_models("  - name: m\n    strategy: lowest_cost\n    routes:\n"
                                          "      - {upstream: up, price: {input: 0, output: 0}}\n"
                                          "      - {upstream: other}\n")),
                    "x.yaml:10: models[0].routes[1].price is missing: `strategy: lowest_cost`"));
}

TEST(ModelSettings, retries_begin_with_those_of_the_whole_file) {
  const auto snapshot = loaded(
      with_models("  - {name: m, routes: [{upstream: up}]}\n"
                  "  - {name: n, routes: [{upstream: up}], retries: {budget: 50%, backoff: 2ms}}\n",
                  "retries: {backoff: 1ms, backoff_max: 9ms, budget: 10%, budget_min: 3}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->models[0].retries, (RetrySettings{milliseconds(1), milliseconds(9), 0.1, 3}));
  EXPECT_EQ(snapshot->models[1].retries, (RetrySettings{milliseconds(2), milliseconds(9), 0.5, 3}));
}

TEST(ModelSettings, d044_a_clock_is_the_routes_else_the_models_else_the_upstreams) {
  const auto snapshot = loaded(with_models(
      "  - name: m\n    timeouts: {connect: 1s, first_token: 2s, total: 3s}\n    routes:\n"
      "      - {upstream: up, timeouts: {first_token: off, response: 4s}}\n"
      "      - {upstream: other}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->models[0].routes[0].timeouts,
            (UpstreamTimeouts{seconds(1), seconds(4), Duration::zero(), seconds(7), seconds(3)}));
  EXPECT_EQ(snapshot->models[0].routes[1].timeouts,
            (UpstreamTimeouts{seconds(1), seconds(600), seconds(2), seconds(120), seconds(3)}));
}

TEST(ModelNames, d029_an_alias_is_the_model_itself) {
  const auto snapshot = loaded(with_models(
      "  - {name: gpt-4, aliases: [openai/gpt-4, four], routes: [{upstream: up, model: x}]}\n"
      "  - {name: n, routes: [{upstream: up}]}\n",
      "keys: [{name: k, secret: 0123456789abcdef, models: [four]},\n"
      "       {name: l, secret: 0123456789abcdeg, models: [gpt-4]}]\n"));
  ASSERT_TRUE(snapshot);
  for (const char* name : {"gpt-4", "openai/gpt-4", "four"}) {
    EXPECT_EQ(snapshot->find_model(name), ModelId{0}) << name;
  }
  for (const char* name : {"GPT-4", " gpt-4", "gpt-4 ", "x/gpt-4", "x", "gpt-", ""}) {
    EXPECT_FALSE(snapshot->find_model(name).is_valid()) << name;
  }
  EXPECT_EQ(snapshot->keys[0].models, snapshot->keys[1].models);
  EXPECT_FALSE(snapshot->keys[0].allows(snapshot->find_model("n")));
}

TEST(ModelNames, a_name_leads_to_one_model_only) {
  const std::string first = "  - {name: a, aliases: [b], routes: [{upstream: up}]}\n";
  EXPECT_TRUE(holds(errors_of(with_models(first + "  - {name: b, routes: [{upstream: up}]}\n")),
                    "x.yaml:7: models[1] has the name `b` of the model in line 6"));
  EXPECT_TRUE(holds(
      errors_of(with_models(first + "  - {name: c, aliases: [a], routes: [{upstream: up}]}\n")),
      "x.yaml:7: models[1].aliases have `a`, which line 6 names a model already"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, aliases: [a], routes: [{upstream: up}]}\n")),
            "models[0].aliases have `a`"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, aliases: [b, b], routes: [{upstream: up}]}\n")),
            "models[0].aliases have `b`"));
  EXPECT_TRUE(holds(errors_of(with_models(first,
                                          "keys: [{name: k, secret: 0123456789abcdef, "
                                          "models: [a, b]}]\n")),
                    "keys[0].models names a model twice"));
}

TEST(ModelNames, d029_the_exact_name_goes_before_a_pattern_and_the_longest_pattern_first) {
  const auto snapshot =
      loaded(with_models("  - {name: '*', routes: [{upstream: up}]}\n"
                         "  - {name: gpt-*, routes: [{upstream: up, model: 'openai/*'}]}\n"
                         "  - {name: gpt-4*, routes: [{upstream: up}]}\n"
                         "  - {name: '*-mini', routes: [{upstream: up, model: fixed}]}\n"
                         "  - {name: gpt-*-x, routes: [{upstream: up}]}\n"
                         "  - {name: gpt-4o, aliases: [gpt-9], routes: [{upstream: up}]}\n",
                         "keys: [{name: k, secret: 0123456789abcdef, models: [gpt-*]}]\n"));
  ASSERT_TRUE(snapshot);
  const auto found = [&](std::string_view name) {
    const ModelId id = snapshot->find_model(name);
    return id.is_valid() ? snapshot->model(id).name : "none";
  };
  EXPECT_EQ(found("gpt-4o"), "gpt-4o");
  EXPECT_EQ(found("gpt-9"), "gpt-4o");
  EXPECT_EQ(found("gpt-4o1"), "gpt-4*");
  EXPECT_EQ(found("gpt-4"), "gpt-*");  // `*` stands for something.
  EXPECT_EQ(found("gpt-"), "*");
  EXPECT_EQ(found("gpt-3-x"), "gpt-*-x");
  EXPECT_EQ(found("gpt--x"), "gpt-*");
  EXPECT_EQ(found("gpt-3-mini"), "*-mini");  // One longer than `gpt-*`.
  EXPECT_EQ(found("claude"), "*");
  EXPECT_EQ(found(""), "none");
  EXPECT_EQ(snapshot->models[1].routes[0].model, "openai/*");
  EXPECT_EQ(snapshot->models[2].routes[0].model, "gpt-4*");
  EXPECT_TRUE(snapshot->keys[0].allows(snapshot->find_model("gpt-1")));
  EXPECT_FALSE(snapshot->keys[0].allows(snapshot->find_model("gpt-4o")));
}

TEST(ModelNames, patterns_of_equal_length_keep_the_order_of_the_file) {
  const auto snapshot =
      loaded(with_models("  - {name: 'a*', routes: [{upstream: up}]}\n"
                         "  - {name: '*b', routes: [{upstream: up}]}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->find_model("aXb"), ModelId{0});
  EXPECT_EQ(snapshot->find_model("Xb"), ModelId{1});
}

TEST(ModelNames, the_number_of_patterns_is_bounded) {
  const auto errors = [](int count) {
    std::string models;
    for (int i = 0; i < count; ++i) {
      models += "  - {name: m" + std::to_string(i) + "*, routes: [{upstream: up}]}\n";
    }
    return errors_of(with_models(models));
  };
  EXPECT_EQ(errors(1000), "");
  EXPECT_TRUE(holds(errors(1001), "models[1000] is one of more than 1000 models with a `*`"));
}

TEST(ModelNames, patterns_have_one_star_and_no_aliases) {
  EXPECT_TRUE(holds(errors_of(with_models("  - {name: a**, routes: [{upstream: up}]}\n")),
                    "models[0].name has more than one `*`"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, aliases: ['b*'], routes: [{upstream: up}]}\n")),
            "models[0].aliases[0] belongs to a model with a `*`, or has one itself"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a*, aliases: [b], routes: [{upstream: up}]}\n")),
            "models[0].aliases[0] belongs to a model with a `*`"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, routes: [{upstream: up, model: 'x*'}]}\n")),
            "models[0].routes[0].model has a `*` that stands for nothing"));
  EXPECT_TRUE(holds(errors_of(with_models("  - {name: a*, routes: [{upstream: up}]}\n"
                                          "  - {name: a*, routes: [{upstream: up}]}\n")),
                    "models[1] has the name `a*` of the model in line 6"));
}

// "b c" for each model: the names that it falls back to.
std::string fallbacks_of(const Snapshot& snapshot, std::string_view name) {
  std::string names;
  for (const ModelId id : snapshot.model(snapshot.find_model(name)).fallbacks) {
    names += (names.empty() ? "" : " ") + snapshot.model(id).name;
  }
  return names;
}

TEST(Fallbacks, are_followed_by_their_own_and_named_once) {
  const auto snapshot =
      loaded(with_models("  - {name: a, routes: [{upstream: up}], fallbacks: [b, c]}\n"
                         "  - {name: b, routes: [{upstream: up}], fallbacks: [d]}\n"
                         "  - {name: c, routes: [{upstream: up}], fallbacks: [d, e]}\n"
                         "  - {name: d, aliases: [dd], routes: [{upstream: up}]}\n"
                         "  - {name: e, routes: [{upstream: up}], fallbacks: [dd]}\n"
                         "  - {name: x*, routes: [{upstream: up}], fallbacks: [y*]}\n"
                         "  - {name: y*, routes: [{upstream: up}], fallbacks: [b]}\n"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(fallbacks_of(*snapshot, "a"), "b d c e");
  EXPECT_EQ(fallbacks_of(*snapshot, "b"), "d");
  EXPECT_EQ(fallbacks_of(*snapshot, "c"), "d e");
  EXPECT_EQ(fallbacks_of(*snapshot, "d"), "");
  EXPECT_EQ(fallbacks_of(*snapshot, "e"), "d");
  EXPECT_EQ(fallbacks_of(*snapshot, "x1"), "y* b d");
}

TEST(Fallbacks, a_circle_is_named) {
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, routes: [{upstream: up}], fallbacks: [b]}\n"
                                  "  - {name: b, routes: [{upstream: up}], fallbacks: [c]}\n"
                                  "  - {name: c, routes: [{upstream: up}],\n"
                                  "     fallbacks: [b]}\n")),
            "x.yaml:7: models[1].fallbacks lead back to the model: b -> c -> b; remove"));
  EXPECT_TRUE(holds(errors_of(with_models("  - {name: a, aliases: [b], routes: [{upstream: up}],\n"
                                          "     fallbacks: [b]}\n")),
                    "x.yaml:7: models[0].fallbacks lead back to the model: a -> a"));
}

TEST(Fallbacks, lead_to_models_that_exist_and_know_their_name) {
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: large, routes: [{upstream: up}], fallbacks: [smal]}\n"
                                  "  - {name: small, routes: [{upstream: up}]}\n")),
            "models[0].fallbacks[0] names the model `smal`, which does not exist (did you "
            "mean `small`?)"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, routes: [{upstream: up}], fallbacks: [b*]}\n"
                                  "  - {name: b*, routes: [{upstream: up}]}\n")),
            "models[0].fallbacks[0] has a `*` that stands for nothing"));
  EXPECT_TRUE(
      holds(errors_of(with_models("  - {name: a, routes: [{upstream: up}], fallbacks: [b, b]}\n"
                                  "  - {name: b, routes: [{upstream: up}]}\n")),
            "models[0].fallbacks[1] repeats a model"));
}

TEST(Fallbacks, a_long_chain_is_refused_and_not_followed_by_recursion) {
  std::string models;
  constexpr int kModels = 20'000;
  for (int i = 0; i < kModels; ++i) {
    models += "  - {name: m" + std::to_string(i) + ", routes: [{upstream: up}]";
    if (i + 1 < kModels) models += ", fallbacks: [m" + std::to_string(i + 1) + "]";
    models += "}\n";
  }
  const LoadOutcome outcome = load_text(with_models(models), "x.yaml", FakeEnvironment());
  ASSERT_FALSE(outcome.errors.empty());
  EXPECT_TRUE(holds(to_string(outcome.errors[0]), "models[0].fallbacks lead to more than 32"));
}

TEST(KeySettings, weight_counts_and_concurrency_is_bounded) {
  const LoadOutcome outcome = load_text(
      with_models("  - {name: m, routes: [{upstream: up}, {upstream: other}]}\n",
                  "keys: [{name: k, secret: 0123456789abcdef, weight: 4, concurrency_max: 9}]\n"),
      "x.yaml", FakeEnvironment());
  ASSERT_TRUE(outcome.snapshot);
  EXPECT_EQ(lines_of(outcome.warnings), "");
  EXPECT_EQ(outcome.snapshot->keys[0].weight, 4u);
  EXPECT_EQ(outcome.snapshot->keys[0].concurrency_max, 9u);
}

}  // namespace
}  // namespace sluice::config
