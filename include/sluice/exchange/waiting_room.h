// Requests in line for a place, and the places that come free for them.
#pragma once

#include <cstdint>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/exchange/shard_state.h>
#include <sluice/io/event.h>
#include <sluice/limit/place.h>
#include <sluice/limit/wait_queue.h>
#include <sluice/route/route_set.h>

namespace sluice::exchange {

struct Generation;

// What a request in line lacks.
enum class Lacks : uint8_t { kProcessPlace, kModelPlace, kDeploymentPlace };

// A request in line. Lives in the frame of its wait and has left the room before it dies.
struct InLine : limit::Waiting {
  InLine(io::ReadyQueue& ready, Generation& request_generation, ModelId request_model) noexcept;

  // Calls `visit(bank)` for each bank that a place of would help.
  template <class Visit>
  void for_each_bank(Visit visit) const;
  [[nodiscard]] bool wants(const PlaceBank& bank) const;

  Generation& generation;
  ModelId model;
  Lacks lacks = Lacks::kDeploymentPlace;
  route::RouteSet candidates;  // Routes that could serve it; meaningful with kDeploymentPlace.
  io::Event served;            // Ready when `place` was handed to it.
  limit::Place place;
  bool is_in_line = false;
};

// Owned by the worker; one shard. Who is served when is the queues' decision; a place that nobody
// here can use goes on to the next shard.
class WaitingRoom {
 public:
  WaitingRoom(ShardId shard, limit::ShardWaker& waker) noexcept : shard_(shard), waker_(waker) {}
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  [[nodiscard]] limit::ShardWaker& waker() noexcept { return waker_; }

  // Whether somebody in line waits for a place of `bank`.
  [[nodiscard]] bool is_wanted(const PlaceBank& bank) const noexcept {
    if (flows_.empty()) return false;
    const auto found = wanted_.find(const_cast<PlaceBank*>(&bank));
    return found != wanted_.end() && found->second > 0;
  }
  // Puts `waiting` in line. It, or another one, may be served before this returns.
  void join(InLine& waiting);
  // Takes it out of line, if it still is there.
  void leave(InLine& waiting);
  // Serves those in line with what was handed to this shard. After each LookForPlaces, and in the
  // turn of a wake of our own.
  void distribute();

 private:
  void serve(limit::Place place);
  // The next in line that wants a place of `bank`, taken out of line.
  [[nodiscard]] InLine* take_next(const PlaceBank& bank);
  [[nodiscard]] InLine* take_next(ModelFlow& flow, const PlaceBank& bank);
  void enter(InLine& waiting);
  void exit(InLine& waiting);
  void publish(PlaceBank& bank);

  ShardId shard_;
  limit::ShardWaker& waker_;
  std::vector<ModelFlow*> flows_;  // With requests in line.
  // How many in line want a place of each bank. Kept when it falls to zero, because a place may be
  // on its way; as many as there are limits in the configurations.
  absl::flat_hash_map<PlaceBank*, uint32_t> wanted_;
};

}  // namespace sluice::exchange
