// One configuration as one shard uses it: everything that is indexed by that snapshot's ids.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/auth/chain.h>
#include <sluice/config/origin_rules.h>
#include <sluice/config/snapshot.h>
#include <sluice/exchange/endpoint.h>
#include <sluice/exchange/scripts.h>
#include <sluice/exchange/shard_state.h>
#include <sluice/http/headers.h>
#include <sluice/limit/subjects.h>
#include <sluice/metrics/cells.h>
#include <sluice/route/route_set.h>
#include <sluice/route/router.h>
#include <sluice/upstream/pool.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::exchange {

// Made by the worker when it adopts a snapshot. Lives until the last exchange that pinned it has
// settled; then its snapshot is given back. One shard.
struct Generation {
  // Everything given outlives it.
  Generation(const config::Snapshot& snapshot, metrics::SnapshotCells cells,
             upstream::SnapshotPlaces places, ShardState& state, ShardId shard, Clock& clock);

  // The routes of a model whose upstreams serve `endpoint`, which is a forwarded one.
  [[nodiscard]] const route::RouteSet& fit(ModelId model, Endpoint endpoint) const noexcept {
    return fits[model.value][static_cast<size_t>(endpoint)];
  }
  // Where requests of this generation take their places; null where nothing limits them. The same
  // for all its life: a later configuration may know no such limit, while requests that wait for a
  // place of it, or hold one, are still here.
  [[nodiscard]] PlaceBank* deployment_places(UpstreamId upstream) const noexcept {
    return at_or_null(places.upstreams, upstream.value);
  }
  // Null in tests: then any number of probes goes.
  [[nodiscard]] PlaceBank* probe_places(UpstreamId upstream) const noexcept {
    return at_or_null(places.probes, upstream.value);
  }
  [[nodiscard]] PlaceBank* model_places(ModelId model) const noexcept {
    return at_or_null(places.models, model.value);
  }
  // In line.
  [[nodiscard]] PlaceBank* queue_places(ModelId model) const noexcept {
    return at_or_null(places.queues, model.value);
  }
  // Only where keys can come from elsewhere than the configuration: a tenant by its name, invalid
  // without; whether the model's name, or one of its aliases, matches the glob.
  [[nodiscard]] TenantId find_tenant(std::string_view name) const noexcept;
  [[nodiscard]] bool has_name_like(ModelId model, std::string_view glob) const noexcept;

  const config::Snapshot& config;
  metrics::SnapshotCells cells;
  upstream::SnapshotPlaces places;
  limit::SubjectTable subjects;
  std::vector<Deployment*> deployments;  // By UpstreamId.
  std::vector<ModelFlow*> flows;         // By ModelId.
  auth::Chain auth;
  std::unique_ptr<Scripts> scripts;  // Null without any.
  route::Router router;
  // By ModelId and forwarded endpoint.
  std::vector<std::array<route::RouteSet, kForwardedEndpoints>> fits;
  std::vector<upstream::Pool*> pools;  // By UpstreamId.
  // By ModelId, then by route: the name sent upstream as a JSON string. A `*` in it is filled in
  // when the request is known.
  std::vector<std::vector<std::string>> model_names;
  // By UpstreamId: the field lines that every request to it carries; empty when they could not be
  // written, which the loader prevents.
  std::vector<std::string> request_fields;
  // What of a client's head goes upstream, by `id` where that is known.
  struct ForwardedHeader {
    http::HeaderName id;
    std::string_view name;     // In lower case.
    std::string_view value;    // Sent when the client's is not; mostly empty.
    bool is_forwarded = true;  // The client's goes upstream, if there is one.
  };
  // By UpstreamId: with what its `headers` insert or keep back.
  std::vector<std::vector<ForwardedHeader>> forwarded_headers;
  absl::flat_hash_map<std::string_view, TenantId> tenants_by_name;  // Empty without such keys.
  std::vector<std::vector<std::string_view>> names_of_models;       // The same.
  config::OriginRules origins;                                      // Of pages of browsers.
  std::string shared_lines;           // Field lines that the head of every answer begins with.
  bool wants_client_address = false;  // Something is done with where a request came from.
  uint32_t pins = 0;

 private:
  void index_names();
  [[nodiscard]] static PlaceBank* at_or_null(const std::vector<PlaceBank*>& banks,
                                             size_t index) noexcept {
    return index < banks.size() ? banks[index] : nullptr;
  }
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
