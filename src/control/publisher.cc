#include <sluice/control/publisher.h>

#include <sluice/base/assert.h>
#include <sluice/config/wipe.h>

namespace sluice::control {

std::vector<upstream::AdoptSnapshot> Publisher::publish(
    std::unique_ptr<config::Snapshot> snapshot,
    const std::vector<std::vector<net::Address>>& addresses) {
  SLUICE_ASSERT(has_room());
  SLUICE_ASSERT(addresses.size() == snapshot->upstreams.size());
  snapshot->generation = ++last_generation_;

  std::vector<std::string_view> models, upstreams, limits;
  models.reserve(snapshot->models.size());
  for (const config::Model& model : snapshot->models) models.push_back(model.name);
  upstreams.reserve(snapshot->upstreams.size());
  for (const config::Upstream& upstream : snapshot->upstreams) upstreams.push_back(upstream.name);
  limits.reserve(snapshot->limit_rules.size());
  for (const config::LimitRule& rule : snapshot->limit_rules) limits.push_back(rule.name);
  std::vector<metrics::SnapshotCells> cells = registry_.bind(models, upstreams, limits);

  std::vector<upstream::AdoptSnapshot> adoptions;
  adoptions.reserve(cells.size());
  for (metrics::SnapshotCells& shard_cells : cells) {
    adoptions.push_back({snapshot.get(), std::move(shard_cells), addresses});
  }
  registry_.control().config_generation.set(static_cast<int64_t>(last_generation_));
  present_ = snapshot.get();
  live_.emplace(last_generation_, Live{std::move(snapshot), adoptions.size()});
  free_unused();
  return adoptions;
}

void Publisher::release(uint64_t generation) {
  const auto live = live_.find(generation);
  SLUICE_ASSERT(live != live_.end() && live->second.shards > 0);
  --live->second.shards;
  free_unused();
}

void Publisher::free_unused() {
  std::erase_if(live_, [this](auto& entry) {
    if (entry.second.shards > 0 || entry.second.snapshot.get() == present_) return false;
    config::wipe_secrets(*entry.second.snapshot);
    return true;
  });
}

}  // namespace sluice::control
