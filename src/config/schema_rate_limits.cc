#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "schema.h"
#include "schema_limits.h"

namespace sluice::config {
namespace {

struct RateLimitDraft : LimitSet {
  std::string name;
  std::optional<LimitScope> per;
  std::vector<std::string> only;
  const Node* only_at = nullptr;
};

void read_per(Walk& walk, const Node& node, RateLimitDraft& limit) {
  // In the order of LimitScope.
  static constexpr std::array<std::string_view, 7> kWords = {
      "gateway", "ip", "key", "tenant", "model", "key_model", "upstream"};
  if (const auto index = walk.choice(node, kWords)) limit.per = static_cast<LimitScope>(*index);
}

// The names are looked up once all of the item is known.
void read_only(Walk& walk, const Node& node, RateLimitDraft& limit) {
  limit.only_at = &node;
  const bool is_everybody = limit.per == LimitScope::kGateway || limit.per == LimitScope::kIp;
  if (is_everybody) return walk.error(node, "has no effect with this `per`", "remove it");
  const bool is_of_models = limit.per == LimitScope::kModel || limit.per == LimitScope::kKeyModel;
  read_list(walk, node, kKeysMax, [&](const Node& item, size_t) {
    auto name = is_of_models ? read_model_name(walk, item) : walk.label(item);
    if (name) limit.only.push_back(std::move(*name));
  });
}

constexpr std::array kRateLimitFields = with_limit_fields(std::array{
    Field<RateLimitDraft>{"name", read_label<&RateLimitDraft::name>, Presence::kRequired},
    Field<RateLimitDraft>{"per", read_per, Presence::kRequired},
    Field<RateLimitDraft>{"only", read_only}});

// Indices of those that `only` names, sorted; empty without `only`, and after a report.
std::vector<uint32_t> resolve_only(Walk& walk, const RateLimitDraft& limit, const NameTable& names,
                                   std::string_view noun) {
  std::vector<uint32_t> chosen;
  const Walk::Step step(walk, "only");
  for (const std::string& name : limit.only) {
    if (const auto place = names.find(name)) {
      chosen.push_back(place->index);
      continue;
    }
    walk.error(*limit.only_at,
               fmt::format("names the {} `{}`, which does not exist{}", noun, name,
                           walk.suggestion(names, name)),
               fmt::format("name one of `{}s`", noun));
  }
  std::ranges::sort(chosen);
  if (std::ranges::adjacent_find(chosen) != chosen.end()) {
    walk.error(*limit.only_at, fmt::format("names a {} twice", noun), "name each one once");
  }
  return chosen;
}

// What is beyond the bound is refused later, and need not cost memory until then.
void append(std::vector<LimitId>& limits, const std::vector<LimitId>& ids) {
  if (limits.size() > kMatchingLimitsMost) return;
  limits.insert(limits.end(), ids.begin(), ids.end());
}

template <class T>
void add_to(std::vector<T>& subjects, const RateLimitDraft& limit,
            const std::vector<uint32_t>& chosen, const std::vector<LimitId>& ids) {
  if (limit.only_at == nullptr) {
    for (T& subject : subjects) append(subject.limits, ids);
  }
  for (const uint32_t index : chosen) append(subjects[index].limits, ids);
}

void add_to_upstreams(const Walk& walk, const RateLimitDraft& limit,
                      const std::vector<uint32_t>& chosen, const std::vector<LimitId>& ids,
                      std::vector<Upstream>& upstreams) {
  if (limit.only_at == nullptr) return add_to(upstreams, limit, {}, ids);
  for (const uint32_t index : chosen) {
    const Walk::UpstreamItem& item = walk.upstream_items[index];
    for (uint32_t i = 0; i < item.count; ++i) append(upstreams[item.first + i].limits, ids);
  }
}

// `left` counts down over all items of the list. False when it does not suffice.
bool add_to_key_models(const RateLimitDraft& limit, const std::vector<uint32_t>& chosen,
                       const std::vector<LimitId>& ids, std::vector<Key>& keys, size_t& left) {
  const auto add = [&](Key& key, ModelId model) {
    if (left < ids.size()) return false;
    left -= ids.size();
    for (const LimitId id : ids) key.model_limits.push_back({model, id});
    return true;
  };
  for (Key& key : keys) {
    if (limit.only_at == nullptr && !add(key, ModelId{})) return false;
    for (const uint32_t model : chosen) {
      if (key.allows(ModelId{model}) && !add(key, ModelId{model})) return false;
    }
  }
  return true;
}

// Of keys that the file does not name. `only` names models here, and holds for these keys too.
bool add_to_every_key_model(const RateLimitDraft& limit, const std::vector<uint32_t>& chosen,
                            const std::vector<LimitId>& ids, std::vector<ModelLimit>& limits) {
  const auto add = [&](ModelId model) {
    for (const LimitId id : ids) limits.push_back({model, id});
  };
  if (limits.size() + (chosen.size() + 1) * ids.size() > kKeyModelLimitsMax) return false;
  if (limit.only_at == nullptr) add(ModelId{});
  for (const uint32_t model : chosen) add(ModelId{model});
  return true;
}

void expand(Walk& walk, const Node& item, const RateLimitDraft& limit,
            const std::vector<LimitId>& ids, Snapshot& snapshot, size_t& key_models_left) {
  switch (*limit.per) {
    case LimitScope::kGateway: return append(snapshot.gateway_limits, ids);
    case LimitScope::kIp: return append(snapshot.ip_limits, ids);
    case LimitScope::kKey:
      if (limit.only_at == nullptr) append(snapshot.every_key_limits, ids);
      return add_to(snapshot.keys, limit, resolve_only(walk, limit, walk.key_names, "key"), ids);
    case LimitScope::kTenant:
      if (limit.only_at == nullptr) append(snapshot.every_tenant_limits, ids);
      return add_to(snapshot.tenants, limit, resolve_only(walk, limit, walk.tenant_names, "tenant"),
                    ids);
    case LimitScope::kModel:
      return add_to(snapshot.models, limit, resolve_only(walk, limit, walk.model_names, "model"),
                    ids);
    case LimitScope::kUpstream:
      return add_to_upstreams(walk, limit,
                              resolve_only(walk, limit, walk.upstream_names, "upstream"), ids,
                              snapshot.upstreams);
    case LimitScope::kKeyModel: {
      const auto models = resolve_only(walk, limit, walk.model_names, "model");
      if (add_to_every_key_model(limit, models, ids, snapshot.every_key_model_limits) &&
          add_to_key_models(limit, models, ids, snapshot.keys, key_models_left)) {
        return;
      }
      walk.error(item,
                 fmt::format("brings the limits of keys with models above {}", kKeyModelLimitsMax),
                 "leave out `only`, or name fewer models");
    }
  }
}

void add_rate_limit(Walk& walk, const Node& item, const RateLimitDraft& limit, NameTable& names,
                    Snapshot& snapshot, size_t& key_models_left) {
  if (limit.name.empty() || !limit.per) return;
  if (const auto taken = names.add(limit.name, {0, item.line})) {
    return walk.error(
        item, fmt::format("has the name `{}` of the item in line {}", limit.name, taken->line),
        "give each item a name of its own");
  }
  const auto ids = add_rules(walk, item, limit, *limit.per, limit.name, snapshot);
  expand(walk, item, limit, ids, snapshot, key_models_left);
}

bool in_order_of_models(const ModelLimit& left, const ModelLimit& right) noexcept {
  return left.model != right.model ? left.model < right.model : left.limit < right.limit;
}

}  // namespace

void read_rate_limits(Walk& walk, const Node& node, Snapshot& snapshot) {
  NameTable names;
  size_t key_models_left = kKeyModelLimitsMax;
  read_list(walk, node, kRateLimitsMax, [&](const Node& item, size_t) {
    RateLimitDraft limit;
    read_mapping(walk, item, kRateLimitFields, limit);
    check_limit_set(walk, item, limit);
    add_rate_limit(walk, item, limit, names, snapshot, key_models_left);
  });
  std::ranges::sort(snapshot.every_key_model_limits, in_order_of_models);
  if (key_models_left == kKeyModelLimitsMax) return;
  for (Key& key : snapshot.keys) std::ranges::sort(key.model_limits, in_order_of_models);
}

void list_rate_limit_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kRateLimitFields, prefix, names);
}

}  // namespace sluice::config
