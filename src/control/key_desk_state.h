// What a key desk keeps: the parts of directories, who still uses them, and who waits.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include <sluice/control/key_desk.h>
#include <sluice/io/event.h>
#include <sluice/io/timer.h>

namespace sluice::control {

// One job whose change is to be in force. In the frame of the call.
struct KeyDesk::Waiting {
  Waiting(io::ReadyQueue& ready, auth::DirectoryChange made)
      : is_in_force(ready), change(std::move(made)) {}

  io::Event is_in_force;
  auth::DirectoryChange change;
  uint64_t version = 0;  // Of the directory that has it.
};

struct KeyDesk::State {
  explicit State(io::Ring& ring, size_t shard_count)
      : gate(ring.ready()), folded(ring.ready()), shards(shard_count) {}

  static constexpr uint64_t kNotOver = UINT64_MAX;

  // With the versions of directories that it is in.
  template <class Part>
  struct Held {
    Part part;
    uint64_t first = 0;
    uint64_t last = kNotOver;
  };
  struct ShardUse {
    uint64_t adopted = 0;
    uint64_t sent = kNotOver;  // Once it has ended, the last version that it may know.
    [[nodiscard]] bool has_ended() const noexcept { return sent != kNotOver; }
  };

  // Ended shards count: their threads may still be on their way out.
  template <class Part>
  [[nodiscard]] bool is_used(const Held<Part>& held) const noexcept {
    if (held.last >= version) return true;
    if (held.first > held.last) return false;
    for (const ShardUse& shard : shards) {
      if (held.last >= shard.adopted && held.first <= shard.sent) return true;
    }
    return false;
  }

  std::string_view held_because;  // Why nothing may change; "" when it may.
  shard::Gate gate;
  io::Event folded;  // A fold has ended; only publish_pending() waits for it.
  std::vector<ShardUse> shards;

  // The last of each is the present one; its part may be null.
  std::deque<Held<auth::IndexPtr>> indexes;
  std::deque<Held<auth::DeltaPtr>> deltas;
  const auth::DirectoryIndex* index = nullptr;
  const auth::DirectoryDelta* delta = nullptr;
  const auth::DirectoryDelta* folding_delta = nullptr;  // Read on the lane; not to be freed.
  auth::DeltaPtr since_fold;                            // What has changed since a fold began.
  auth::Directory published;
  uint64_t version = 0;  // Of `published`.
  int64_t keys = 0;

  std::deque<Waiting*> pending;  // Not published yet, in the order of the store.
  std::deque<Waiting*> published_waiting;
  size_t jobs = 0;  // Calls of run() that have not returned.
  size_t jobs_on_lane = 0;
  bool is_publishing = false;
  bool is_folding = false;
  bool is_over = false;

  // Behind the store, so that they are joined before it is closed.
  std::unique_ptr<auth::KeyStore> store;
  std::unique_ptr<io::Lane> store_lane;  // Both null before start().
  std::unique_ptr<io::Lane> fold_lane;   // Makes indexes, and frees what is large.
};

}  // namespace sluice::control
