#include <sluice/metrics/registry.h>

#include <sluice/base/assert.h>

namespace sluice::metrics {

template <class Cells>
NameTable<Cells>::NameTable(uint32_t shards) : shards_(shards) {
  add("other");
}

template <class Cells>
NamedCells<Cells>& NameTable<Cells>::bind(std::string_view name) {
  NamedCells<Cells>* found = names_.front().get();
  // A model of the name "other" shares its cells: two equal series would spoil the whole scrape.
  if (name != found->name) {
    if (const auto known = by_name_.find(name); known != by_name_.end()) {
      found = known->second;
    } else if (names_.size() <= kNamesMax) {
      found = &add(name);
      by_name_.emplace(found->name, found);
    }
  }
  found->is_bound = true;
  return *found;
}

template <class Cells>
NamedCells<Cells>& NameTable<Cells>::add(std::string_view name) {
  auto named = std::make_unique<NamedCells<Cells>>();
  named->name = name;
  for (uint32_t i = 0; i < shards_; ++i) named->by_shard.push_back(std::make_unique<Cells>());
  names_.push_back(std::move(named));
  return *names_.back();
}

template class NameTable<ModelCells>;
template class NameTable<UpstreamCells>;
template class NameTable<UpstreamWatchCells>;
template class NameTable<GroupCells>;
template class NameTable<LimitCells>;

Registry::Registry(uint32_t shards) : models_(shards), upstreams_(shards), limits_(shards) {
  SLUICE_ASSERT(shards > 0);
  for (uint32_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<ShardCells>());
  models_.other().is_bound = true;
}

std::vector<SnapshotCells> Registry::bind(std::span<const std::string_view> model_names,
                                          std::span<const std::string_view> upstream_names,
                                          std::span<const std::string_view> limit_names) {
  std::vector<SnapshotCells> bound(shards_.size());
  for (size_t shard = 0; shard < bound.size(); ++shard) {
    bound[shard].other = models_.other().by_shard[shard].get();
    bound[shard].models.reserve(model_names.size());
    bound[shard].upstreams.reserve(upstream_names.size());
  }
  const auto append = [&](auto& table, auto member, std::string_view name) {
    const auto& named = table.bind(name);
    if (named.name != name) control_.series_dropped.add();
    for (size_t shard = 0; shard < bound.size(); ++shard) {
      (bound[shard].*member).push_back(named.by_shard[shard].get());
    }
  };
  for (const std::string_view name : model_names) append(models_, &SnapshotCells::models, name);
  for (const std::string_view name : upstream_names) {
    append(upstreams_, &SnapshotCells::upstreams, name);
    (void)upstream_watches_.bind(name);
  }
  for (const std::string_view name : limit_names) append(limits_, &SnapshotCells::limits, name);
  return bound;
}

}  // namespace sluice::metrics
