#include <sluice/control/place_table.h>

#include <algorithm>
#include <utility>

#include <sluice/limit/subjects.h>

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
    if (kept != banks_.end()) {
      kept->second->set_most(0);
      hand_out(*kept->second);
    }
    return nullptr;
  }
  std::unique_ptr<PlaceBank>& bank = banks_[key];
  if (bank == nullptr) {
    const SharedCount count =
        shared_ == nullptr ? SharedCount{} : shared_->places(limit::hash_name(key));
    bank = std::make_unique<PlaceBank>(shards_, count);
  }
  bank->set_most(most);
  hand_out(*bank);
  return bank.get();
}

bool PlaceTable::hand_out(PlaceBank& bank) {
  uint32_t handed = 0;
  while (handed < kHandedMost && bank.hand_one()) ++handed;
  return handed > 0;
}

bool PlaceTable::hand_freed() {
  // Once more after the others have gone: with them went what they held.
  const bool is_shared = shared_ != nullptr && shared_->is_shared();
  if (!std::exchange(was_shared_, is_shared) && !is_shared) return false;
  bool is_any = false;
  for (const auto& [name, bank] : banks_) is_any |= hand_out(*bank);
  return is_any;
}

}  // namespace sluice::control
