#include "prices.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "named_file.h"

namespace sluice::config {
namespace {

constexpr double kPriceMax = 1e6;
constexpr size_t kShownBytesMax = 256;

template <auto Member>
constexpr auto read_dollars = [](Walk& walk, const Node& node, Price& price) {
  if (const auto value = walk.decimal(node, kPriceMax)) price.*Member = *value;
};

constexpr std::array kPriceFields = {
    Field<Price>{"input", read_dollars<&Price::input_per_million>, Presence::kRequired},
    Field<Price>{"output", read_dollars<&Price::output_per_million>, Presence::kRequired},
    Field<Price>{"cached", read_dollars<&Price::cached_per_million>},
    Field<Price>{"reasoning", read_dollars<&Price::reasoning_per_million>}};

void read_table(Walk& walk, const Node& root) {
  const Walk::Step section(walk, "prices");
  if (!walk.is_mapping(root)) return;
  if (root.children.size() / 2 > kPricesMax) {
    return walk.error(root, fmt::format("has more than {} models", kPricesMax), "remove some");
  }
  walk.prices.reserve(root.children.size() / 2);
  for (size_t i = 0; i + 1 < root.children.size(); i += 2) {
    const std::string& model = root.children[i].text;
    const Walk::Step step(walk, std::string_view(model).substr(0, kShownBytesMax));
    Price price;
    read_price(walk, root.children[i + 1], price);
    walk.prices.emplace(model, price);
  }
}

}  // namespace

void read_price(Walk& walk, const Node& node, Price& price) {
  read_mapping(walk, node, kPriceFields, price);
}

void list_price_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kPriceFields, prefix, names);
}

void read_prices(Walk& walk, const Node& node, Snapshot&) {
  const auto named = read_named_file(walk, node, kPriceFileBytesMax);
  if (!named) return;
  const auto root = read_yaml(named->file.text, named->shown, walk.outcome().errors);
  if (!root) return;
  Walk inner(named->shown, walk.environment(), walk.members, walk.outcome());
  read_table(inner, *root);
  walk.prices = std::move(inner.prices);
}

std::optional<Price> find_price(const PriceTable& prices, std::string_view upstream,
                                std::string_view sent_model, std::string_view public_model) {
  if (prices.empty()) return std::nullopt;
  const std::string most_specific = fmt::format("{}/{}", upstream, sent_model);
  for (const std::string_view name : {std::string_view(most_specific), sent_model, public_model}) {
    const auto found = prices.find(absl::string_view(name.data(), name.size()));
    if (found != prices.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace sluice::config
