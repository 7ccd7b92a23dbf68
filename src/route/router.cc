#include <sluice/route/router.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sluice/base/assert.h>
#include <sluice/route/affinity_key.h>
#include <sluice/route/strategies.h>

namespace sluice::route {
namespace {

using config::StrategyKind;

bool has_tag(const config::Upstream& upstream, std::string_view tag) noexcept {
  return std::ranges::binary_search(upstream.tags, tag, std::less<std::string_view>());
}

std::string_view trim(std::string_view text) noexcept {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

Router::Router(ShardId shard, const std::vector<config::Model>& models,
               const std::vector<config::Upstream>& upstreams, std::vector<DeploymentStats*> stats)
    : shard_(shard), models_(models), upstreams_(upstreams) {
  SLUICE_ASSERT(stats.size() == upstreams.size());
  plans_.reserve(models.size());
  for (const config::Model& model : models) add_plan(model, stats);
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
    for (uint32_t at = 0; at < from.count; ++at) {
      candidates_[plans_[i].first + at].position = previous.candidates_[from.first + at].position;
    }
    plans_[i].has_begun = from.has_begun;
  }
}

std::optional<Pick> Router::pick(ModelId model, const RouteSet& usable,
                                 const Choice& choice) noexcept {
  SLUICE_ASSERT(model.value < plans_.size());
  const config::Model& configured = models_[model.value];
  Plan& plan = plans_[model.value];
  if (!plan.has_begun) begin(configured, plan, choice);
  for (uint32_t tier = 0; tier < plan.tiers_count; ++tier) {
    const RouteSet eligible = tiers_[plan.tiers_first + tier] & usable;
    if (eligible.empty()) continue;
    const uint32_t index = choose(configured, plan, eligible, choice);
    return Pick{index, &configured.routes[index]};
  }
  return std::nullopt;
}

RouteSet Router::routes_for_tags(ModelId model, std::string_view tags) const noexcept {
  const Plan& plan = plans_[model.value];
  RouteSet found = RouteSet::first_n(plan.count);
  uint32_t asked = 0;
  while (!tags.empty() && !found.empty()) {
    const size_t comma = std::min(tags.find(','), tags.size());
    const std::string_view tag = trim(tags.substr(0, comma));
    tags.remove_prefix(std::min(comma + 1, tags.size()));
    if (tag.empty()) continue;
    if (++asked > kTagsMax) return {};
    const RouteSet left = found;
    left.for_each([&](uint32_t index) {
      const config::Route& route = models_[model.value].routes[index];
      if (!has_tag(upstreams_[route.upstream.value], tag)) found.remove(index);
    });
  }
  return asked == 0 ? plan.untagged : found;
}

void Router::add_plan(const config::Model& model, const std::vector<DeploymentStats*>& stats) {
  SLUICE_ASSERT(model.routes.size() <= RouteSet::kRoutesMax);
  Plan plan;
  plan.first = static_cast<uint32_t>(candidates_.size());
  plan.count = static_cast<uint32_t>(model.routes.size());
  std::map<uint32_t, RouteSet> by_priority;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const config::Route& route = model.routes[i];
    const config::Upstream& upstream = upstreams_[route.upstream.value];
    Candidate candidate{.weight = std::max(route.weight * upstream.weight, 1u),
                        .name_hash = stable_hash(upstream.name + '\n' + route.model),
                        .slow_start = upstream.slow_start,
                        .stats = stats[route.upstream.value]};
    SLUICE_ASSERT(candidate.stats != nullptr);
    if (route.price) {
      candidate.cost = route.price->input_per_million + route.price->output_per_million;
    }
    candidates_.push_back(candidate);
    by_priority[route.priority].add(i);
  }
  plan.tiers_first = static_cast<uint32_t>(tiers_.size());
  plan.tiers_count = static_cast<uint32_t>(by_priority.size());
  for (const auto& [priority, routes] : by_priority) tiers_.push_back(routes);
  note_tags(plan, model);
  plans_.push_back(plan);
}

void Router::note_tags(Plan& plan, const config::Model& model) const {
  for (uint32_t i = 0; i < plan.count; ++i) {
    const config::Upstream& upstream = upstreams_[model.routes[i].upstream.value];
    plan.has_tags = plan.has_tags || !upstream.tags.empty();
    if (upstream.tags.empty() || has_tag(upstream, "default")) plan.untagged.add(i);
  }
  if (plan.untagged.empty()) plan.untagged = RouteSet::first_n(plan.count);
}

bool Router::has_same_routes(uint32_t model, const Router& other,
                             uint32_t other_model) const noexcept {
  if (models_[model].strategy != other.models_[other_model].strategy) return false;
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
void Router::begin(const config::Model& model, Plan& plan, const Choice& choice) noexcept {
  constexpr uint32_t kStartsMax = 128;
  plan.has_begun = true;
  const bool takes_turns =
      model.strategy == StrategyKind::kRoundRobin || model.strategy == StrategyKind::kWeighted;
  if (!takes_turns) return;
  for (uint32_t tier = 0; tier < plan.tiers_count; ++tier) {
    for (uint32_t i = 0; i < shard_.value % kStartsMax; ++i) {
      static_cast<void>(choose(model, plan, tiers_[plan.tiers_first + tier], choice));
    }
  }
}

uint32_t Router::choose(const config::Model& model, const Plan& plan, const RouteSet& usable,
                        const Choice& choice) noexcept {
  const std::span<Candidate> candidates{candidates_.data() + plan.first, plan.count};
  switch (model.strategy) {
    case StrategyKind::kPowerOfTwo: return choose_power_of_two(candidates, usable, choice);
    case StrategyKind::kRoundRobin: return choose_round_robin(candidates, usable);
    case StrategyKind::kWeighted: return choose_weighted(candidates, usable, choice);
    case StrategyKind::kRandom: return choose_random(candidates, usable, choice);
    case StrategyKind::kLeastBusy: return choose_least_busy(candidates, usable, choice);
    case StrategyKind::kLowestLatency: return choose_lowest_latency(candidates, usable, choice);
    case StrategyKind::kLowestCost: return choose_lowest_cost(candidates, usable, choice);
    case StrategyKind::kLowestUsage: return choose_lowest_usage(candidates, usable, choice);
    case StrategyKind::kAffinity:
      return choose_by_affinity(candidates, usable, choice, model.affinity.load_factor);
    case StrategyKind::kFailover: return choose_failover(usable);
  }
  SLUICE_ASSERT(false);
  return 0;
}

}  // namespace sluice::route
