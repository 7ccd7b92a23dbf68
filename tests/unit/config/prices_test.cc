#include "prices.h"

#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

// `item` of the model's routes; prices come from p.json beside the file.
std::string with_route(std::string_view route, std::string_view model = "name: m") {
  return "listen: 127.0.0.1:0\ndevelopment: true\nprices: p.json\n"
         "upstreams: [{name: openai, url: 'http://a'}, {name: other, url: 'http://b'}]\n"
         "models: [{" +
         std::string(model) + ", routes: [{" + std::string(route) + "}]}]\n";
}

FakeEnvironment with_prices(const std::string& text) {
  FakeEnvironment fake;
  fake.files["/etc/sluice/p.json"] = {text, true};
  return fake;
}

LoadOutcome load(const std::string& text, const std::string& prices) {
  return load_text(text, "/etc/sluice/x.yaml", with_prices(prices));
}

double input_price(std::string_view route, const std::string& prices,
                   std::string_view model = "name: m") {
  const LoadOutcome outcome = load(with_route(route, model), prices);
  EXPECT_EQ(lines_of(outcome.errors), "");
  if (!outcome.snapshot) return -1;
  const auto& price = outcome.snapshot->models[0].routes[0].price;
  return price ? price->input_per_million : -1;
}

TEST(Prices, the_most_specific_name_wins) {
  const std::string all =
      R"({"openai/up-m": {"input": 1, "output": 9}, "up-m": {"input":2,"output":9},)"
      R"( "m": {"input": 3, "output": 9}})";
  EXPECT_EQ(input_price("upstream: openai, model: up-m", all), 1);
  EXPECT_EQ(input_price("upstream: other, model: up-m", all), 2);
  EXPECT_EQ(input_price("upstream: other, model: x", all), 3);
  EXPECT_EQ(input_price("upstream: other", all), 3);
  EXPECT_EQ(input_price("upstream: other, model: x", all, "name: y"), -1);
  EXPECT_EQ(input_price("upstream: openai, model: up-m, price: {input: 7, output: 7}", all), 7);
  EXPECT_EQ(input_price("upstream: openai, model: '*'", R"({"openai/*": {"input":5,"output":5}})",
                        "name: 'c/*'"),
            5);
}

TEST(Prices, have_parts) {
  const LoadOutcome outcome = load(
      with_route("upstream: other"),
      "{\n\t\"m\": {\"input\": 2.5, \"output\": 10, \"cached\": 1.25, \"reasoning\": 11}\n}\n");
  ASSERT_TRUE(outcome.snapshot) << lines_of(outcome.errors);
  const Price price = outcome.snapshot->models[0].routes[0].price.value();
  EXPECT_EQ(price.input_per_million, 2.5);
  EXPECT_EQ(price.output_per_million, 10);
  EXPECT_EQ(price.cached_per_million, 1.25);
  EXPECT_EQ(price.reasoning_per_million, 11);
  const auto own = loaded(with_models(
      "  - {name: m, routes: [{upstream: up, price: {input: 1, output: 2, cached: 0}}]}\n"));
  ASSERT_TRUE(own);
  EXPECT_EQ(own->models[0].routes[0].price.value().cached_per_million, 0);
  EXPECT_FALSE(own->models[0].routes[0].price->reasoning_per_million);
}

TEST(Prices, satisfy_a_strategy_that_needs_them) {
  const std::string text = with_route("upstream: other", "name: m, strategy: lowest_cost");
  EXPECT_TRUE(load(text, R"({"m": {"input": 1, "output": 1}})").snapshot);
  EXPECT_TRUE(holds(lines_of(load(text, R"({"n": {"input": 1, "output": 1}})").errors),
                    "models[0].routes[0].price is missing"));
}

TEST(Prices, a_file_that_cannot_be_read_is_an_error_of_the_key) {
  EXPECT_EQ(
      lines_of(load_text(with_route("upstream: other"), "/else/x.yaml", FakeEnvironment()).errors),
      "/else/x.yaml:3: prices names the file /else/p.json, which cannot be read: No such "
      "file or directory; create the file, let this user read it, or remove the key\n");
}

TEST(Prices, a_fault_in_the_file_has_its_own_place) {
  const auto errors = [](const std::string& prices) {
    return lines_of(load(with_route("upstream: other"), prices).errors);
  };
  EXPECT_EQ(
      errors("{\"m\": {\"input\": 1},\n\"n\": {\"input\": -1, \"output\": 2}}"),
      "/etc/sluice/p.json:1: prices.m.output is missing; add a line `output:` with its value\n"
      "/etc/sluice/p.json:2: prices.n.input must be a decimal number of 0 or more; write it "
      "as 0.15\n");
  EXPECT_TRUE(holds(errors("[]"), "/etc/sluice/p.json:1: prices must be a mapping"));
  EXPECT_TRUE(holds(errors("{"), "/etc/sluice/p.json:"));
  EXPECT_TRUE(holds(errors(""), "/etc/sluice/p.json: the file is empty"));
  EXPECT_TRUE(holds(errors("{m: 3}"), "prices.m must be a mapping"));
  EXPECT_TRUE(holds(errors("{m: {input: 1, output: 1, rate: 2}}"), "an unknown key `rate`"));
  EXPECT_TRUE(holds(errors("{m: {input: 1, output: 1}, m: {input: 2, output: 2}}"),
                    "the key `m` stands in line 1 already"));
  EXPECT_TRUE(load(with_route("upstream: other"), "{}").snapshot);
}

}  // namespace
}  // namespace sluice::config
