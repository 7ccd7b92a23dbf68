// One configuration as one shard uses it: everything that is indexed by that snapshot's ids.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/auth/chain.h>
#include <sluice/config/snapshot.h>
#include <sluice/http/headers.h>
#include <sluice/metrics/cells.h>
#include <sluice/route/router.h>
#include <sluice/upstream/pool.h>

namespace sluice::exchange {

// Made by the worker when it adopts a snapshot. Lives until the last exchange that pinned it has
// settled; then its snapshot is given back. One shard.
struct Generation {
  Generation(const config::Snapshot& snapshot, metrics::SnapshotCells cells, ShardId shard);

  const config::Snapshot& config;
  metrics::SnapshotCells cells;
  auth::Chain auth;
  route::Router router;
  std::vector<upstream::Pool*> pools;  // By UpstreamId.
  // By ModelId, then by route: the name sent upstream as a JSON string; empty when it is the
  // client's own.
  std::vector<std::vector<std::string>> model_names;
  // By UpstreamId: the field lines that every request to it carries; empty when they could not be
  // written, which the loader prevents.
  std::vector<std::string> request_fields;
  // What of a client's head goes upstream, by `id` where that is known.
  struct ForwardedHeader {
    http::HeaderName id;
    std::string_view name;  // In lower case.
  };
  std::vector<ForwardedHeader> forwarded_headers;
  uint32_t pins = 0;
};

// An exchange's hold on its generation.
class GenerationPin {
 public:
  explicit GenerationPin(Generation& generation) noexcept : generation_(&generation) {
    ++generation.pins;
  }
  GenerationPin(GenerationPin&& other) noexcept
      : generation_(std::exchange(other.generation_, nullptr)) {}
  GenerationPin& operator=(GenerationPin&&) = delete;
  ~GenerationPin() {
    if (generation_ != nullptr) --generation_->pins;
  }
  [[nodiscard]] Generation& operator*() const noexcept { return *generation_; }
  [[nodiscard]] Generation* operator->() const noexcept { return generation_; }

 private:
  Generation* generation_;
};

}  // namespace sluice::exchange
