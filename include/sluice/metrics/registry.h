// Owns every metric cell of the process and knows which model and upstream it belongs to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/metrics/cells.h>

namespace sluice::metrics {

// The cells of all shards for one configured name.
template <class Cells>
struct NamedCells {
  std::string name;
  std::vector<std::unique_ptr<Cells>> by_shard;
  bool is_bound = false;  // Some snapshot has used it; the others are not shown.
};

// The names of one kind, in the order of their first appearance.
//
// A name keeps its cells for the life of the process, also when a reload drops it, so that its
// counters never go back. Beyond `kNamesMax` new names share the cells of "other".
template <class Cells>
class NameTable {
 public:
  static constexpr size_t kNamesMax = 4096;

  explicit NameTable(uint32_t shards);
  // The cells to write for `name`; those of other() when the table is full.
  [[nodiscard]] NamedCells<Cells>& bind(std::string_view name);
  [[nodiscard]] NamedCells<Cells>& other() noexcept { return *names_.front(); }
  // The cells that `name` was bound to; those of other() when it never was.
  [[nodiscard]] const NamedCells<Cells>& find(std::string_view name) const noexcept {
    const auto known = by_name_.find(name);
    return known == by_name_.end() ? *names_.front() : *known->second;
  }
  // The first is "other".
  [[nodiscard]] std::span<const std::unique_ptr<NamedCells<Cells>>> all() const noexcept {
    return names_;
  }

 private:
  NamedCells<Cells>& add(std::string_view name);

  uint32_t shards_;
  std::vector<std::unique_ptr<NamedCells<Cells>>> names_;
  std::map<std::string, NamedCells<Cells>*, std::less<>> by_name_;
};

// Built by app before the shards, dies after them. Each shard writes the cells it is given; all
// functions here are for the control thread (and for app before the threads start).
class Registry {
 public:
  explicit Registry(uint32_t shards);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  [[nodiscard]] ShardCells& shard(ShardId id) noexcept { return *shards_[id.value]; }
  [[nodiscard]] ControlCells& control() noexcept { return control_; }
  // Of a name that was bound; else those of "other".
  [[nodiscard]] UpstreamWatchCells& upstream_watch(std::string_view name) noexcept {
    return *upstream_watches_.find(name).by_shard.front();
  }

  // Of a configured item that stands for several servers; shown from the first call on.
  [[nodiscard]] GroupCells& group(std::string_view name) {
    return *groups_.bind(name).by_shard.front();
  }

  // The cells of a snapshot, one element per shard. The names stand in the order of the ids and
  // come from the configuration only, never from a request.
  [[nodiscard]] std::vector<SnapshotCells> bind(std::span<const std::string_view> model_names,
                                                std::span<const std::string_view> upstream_names,
                                                std::span<const std::string_view> limit_names = {});

  [[nodiscard]] std::span<const std::unique_ptr<ShardCells>> shards() const noexcept {
    return shards_;
  }
  [[nodiscard]] const ControlCells& control() const noexcept { return control_; }
  [[nodiscard]] const NameTable<ModelCells>& models() const noexcept { return models_; }
  [[nodiscard]] const NameTable<UpstreamCells>& upstreams() const noexcept { return upstreams_; }
  [[nodiscard]] const NameTable<LimitCells>& limits() const noexcept { return limits_; }
  // Of the control thread alone, so of one "shard".
  [[nodiscard]] const NameTable<UpstreamWatchCells>& upstream_watches() const noexcept {
    return upstream_watches_;
  }
  [[nodiscard]] const NameTable<GroupCells>& groups() const noexcept { return groups_; }

 private:
  std::vector<std::unique_ptr<ShardCells>> shards_;
  ControlCells control_;
  NameTable<ModelCells> models_;
  NameTable<UpstreamCells> upstreams_;
  NameTable<LimitCells> limits_;
  NameTable<UpstreamWatchCells> upstream_watches_{1};
  NameTable<GroupCells> groups_{1};
};

}  // namespace sluice::metrics
