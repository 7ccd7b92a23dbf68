// Owns every snapshot that somebody still reads.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include <sluice/config/snapshot.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/address.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::control {

// Gives each snapshot its generation and its metric cells, and frees it once a newer one is out
// and every shard has given it back. Control thread only.
class Publisher {
 public:
  // Generations alive at once. Long streams keep old ones; above this a reload is refused.
  static constexpr size_t kLiveMost = 64;

  explicit Publisher(metrics::Registry& registry) noexcept : registry_(registry) {}
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  [[nodiscard]] bool has_room() const noexcept { return live_.size() < kLiveMost; }

  // Makes `snapshot` the present one and returns what each shard is to be sent, by ShardId.
  // `addresses` stand in the order of its upstreams. Only while has_room().
  [[nodiscard]] std::vector<upstream::AdoptSnapshot> publish(
      std::unique_ptr<config::Snapshot> snapshot,
      const std::vector<std::vector<net::Address>>& addresses);

  // One shard has done with a generation. Once for each shard and generation.
  void release(uint64_t generation);

  // The present one; only after the first publish().
  [[nodiscard]] const config::Snapshot& present() const noexcept { return *present_; }
  [[nodiscard]] size_t live_count() const noexcept { return live_.size(); }

 private:
  struct Live {
    std::unique_ptr<config::Snapshot> snapshot;  // Changed only to wipe it.
    size_t shards = 0;                           // That have not given it back.
  };
  void free_unused();

  metrics::Registry& registry_;
  uint64_t last_generation_ = 0;
  const config::Snapshot* present_ = nullptr;
  std::map<uint64_t, Live> live_;
};

}  // namespace sluice::control
