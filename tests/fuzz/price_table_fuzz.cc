// A table of prices gives each model the price that stands there, or errors with a place; what
// tokens cost by it is never negative and never falls when more are used.
#include <sluice/config/loader.h>
#include <sluice/json/value.h>
#include <sluice/usage/price.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using namespace sluice::config;
using fuzz::expect;

constexpr std::string_view kText =
    "listen: 127.0.0.1:0\ndevelopment: true\nprices: /p\n"
    "upstreams: [{name: up, url: 'http://a'}, {name: other, url: 'http://b'}]\n"
    "models: [{name: m, routes: [{upstream: up}, {upstream: other}]},\n"
    "         {name: public, routes: [{upstream: up, model: sent}]}]\n";

class FuzzEnvironment final : public Environment {
 public:
  explicit FuzzEnvironment(std::string_view table) : table_(table) {}
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::expected<FileText, std::string> read(const std::string& path,
                                                          size_t) const override {
    if (path == "/p") return FileText{std::string(table_), false};
    return std::unexpected("No such file or directory");
  }

 private:
  std::string_view table_;
};

bool is_sum(double dollars) { return std::isfinite(dollars) && dollars >= 0 && dollars <= 1e6; }

void check_price(const Price& price) {
  expect(is_sum(price.input_per_million) && is_sum(price.output_per_million), "prices are sums");
  usage::Usage usage;
  const auto unknown = usage::cost_micro_dollars(usage, price);
  expect(!unknown, "what is not known costs nothing that is known");
  int64_t before = 0;
  for (const uint64_t tokens :
       {uint64_t{0}, uint64_t{1}, uint64_t{1'000}, uint64_t{1} << 40, UINT64_MAX}) {
    usage.input = usage.output = tokens;
    usage.cached = tokens / 2;
    usage.reasoning = tokens / 3;
    const auto cost = usage::cost_micro_dollars(usage, price);
    expect(cost && *cost >= 0, "a cost is not negative");
    expect(*cost >= before, "more tokens cost no less");
    before = *cost;
  }
}

// The price of `name` in a table that is plain JSON; nothing when it is not there, or not plain.
std::optional<std::array<double, 2>> price_in(const json::Value& table, std::string_view name) {
  const json::Value* entry = table.find(name);
  if (entry == nullptr || entry->as_object() == nullptr) return std::nullopt;
  std::array<double, 2> price{};
  const json::Value* input = entry->find("input");
  const json::Value* output = entry->find("output");
  if (input == nullptr || output == nullptr) return std::nullopt;
  if (!input->as_number(price[0]) || !output->as_number(price[1])) return std::nullopt;
  return price;
}

void check_route(const Route& route, const json::Value& table,
                 std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (table.find(name) == nullptr) continue;
    const auto wanted = price_in(table, name);
    if (!wanted) return;  // The loader has its own words about it.
    expect(route.price.has_value(), "a price that stands there is found");
    expect(route.price->input_per_million == (*wanted)[0], "the input's price is what it says");
    expect(route.price->output_per_million == (*wanted)[1], "and the output's");
    return;
  }
  expect(!route.price, "no price comes from nowhere");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  const LoadOutcome outcome = load_text(kText, "f.yaml", FuzzEnvironment(text));
  expect((outcome.snapshot == nullptr) == !outcome.errors.empty(), "a snapshot or errors");
  for (const Diagnostic& diagnostic : outcome.errors) {
    expect(!diagnostic.cause.empty() && !diagnostic.remedy.empty(), "cause and remedy are there");
    expect(to_string(diagnostic).find('\n') == std::string::npos, "a diagnostic is one line");
    expect(diagnostic.line <= size + 6, "the line exists");
  }
  if (!outcome.snapshot) return 0;
  for (const Model& model : outcome.snapshot->models) {
    for (const Route& route : model.routes) {
      if (route.price) check_price(*route.price);
    }
  }
  const auto table = json::parse_value(text);
  if (!table || table->as_object() == nullptr) return 0;
  const std::vector<Model>& models = outcome.snapshot->models;
  check_route(models[0].routes[0], *table, {"up/m", "m"});
  check_route(models[0].routes[1], *table, {"other/m", "m"});
  check_route(models[1].routes[0], *table, {"up/sent", "sent", "public"});
  return 0;
}
