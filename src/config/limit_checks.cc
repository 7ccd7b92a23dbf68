#include "limit_checks.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "fields.h"

namespace sluice::config {
namespace {

template <class T>
size_t most_limits(const std::vector<T>& subjects) {
  size_t most = 0;
  for (const T& subject : subjects) most = std::max(most, subject.limits.size());
  return most;
}

// Of one model, of what the key has for it and for each; they are sorted by model.
size_t most_of_one_model(const std::vector<ModelLimit>& limits) {
  size_t most = 0;
  size_t of_each = 0;
  for (size_t first = 0; first < limits.size();) {
    size_t end = first;
    while (end < limits.size() && limits[end].model == limits[first].model) ++end;
    size_t& count = limits[first].model.is_valid() ? most : of_each;
    count = std::max(count, end - first);
    first = end;
  }
  return most + of_each;
}

size_t limits_above(const std::vector<Tenant>& tenants, TenantId tenant) {
  size_t count = 0;
  for (uint32_t i = 0; tenant.is_valid() && i < kTenantDepthMost; ++i) {
    count += tenants[tenant.value].limits.size();
    tenant = tenants[tenant.value].parent;
  }
  return count;
}

// The richest model and upstream stand for all: which of them a key meets is known per request.
void check_matching(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const size_t common = snapshot.gateway_limits.size() + snapshot.ip_limits.size() +
                        most_limits(snapshot.models) + most_limits(snapshot.upstreams);
  constexpr const char* kRemedy = "remove some, or let fewer of them hold for it with `only`";
  const size_t of_unknown_keys = common + snapshot.every_key_limits.size() +
                                 snapshot.every_tenant_limits.size() +
                                 most_of_one_model(snapshot.every_key_model_limits);
  if (snapshot.keys.empty() && of_unknown_keys > kMatchingLimitsMost) {
    return walk.error(root,
                      fmt::format("a request can match {} limits, more than {}", of_unknown_keys,
                                  kMatchingLimitsMost),
                      kRemedy);
  }
  const Node* list = find_key(root, "keys");
  const size_t listed = list == nullptr ? 0 : list->children.size();
  for (size_t i = 0; i < snapshot.keys.size(); ++i) {
    const Key& key = snapshot.keys[i];
    const size_t count = common + key.limits.size() + most_of_one_model(key.model_limits) +
                         limits_above(snapshot.tenants, key.tenant);
    if (count <= kMatchingLimitsMost) continue;
    const bool is_listed = i < listed;
    return walk.error(is_listed ? list->children[i] : root,
                      fmt::format("{} can match {} limits, more than {}: its own, those of "
                                  "its tenants, of a model, an upstream and of all",
                                  is_listed ? fmt::format("keys[{}]", i)
                                            : fmt::format("`{}` of auth.key_file", key.name),
                                  count, kMatchingLimitsMost),
                      kRemedy);
  }
}

// What has no price is served, and no budget sees it (D101).
void check_prices(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const bool has_budget = std::ranges::any_of(snapshot.limit_rules, [](const LimitRule& rule) {
    return rule.measure == LimitMeasure::kMicroDollars;
  });
  const Node* list = find_key(root, "models");
  if (!has_budget || list == nullptr) return;
  const auto is_unpriced = [](const Model& model) {
    return std::ranges::any_of(model.routes, [](const Route& route) { return !route.price; });
  };
  const auto first = std::ranges::find_if(snapshot.models, is_unpriced);
  if (first == snapshot.models.end()) return;
  const auto index = static_cast<size_t>(first - snapshot.models.begin());
  const auto count = std::ranges::count_if(snapshot.models, is_unpriced);
  const Node& place = index < list->children.size() ? list->children[index] : *list;
  walk.warn(
      place,
      fmt::format("models[{}] `{}` has a route without a price{}: budgets do not count it", index,
                  first->name, count == 1 ? "" : fmt::format(", as {} models have", count)),
      "add a `price` to its routes, or the model to the file of `prices`");
}

}  // namespace

void check_rules(Walk& walk, const Node& root, const Snapshot& snapshot) {
  check_matching(walk, root, snapshot);
  check_prices(walk, root, snapshot);
}

}  // namespace sluice::config
