#include <sluice/exchange/generation.h>

#include <sluice/json/writer.h>

namespace sluice::exchange {

Generation::Generation(const config::Snapshot& snapshot, metrics::SnapshotCells snapshot_cells,
                       ShardId shard)
    : config(snapshot),
      cells(std::move(snapshot_cells)),
      auth(auth::KeyTable(snapshot)),
      router(shard, snapshot.models, snapshot.upstreams) {
  for (const config::Model& model : snapshot.models) {
    std::vector<std::string>& names = model_names.emplace_back();
    for (const config::Route& route : model.routes) {
      names.push_back(route.model == model.name ? std::string() : json::quote(route.model));
    }
  }
  for (const config::Upstream& upstream : snapshot.upstreams) {
    authorizations.push_back(upstream.credential.empty() ? std::string()
                                                         : "Bearer " + upstream.credential);
  }
}

}  // namespace sluice::exchange
