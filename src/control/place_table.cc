#include <sluice/control/place_table.h>

#include <algorithm>

namespace sluice::control {
namespace {

// Places handed out at once when a limit is raised; as each is given back, the next is handed on.
constexpr uint32_t kHandedMost = 4096;

// Whether requests of `model` can ever have to wait.
bool can_wait(const config::Snapshot& snapshot, const config::Model& model) {
  return snapshot.limits.concurrency_max > 0 || model.concurrency_max > 0 ||
         std::ranges::any_of(model.routes, [&](const config::Route& route) {
           return snapshot.upstream(route.upstream).concurrency_max > 0;
         });
}

}  // namespace

upstream::SnapshotPlaces PlaceTable::follow(const config::Snapshot& snapshot) {
  upstream::SnapshotPlaces places;
  places.process = find('p', "", snapshot.limits.concurrency_max);
  for (const config::Upstream& upstream : snapshot.upstreams) {
    places.upstreams.push_back(find('u', upstream.name, upstream.concurrency_max));
    const uint32_t probes = upstream.breaker.enabled ? upstream.breaker.probes : 0;
    places.probes.push_back(find('b', upstream.name, probes));
  }
  for (const config::Model& model : snapshot.models) {
    places.models.push_back(find('m', model.name, model.concurrency_max));
    const uint32_t line = can_wait(snapshot, model) ? model.queue.length_max : 0;
    places.queues.push_back(find('q', model.name, line));
  }
  return places;
}

PlaceBank* PlaceTable::find(char kind, std::string_view name, uint32_t most) {
  std::string key(1, kind);
  key += name;
  if (most == 0) {
    // Who still waits for one of the limit that is gone is served.
    const auto kept = banks_.find(key);
    if (kept != banks_.end()) raise(*kept->second, 0);
    return nullptr;
  }
  std::unique_ptr<PlaceBank>& bank = banks_[key];
  if (bank == nullptr) bank = std::make_unique<PlaceBank>(shards_);
  raise(*bank, most);
  return bank.get();
}

void PlaceTable::raise(PlaceBank& bank, uint32_t most) {
  bank.set_most(most);
  for (uint32_t i = 0; i < kHandedMost; ++i) {
    if (!bank.hand_one()) break;
  }
}

}  // namespace sluice::control
