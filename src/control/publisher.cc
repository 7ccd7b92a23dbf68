#include <sluice/control/publisher.h>

#include <sluice/base/assert.h>

namespace sluice::control {

std::vector<upstream::AdoptSnapshot> Publisher::publish(
    std::unique_ptr<config::Snapshot> snapshot,
    const std::vector<std::vector<net::Address>>& addresses, TlsFiles tls) {
  SLUICE_ASSERT(has_room());
  SLUICE_ASSERT(addresses.size() == snapshot->upstreams.size());
  snapshot->generation = ++last_generation_;

  std::vector<std::string_view> models, upstreams;
  models.reserve(snapshot->models.size());
  for (const config::Model& model : snapshot->models) models.push_back(model.name);
  upstreams.reserve(snapshot->upstreams.size());
  for (const config::Upstream& upstream : snapshot->upstreams) upstreams.push_back(upstream.name);
  std::vector<metrics::SnapshotCells> cells = registry_.bind(models, upstreams);

  std::vector<upstream::AdoptSnapshot> adoptions;
  adoptions.reserve(cells.size());
  for (metrics::SnapshotCells& shard_cells : cells) {
    adoptions.push_back({snapshot.get(), std::move(shard_cells), addresses});
  }
  registry_.control().config_generation.set(static_cast<int64_t>(last_generation_));
  Live live{std::move(snapshot), std::make_unique<const TlsFiles>(std::move(tls)),
            adoptions.size()};
  present_ = live.snapshot.get();
  present_tls_ = live.tls.get();
  live_.emplace(last_generation_, std::move(live));
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
  std::erase_if(live_, [this](const auto& entry) {
    return entry.second.shards == 0 && entry.second.snapshot.get() != present_;
  });
}

}  // namespace sluice::control
