#include <sluice/route/router.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include <sluice/base/assert.h>

namespace sluice::route {

Router::Router(ShardId shard, const std::vector<config::Model>& models,
               const std::vector<config::Upstream>& upstreams)
    : shard_(shard), models_(models), upstreams_(upstreams) {
  plans_.reserve(models.size());
  for (const config::Model& model : models) add_plan(model);
}

void Router::take_positions(const Router& previous) {
  // Filled only when the models do not stand where they stood, which is rare.
  std::unordered_map<std::string_view, uint32_t> by_name;
  const auto find = [&](uint32_t model) {
    const std::string_view name = models_[model].name;
    if (model < previous.models_.size() && previous.models_[model].name == name) return model;
    if (by_name.empty()) {
      for (uint32_t i = 0; i < previous.models_.size(); ++i) {
        by_name.emplace(previous.models_[i].name, i);
      }
    }
    const auto found = by_name.find(name);
    return found == by_name.end() ? ModelId::kInvalid : found->second;
  };
  for (uint32_t i = 0; i < models_.size(); ++i) {
    const uint32_t earlier = find(i);
    if (earlier == ModelId::kInvalid || !has_same_routes(i, previous, earlier)) continue;
    const Plan& from = previous.plans_[earlier];
    std::copy_n(previous.candidates_.begin() + from.first, from.count,
                candidates_.begin() + plans_[i].first);
    plans_[i].has_begun = from.has_begun;
  }
}

std::optional<Pick> Router::pick(ModelId model, const Tried& tried) noexcept {
  SLUICE_ASSERT(model.value < plans_.size());
  Plan& plan = plans_[model.value];
  if (!plan.has_begun) begin(plan);
  for (uint32_t level = 0; level < plan.levels_count; ++level) {
    const uint64_t eligible = levels_[plan.levels_first + level] & ~tried.bits();
    if (eligible == 0) continue;
    const uint32_t index = strategy_.choose(candidates(plan), eligible);
    return Pick{index, &models_[model.value].routes[index]};
  }
  return std::nullopt;
}

void Router::add_plan(const config::Model& model) {
  SLUICE_ASSERT(model.routes.size() <= kRoutesMax);
  Plan plan;
  plan.first = static_cast<uint32_t>(candidates_.size());
  plan.count = static_cast<uint32_t>(model.routes.size());
  std::map<uint32_t, uint64_t> bits_by_priority;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const config::Route& route = model.routes[i];
    const auto weight = int64_t{route.weight} * upstreams_[route.upstream.value].weight;
    candidates_.push_back({.weight = std::max(weight, int64_t{1})});
    bits_by_priority[route.priority] |= uint64_t{1} << i;
  }
  plan.levels_first = static_cast<uint32_t>(levels_.size());
  plan.levels_count = static_cast<uint32_t>(bits_by_priority.size());
  for (const auto& [priority, bits] : bits_by_priority) levels_.push_back(bits);
  plans_.push_back(plan);
}

bool Router::has_same_routes(uint32_t model, const Router& other,
                             uint32_t other_model) const noexcept {
  const auto is_same = [&](const config::Route& left, const config::Route& right) {
    const config::Upstream& left_upstream = upstreams_[left.upstream.value];
    const config::Upstream& right_upstream = other.upstreams_[right.upstream.value];
    return left_upstream.name == right_upstream.name &&
           left_upstream.weight == right_upstream.weight && left.weight == right.weight &&
           left.priority == right.priority && left.model == right.model;
  };
  return std::ranges::equal(models_[model].routes, other.models_[other_model].routes, is_same);
}

// Takes as many steps as there are shards before this one, as if their requests had gone before.
// Shards beyond the bound start like earlier ones.
void Router::begin(Plan& plan) noexcept {
  constexpr uint32_t kStartsMax = 128;
  plan.has_begun = true;
  for (uint32_t level = 0; level < plan.levels_count; ++level) {
    const uint64_t bits = levels_[plan.levels_first + level];
    for (uint32_t i = 0; i < shard_.value % kStartsMax; ++i) {
      static_cast<void>(strategy_.choose(candidates(plan), bits));
    }
  }
}

std::span<Candidate> Router::candidates(const Plan& plan) noexcept {
  return {candidates_.data() + plan.first, plan.count};
}

}  // namespace sluice::route
