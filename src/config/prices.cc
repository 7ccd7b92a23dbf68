#include "prices.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"

namespace sluice::config {
namespace {

constexpr size_t kPathBytesMax = 4095;
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

// A path is meant from the folder of the file that names it.
std::string beside(const std::string& file, const std::string& path) {
  const size_t slash = file.rfind('/');
  if (path.starts_with('/') || slash == std::string::npos) return path;
  return file.substr(0, slash + 1) + path;
}

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
  const auto path = walk.path(node, kPathBytesMax);
  if (!path) return;
  const std::string full = beside(walk.file(), *path);
  const auto file = walk.environment().read(full, kPriceFileBytesMax);
  // What a variable put into the path may be a secret, and is not repeated.
  const bool is_as_written = node.text.find("${") == std::string::npos;
  const std::string shown = is_as_written ? full : "<path with a variable>";
  if (!file) {
    return walk.error(
        node, fmt::format("names the file {}, which cannot be read: {}", shown, file.error()),
        "create the file, let this user read it, or remove the key");
  }
  const auto root = read_yaml(file->text, shown, walk.outcome().errors);
  if (!root) return;
  Walk inner(shown, walk.environment(), walk.members, walk.outcome());
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
