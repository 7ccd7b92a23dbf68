#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "bounds.h"
#include "clocks.h"
#include "fallbacks.h"
#include "fields.h"
#include "prices.h"
#include "schema.h"
#include "schema_limits.h"
#include "schema_routing.h"

namespace sluice::config {
namespace {

constexpr size_t kModelNameBytesMax = 256;
constexpr int64_t kPingMin = 100;  // Bounds of durations are in milliseconds.
constexpr size_t kAliasesMax = 64;
constexpr uint64_t kOutputTokensMax = 100'000'000;

struct RouteDraft : Route {
  std::optional<uint32_t> item;  // Index into Walk::upstream_items.
  ClockDraft clocks;
};

// A model with what becomes part of its routes or of other models once all of it has been read.
struct ModelDraft : Model {
  struct Alias {
    std::string name;
    const Node* at;
  };
  ClockDraft clocks;
  LimitSet limit_set;
  std::vector<Alias> aliases;
};

void read_own_price(Walk& walk, const Node& node, RouteDraft& route) {
  read_price(walk, node, route.price.emplace());
}

void read_upstream_name(Walk& walk, const Node& node, RouteDraft& route) {
  const auto name = walk.label(node);
  if (!name) return;
  if (const auto place = walk.upstream_names.find(*name)) {
    route.item = place->index;
    walk.upstream_items[place->index].has_route = true;
    return;
  }
  walk.error(node,
             fmt::format("names the upstream `{}`, which does not exist{}", *name,
                         walk.suggestion(walk.upstream_names, *name)),
             "name one of `upstreams`");
}

// A name that may hold one `*`.
std::optional<std::string> read_pattern(Walk& walk, const Node& node) {
  auto name = read_model_name(walk, node);
  if (!name || std::ranges::count(*name, '*') <= 1) return name;
  walk.error(node, "has more than one `*`", "keep one of them");
  return std::nullopt;
}

bool is_pattern(std::string_view name) noexcept { return name.find('*') != name.npos; }

void read_sent_model(Walk& walk, const Node& node, RouteDraft& route) {
  if (auto name = read_pattern(walk, node)) route.model = std::move(*name);
}

template <class Draft>
constexpr auto read_own_clocks =
    [](Walk& walk, const Node& node, Draft& draft) { read_clocks(walk, node, draft.clocks); };

constexpr std::array kRouteFields = {
    Field<RouteDraft>{"upstream", read_upstream_name, Presence::kRequired},
    Field<RouteDraft>{"model", read_sent_model},
    Field<RouteDraft>{"weight", read_number<&Route::weight, 1, 1000>},
    Field<RouteDraft>{"priority", read_number<&Route::priority, 0, 255>},
    Field<RouteDraft>{"price", read_own_price, Presence::kOptional, list_price_keys},
    Field<RouteDraft>{"timeouts", read_own_clocks<RouteDraft>, Presence::kOptional,
                      list_clock_keys}};

void read_public_name(Walk& walk, const Node& node, ModelDraft& model) {
  if (auto name = read_pattern(walk, node)) model.name = std::move(*name);
}

void read_aliases(Walk& walk, const Node& node, ModelDraft& model) {
  read_list(walk, node, kAliasesMax, [&](const Node& item, size_t) {
    auto name = read_model_name(walk, item);
    if (!name) return;
    if (is_pattern(*name) || is_pattern(model.name)) {
      return walk.error(item, "belongs to a model with a `*`, or has one itself",
                        "give the pattern a model of its own, without aliases");
    }
    model.aliases.push_back({std::move(*name), &item});
  });
}

void check_route(Walk& walk, const Node& item, const ModelDraft& model, const RouteDraft& route) {
  if (is_pattern(route.model) && !is_pattern(model.name)) {
    const Walk::Step step(walk, "model");
    walk.error(item, "has a `*` that stands for nothing, because the model's name has none",
               "write the name that the model has there");
  }
  if (model.strategy == StrategyKind::kLowestCost && !route.price) {
    const Walk::Step step(walk, "price");
    walk.error(
        item, "is missing: `strategy: lowest_cost` compares the prices of all routes",
        "add `price: {input: 0.15, output: 0.60}`, or the model to the file of `prices`; 0 is "
        "a price too");
  }
}

// One route for each upstream that the item stands for, and a broken one for a broken item.
void add_routes(Walk& walk, const Node& item, const RouteDraft& draft, ModelDraft& model,
                const std::vector<Upstream>& upstreams) {
  if (!draft.item) {
    model.routes.push_back(draft);
    return;
  }
  const Walk::UpstreamItem& servers = walk.upstream_items[*draft.item];
  for (uint32_t i = 0; i < servers.count; ++i) {
    if (model.routes.size() == kRoutesMax) {
      return walk.warn(item, "has more servers than the model may have routes; some get nothing",
                       fmt::format("keep to {} servers for one model", kRoutesMax));
    }
    Route& route = model.routes.emplace_back(draft);
    route.upstream = UpstreamId{servers.first + i};
    route.timeouts = upstreams[route.upstream.value].timeouts;
    apply_clocks(model.clocks, route.timeouts);
    apply_clocks(draft.clocks, route.timeouts);
  }
}

void read_routes(Walk& walk, const Node& node, ModelDraft& model,
                 const std::vector<Upstream>& upstreams) {
  std::vector<RouteDraft> drafts;
  read_list(walk, node, kRoutesMax, [&](const Node& item, size_t) {
    RouteDraft& route = drafts.emplace_back();
    read_mapping(walk, item, kRouteFields, route);
    if (route.model.empty()) route.model = model.name;
    if (!route.price && route.item) {
      const std::string& upstream = walk.upstream_items[*route.item].name;
      route.price = find_price(walk.prices, upstream, route.model, model.name);
    }
    check_route(walk, item, model, route);
    add_routes(walk, item, route, model, upstreams);
    const auto is_same = [&](const RouteDraft& other) {
      return other.item == route.item && other.model == route.model;
    };
    if (!route.item || std::none_of(drafts.begin(), drafts.end() - 1, is_same)) return;
    walk.error(item, "repeats the upstream and model of a route before it",
               "keep one of the two and give it their weights together");
  });
}

void read_own_affinity(Walk& walk, const Node& node, ModelDraft& model) {
  read_affinity(walk, node, model.affinity);
  if (model.strategy == StrategyKind::kAffinity) return;
  walk.error(node, "has no effect with this strategy", "write `strategy: affinity`, or remove it");
}

// Names that stand further down are not known yet; resolve_fallbacks() reads the items.
void check_fallback_list(Walk& walk, const Node& node, ModelDraft&) {
  read_list(walk, node, kFallbacksMax, [](const Node&, size_t) {});
}

template <auto Member, auto Read>
constexpr auto read_own =
    [](Walk& walk, const Node& node, ModelDraft& model) { Read(walk, node, model.*Member); };

// The routes need the upstreams and come last, by read_model().
void skip_routes(Walk&, const Node&, ModelDraft&) {}

// The strategy comes before what only some of them have.
constexpr std::array kModelFields = {
    Field<ModelDraft>{"name", read_public_name, Presence::kRequired},
    Field<ModelDraft>{"aliases", read_aliases},
    Field<ModelDraft>{"strategy", read_own<&Model::strategy, read_strategy>},
    Field<ModelDraft>{"affinity", read_own_affinity, Presence::kOptional, list_affinity_keys},
    Field<ModelDraft>{"routes", skip_routes, Presence::kRequired, list_section<kRouteFields>},
    Field<ModelDraft>{"fallbacks", check_fallback_list},
    Field<ModelDraft>{"retries", read_own<&Model::retries, read_retries>, Presence::kOptional,
                      list_retry_keys},
    Field<ModelDraft>{"timeouts", read_own_clocks<ModelDraft>, Presence::kOptional,
                      list_clock_keys},
    Field<ModelDraft>{"concurrency_max", read_number<&Model::concurrency_max, 0, 1'000'000>},
    Field<ModelDraft>{"queue", read_own<&Model::queue, read_queue>, Presence::kOptional,
                      list_queue_keys},
    Field<ModelDraft>{"hedge", read_own<&Model::hedge, read_hedge>, Presence::kOptional,
                      list_hedge_keys},
    Field<ModelDraft>{"recovery", read_own<&Model::recovery, read_recovery>, Presence::kOptional,
                      list_recovery_keys},
    Field<ModelDraft>{"max_output_tokens",
                      read_number<&Model::max_output_tokens, 1, kOutputTokensMax>},
    Field<ModelDraft>{"limits", read_own_limits<&ModelDraft::limit_set>},
    Field<ModelDraft>{"ping", read_switched_duration<&Model::ping, kPingMin, kHour>}};

void read_model(Walk& walk, const Node& item, ModelDraft& model, const Snapshot& snapshot) {
  model.retries = walk.retries;
  read_mapping(walk, item, kModelFields, model);
  if (item.kind != NodeKind::kMapping) return;
  if (const Node* routes = find_key(item, "routes")) {
    const Walk::Step step(walk, "routes");
    read_routes(walk, *routes, model, snapshot.upstreams);
  }
}

void add_name(Walk& walk, const Node& item, const std::string& name, ModelId id,
              Snapshot& snapshot) {
  const auto taken = walk.model_names.add(name, {id.value, item.line});
  if (taken) {
    return walk.error(item,
                      fmt::format("has the name `{}` of the model in line {}", name, taken->line),
                      "put all routes of a model under one name");
  }
  const size_t star = name.find('*');
  if (star == std::string::npos) {
    snapshot.models_by_name.emplace(name, id);
  } else if (snapshot.wildcards.size() == kWildcardsMax) {
    walk.error(item, fmt::format("is one of more than {} models with a `*`", kWildcardsMax),
               "write names out, or make one `*` stand for more");
  } else {
    snapshot.wildcards.push_back({name.substr(0, star), name.substr(star + 1), id});
  }
}

void add_aliases(Walk& walk, const ModelDraft& model, ModelId id, Snapshot& snapshot) {
  for (const auto& [name, at] : model.aliases) {
    const auto taken = walk.model_names.add(name, {id.value, at->line});
    if (!taken) {
      snapshot.models_by_name.emplace(name, id);
      continue;
    }
    const Walk::Step step(walk, "aliases");
    walk.error(*at,
               fmt::format("have `{}`, which line {} names a model already", name, taken->line),
               "give each name to one model, once");
  }
}

// Among those of equal length the first of the file stays first.
void sort_wildcards(std::vector<Wildcard>& wildcards) {
  const auto length = [](const Wildcard& wildcard) {
    return wildcard.prefix.size() + wildcard.suffix.size();
  };
  std::ranges::sort(wildcards, [&](const Wildcard& left, const Wildcard& right) {
    if (length(left) != length(right)) return length(left) > length(right);
    return left.model < right.model;
  });
}

// What the item in the list of fallbacks names; empty after a report.
std::optional<uint32_t> read_fallback(Walk& walk, const Node& node, const Model& model,
                                      const std::vector<Model>& models) {
  const auto name = read_model_name(walk, node);
  if (!name) return std::nullopt;
  const auto place = walk.model_names.find(*name);
  if (!place) {
    walk.error(node,
               fmt::format("names the model `{}`, which does not exist{}", *name,
                           walk.suggestion(walk.model_names, *name)),
               "name one of `models`");
    return std::nullopt;
  }
  if (is_pattern(models[place->index].name) && !is_pattern(model.name)) {
    walk.error(node, "has a `*` that stands for nothing, because the model's name has none",
               "name a model without `*`");
    return std::nullopt;
  }
  return place->index;
}

std::string cycle_text(const std::vector<uint32_t>& cycle, const std::vector<Model>& models) {
  constexpr size_t kShownMax = 8;
  std::string text;
  for (size_t i = 0; i < cycle.size(); ++i) {
    if (i > 0) text += " -> ";
    const bool is_left_out = cycle.size() > kShownMax && i == kShownMax - 2;
    if (is_left_out) {
      text += "...";
      i = cycle.size() - 2;
    } else {
      text += models[cycle[i]].name;
    }
  }
  return text;
}

// The list of each model that has one.
std::vector<std::vector<uint32_t>> read_fallbacks(Walk& walk, const Node& list,
                                                  const std::vector<Model>& models) {
  std::vector<std::vector<uint32_t>> direct(models.size());
  for (size_t i = 0; i < models.size(); ++i) {
    const Node* node = find_key(list.children[i], "fallbacks");
    if (node == nullptr || node->kind != NodeKind::kSequence) continue;
    if (node->children.size() > kFallbacksMax) continue;
    const Walk::Step model_step(walk, i);
    const Walk::Step list_step(walk, "fallbacks");
    for (size_t j = 0; j < node->children.size(); ++j) {
      const Walk::Step step(walk, j);
      const auto fallback = read_fallback(walk, node->children[j], models[i], models);
      if (!fallback) continue;
      if (std::ranges::find(direct[i], *fallback) != direct[i].end()) {
        walk.error(node->children[j], "repeats a model", "name each model once");
      }
      direct[i].push_back(*fallback);
    }
  }
  return direct;
}

// `list` is that of the models.
void resolve_fallbacks(Walk& walk, const Node& list, std::vector<Model>& models) {
  const FlatFallbacks flat = flatten_fallbacks(read_fallbacks(walk, list, models));
  const auto report = [&](uint32_t model, std::string cause, std::string remedy) {
    const Walk::Step model_step(walk, model);
    const Walk::Step step(walk, "fallbacks");
    walk.error(*find_key(list.children[model], "fallbacks"), std::move(cause), std::move(remedy));
  };
  for (const std::vector<uint32_t>& cycle : flat.cycles) {
    report(cycle.front(), fmt::format("lead back to the model: {}", cycle_text(cycle, models)),
           "remove one of these steps");
  }
  for (uint32_t i = 0; i < models.size(); ++i) {
    if (flat.of_model[i].size() > kFallbacksMax) {
      report(i, fmt::format("lead to more than {} models", kFallbacksMax), "remove some");
    }
    for (const uint32_t fallback : flat.of_model[i]) {
      models[i].fallbacks.push_back(ModelId{fallback});
    }
  }
}

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
    ModelDraft draft;
    read_model(walk, item, draft, snapshot);
    const ModelId id{static_cast<uint32_t>(i)};
    if (!draft.name.empty()) add_name(walk, item, draft.name, id, snapshot);
    add_aliases(walk, draft, id, snapshot);
    draft.limits = add_rules(walk, item, draft.limit_set, LimitScope::kModel,
                             fmt::format("models/{}", draft.name), snapshot);
    snapshot.models.push_back(std::move(static_cast<Model&>(draft)));
  });
  sort_wildcards(snapshot.wildcards);
  resolve_fallbacks(walk, node, snapshot.models);
}

void list_model_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kModelFields, prefix, names);
}

}  // namespace sluice::config
