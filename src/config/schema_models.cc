#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "schema.h"

namespace sluice::config {
namespace {

constexpr size_t kModelNameBytesMax = 256;
constexpr double kPriceMax = 1e6;

template <auto Member>
constexpr auto read_dollars = [](Walk& walk, const Node& node, Price& price) {
  if (const auto value = walk.decimal(node, kPriceMax)) price.*Member = *value;
};

constexpr std::array kPriceFields = {
    Field<Price>{"input", read_dollars<&Price::input_per_million>, Presence::kRequired},
    Field<Price>{"output", read_dollars<&Price::output_per_million>, Presence::kRequired}};

void read_price(Walk& walk, const Node& node, Route& route) {
  read_mapping(walk, node, kPriceFields, route.price.emplace());
}

void read_upstream_name(Walk& walk, const Node& node, Route& route) {
  const auto name = walk.label(node);
  if (!name) return;
  if (const auto place = walk.upstream_names.find(*name)) {
    route.upstream = UpstreamId{place->index};
    return;
  }
  walk.error(node,
             fmt::format("names the upstream `{}`, which does not exist{}", *name,
                         walk.suggestion(walk.upstream_names, *name)),
             "name one of `upstreams`");
}

void read_sent_model(Walk& walk, const Node& node, Route& route) {
  if (auto name = read_model_name(walk, node)) route.model = std::move(*name);
}

constexpr std::array kRouteFields = {
    Field<Route>{"upstream", read_upstream_name, Presence::kRequired},
    Field<Route>{"model", read_sent_model},
    Field<Route>{"weight", read_number<&Route::weight, 1, 1000>},
    Field<Route>{"priority", read_number<&Route::priority, 0, 255>},
    Field<Route>{"price", read_price, Presence::kOptional, list_section<kPriceFields>}};

void read_public_name(Walk& walk, const Node& node, Model& model) {
  if (auto name = read_model_name(walk, node)) model.name = std::move(*name);
}

void read_routes(Walk& walk, const Node& node, Model& model) {
  read_list(walk, node, kRoutesMax, [&](const Node& item, size_t) {
    Route& route = model.routes.emplace_back();
    read_mapping(walk, item, kRouteFields, route);
    if (route.model.empty()) route.model = model.name;
    const auto is_same = [&](const Route& other) {
      return other.upstream == route.upstream && other.model == route.model;
    };
    if (!route.upstream.is_valid()) return;
    if (std::none_of(model.routes.begin(), model.routes.end() - 1, is_same)) return;
    walk.error(item, "repeats the upstream and model of a route before it",
               "keep one of the two and give it their weights together");
  });
}

constexpr std::array kModelFields = {
    Field<Model>{"name", read_public_name, Presence::kRequired},
    Field<Model>{"routes", read_routes, Presence::kRequired, list_section<kRouteFields>}};

}  // namespace

std::optional<std::string> read_model_name(Walk& walk, const Node& node) {
  auto name = walk.text(node);
  if (!name) return std::nullopt;
  const bool is_visible = std::ranges::all_of(*name, [](char c) { return c > 0x20 && c < 0x7f; });
  if (is_visible && name->size() <= kModelNameBytesMax) return name;
  walk.error(node, "must be at most 256 visible ASCII characters", "write it without spaces");
  return std::nullopt;
}

void read_models(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_list(walk, node, kModelsMax, [&](const Node& item, size_t i) {
    Model& model = snapshot.models.emplace_back();
    read_mapping(walk, item, kModelFields, model);
    if (model.name.empty()) return;
    const auto index = static_cast<uint32_t>(i);
    snapshot.models_by_name.emplace(model.name, ModelId{index});
    const auto taken = walk.model_names.add(model.name, {index, item.line});
    if (!taken) return;
    walk.error(item,
               fmt::format("has the name `{}` of the model in line {}", model.name, taken->line),
               "put all routes of a model under one name");
  });
}

void list_model_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kModelFields, prefix, names);
}

}  // namespace sluice::config
