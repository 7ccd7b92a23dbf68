#include <sluice/control/key_desk.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "key_desk_state.h"

namespace sluice::control {
namespace {

using auth::DeltaPtr;
using auth::DirectoryChange;
using auth::DirectoryDelta;
using auth::DirectoryIndex;
using auth::IndexPtr;

// Above it a change goes into a new index at once, on the lane.
bool is_large(const DirectoryChange& change) noexcept {
  return change.keys.size() + change.gone.size() + change.owners.size() +
             change.gone_owners.size() >
         auth::kDeltaMost;
}

// Deltas above it are not freed by the control thread.
constexpr size_t kSmallDelta = 16 * auth::kDeltaMost;

struct Made {
  IndexPtr index;
  auth::DirectoryFigures figures;
};

// On the lane; what it refers to stays until it is done.
struct FoldJob {
  const DirectoryIndex* index;
  const DirectoryDelta* delta;
  DirectoryChange* change;  // Null, or to be had besides.

  Made operator()() const {
    IndexPtr made;
    if (change == nullptr) {
      made = auth::fold(index, delta);
    } else {
      // Freed here, not by the control thread.
      const DirectoryChange own_change = std::move(*change);
      const DeltaPtr all = auth::apply(delta, own_change);
      made = auth::fold(index, all.get());
    }
    const auth::DirectoryFigures figures = auth::figures_of(*made);
    return {std::move(made), figures};
  }
};

class LoggedProgress final : public auth::KeyStore::Progress {
 public:
  LoggedProgress(const std::string& path, Logger& log) noexcept : path_(path), log_(log) {}
  void on_keys(uint64_t read) override {
    log_.write(LogLevel::kInfo, "keys", fmt::format("reading {}: {} keys so far", path_, read));
  }

 private:
  const std::string& path_;
  Logger& log_;
};

// Both outlive it.
struct StoreJob {
  KeyDesk::Job* job;
  auth::KeyStore* store;

  auth::DirectoryChange operator()() const {
    (*job)(*store);
    return store->take_changes();
  }
};

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

KeyDesk::KeyDesk(Parts parts)
    : parts_(parts), state_(std::make_unique<State>(parts.ring, parts.ports.size())) {}

KeyDesk::~KeyDesk() = default;

bool KeyDesk::has_store() const noexcept { return state_->store != nullptr; }

auth::Directory KeyDesk::present() const noexcept { return state_->published; }

bool KeyDesk::is_busy() const noexcept { return state_->jobs_on_lane > 0 || state_->is_folding; }

std::expected<void, std::string> KeyDesk::open(const std::string& path, Clock& clock) {
  const MonoTime begun = clock.now();
  auto store = auth::KeyStore::open(path, clock);
  if (!store) return std::unexpected(std::move(store.error()));
  LoggedProgress progress(path, parts_.log);
  auto index = (*store)->load(progress);
  if (!index) return std::unexpected(std::move(index.error().text));
  const auth::DirectoryFigures figures = auth::figures_of(**index);
  // Of the file as it was read; only what comes after is a change.
  (void)(*store)->take_changes();
  state_->store = *std::move(store);
  start(*std::move(index));
  parts_.log.write(
      LogLevel::kInfo, "keys",
      fmt::format("{}: {} keys and {} owners in {:.1f} MiB, read in {:.3g} s", path, figures.keys,
                  figures.owners, static_cast<double>(figures.bytes) / (1 << 20),
                  seconds_of(clock.now() - begun)));
  return {};
}

void KeyDesk::start(IndexPtr index) {
  state_->store_lane = std::make_unique<io::Lane>();
  state_->fold_lane = std::make_unique<io::Lane>();
  const auth::DirectoryFigures figures = auth::figures_of(*index);
  set_index(std::move(index), figures);
  set_delta(nullptr);
  state_->keys = static_cast<int64_t>(figures.keys);
  publish();
}

void KeyDesk::hold(std::string_view why) noexcept { state_->held_because = why; }

// --- a change ----------------------------------------------------------------------------------

Task<std::expected<void, std::string>> KeyDesk::run(Job job) {
  if (state_->store == nullptr) {
    co_return std::unexpected(
        "there is no key store; name its file in store.path and restart Sluice");
  }
  if (!state_->held_because.empty()) {
    co_return std::unexpected(std::string(state_->held_because));
  }
  StoreJob on_store{&job, &*state_->store};
  std::expected<void, std::string> outcome = co_await put_in_force(on_store);
  co_return outcome;
}

Task<std::expected<void, std::string>> KeyDesk::put_in_force(Change job) {
  State& state = *state_;
  if (state.is_over) {
    co_return std::unexpected("Sluice is ending; ask again when it has started anew");
  }
  if (state.store_lane == nullptr) {
    co_return std::unexpected(
        "there is no key store; name its file in store.path and restart Sluice");
  }
  if (state.jobs >= kJobsMost) {
    co_return std::unexpected(fmt::format(
        "{} other calls wait for the key store; try again when it has caught up", state.jobs));
  }
  const shard::Gate::Pass pass = state.gate.enter();
  ++state.jobs;
  ++state.jobs_on_lane;
  std::optional<DirectoryChange> change =
      co_await io::offload(*state.store_lane, parts_.returns, std::move(job));
  --state.jobs_on_lane;
  // Not full: it has more room than jobs there can be.
  SLUICE_ASSERT(change.has_value());
  const bool has_changed = !change->is_empty();
  const MonoTime changed_at = parts_.ring.now();
  Waiting waiting(parts_.ring.ready(), *std::move(change));
  state.pending.push_back(&waiting);
  if (!state.is_publishing) io::start_detached(publish_pending());
  co_await in_force(waiting);
  --state.jobs;
  if (has_changed) {
    parts_.registry.control().directory_changes.add();
    parts_.registry.control().directory_change_time.record(parts_.ring.now() - changed_at);
  }
  co_return std::expected<void, std::string>();
}

Task<void> KeyDesk::in_force(Waiting& waiting) {
  io::Timer slow(parts_.ring.ready(), parts_.ring.timers());
  slow.set(Deadline{parts_.ring.now() + kSlowChange});
  co_await io::first_of(&waiting.is_in_force, &slow);
  if (waiting.is_in_force.is_ready()) co_return;
  std::string late;
  for (size_t i = 0; i < state_->shards.size(); ++i) {
    const State::ShardUse& shard = state_->shards[i];
    if (shard.has_ended() || (waiting.version != 0 && shard.adopted >= waiting.version)) continue;
    late += fmt::format("{}{}", late.empty() ? "" : ", ", parts_.ports[i].shard().value);
  }
  parts_.log.write(LogLevel::kWarn, "keys",
                   fmt::format("a change of keys is in the store, but not in force on shard {} "
                               "after {:.3g} s; its call goes on waiting",
                               late, seconds_of(kSlowChange)));
  co_await io::first_of(&waiting.is_in_force);
}

// One at a time, so that changes go over each other in the order in which the store made them.
Task<void> KeyDesk::publish_pending() {
  State& state = *state_;
  const shard::Gate::Pass pass = state.gate.enter();
  state.is_publishing = true;
  while (!state.pending.empty()) {
    // What comes while a large change is applied is published together.
    const std::deque<Waiting*> batch = std::exchange(state.pending, {});
    bool has_changed = false;
    for (Waiting* const waiting : batch) {
      if (waiting->change.is_empty()) continue;
      has_changed = true;
      if (parts_.observer != nullptr) parts_.observer->before_change(waiting->change);
      if (is_large(waiting->change)) {
        co_await apply_large(waiting->change);
      } else {
        apply_small(waiting->change);
      }
    }
    if (has_changed) publish();
    for (Waiting* const waiting : batch) {
      waiting->version = state.version;
      state.published_waiting.push_back(waiting);
    }
    release_in_force();
  }
  state.is_publishing = false;
  fold_if_due();
}

void KeyDesk::apply_small(const DirectoryChange& change) {
  State& state = *state_;
  const auth::Directory before(state.index, state.delta, 0);
  DeltaPtr delta = auth::apply(state.delta, change);
  const auth::Directory after(state.index, delta.get(), 0);
  const auto count = [&](const std::vector<auth::KeyRecord>& keys) {
    for (const auth::KeyRecord& key : keys) {
      state.keys += int{after.has_key(key.id)} - int{before.has_key(key.id)};
    }
  };
  count(change.keys);
  count(change.gone);
  set_delta(std::move(delta));
  if (state.is_folding) state.since_fold = auth::apply(state.since_fold.get(), change);
}

Task<void> KeyDesk::apply_large(DirectoryChange& change) {
  State& state = *state_;
  while (state.is_folding) {
    state.folded.reset();
    co_await io::first_of(&state.folded);
  }
  state.is_folding = true;
  std::optional<Made> made = co_await io::offload(*state.fold_lane, parts_.returns,
                                                  FoldJob{state.index, state.delta, &change});
  state.is_folding = false;
  if (made) {
    set_index(std::move(made->index), made->figures);
    set_delta(nullptr);
    state.keys = static_cast<int64_t>(made->figures.keys);
  } else {
    apply_small(change);
  }
}

void KeyDesk::fold_if_due() {
  const State& state = *state_;
  if (state.is_folding || state.is_over || state.delta == nullptr) return;
  if (auth::size_of(*state.delta) > auth::kDeltaMost) io::start_detached(fold());
}

Task<void> KeyDesk::fold() {
  State& state = *state_;
  const shard::Gate::Pass pass = state.gate.enter();
  state.is_folding = true;
  state.folding_delta = state.delta;
  std::optional<Made> made = co_await io::offload(*state.fold_lane, parts_.returns,
                                                  FoldJob{state.index, state.delta, nullptr});
  state.is_folding = false;
  state.folding_delta = nullptr;
  DeltaPtr since_fold = std::move(state.since_fold);
  if (made) {
    set_index(std::move(made->index), made->figures);
    set_delta(std::move(since_fold));
    publish();
  }
  state.folded.trigger();
  if (made && !state.is_publishing) fold_if_due();
}

// --- parts -------------------------------------------------------------------------------------

void KeyDesk::set_index(IndexPtr index, const auth::DirectoryFigures& figures) {
  State& state = *state_;
  if (!state.indexes.empty()) state.indexes.back().last = state.version;
  parts_.registry.control().directory_bytes.set(static_cast<int64_t>(figures.bytes));
  state.index = index.get();
  state.indexes.push_back({std::move(index), state.version + 1});
}

void KeyDesk::set_delta(DeltaPtr delta) {
  State& state = *state_;
  if (!state.deltas.empty()) state.deltas.back().last = state.version;
  state.delta = delta.get();
  state.deltas.push_back({std::move(delta), state.version + 1});
}

void KeyDesk::publish() {
  State& state = *state_;
  ++state.version;
  state.published = auth::Directory(state.index, state.delta, state.version);
  parts_.registry.control().directory_keys.set(state.keys);
  for (size_t i = 0; i < parts_.ports.size(); ++i) {
    if (!state.shards[i].has_ended()) parts_.ports[i].send(auth::AdoptDirectory{state.published});
  }
  free_unused();
}

void KeyDesk::release_in_force() {
  State& state = *state_;
  uint64_t in_force = State::kNotOver;
  if (!state.is_over) {
    for (const State::ShardUse& shard : state.shards) {
      if (!shard.has_ended()) in_force = std::min(in_force, shard.adopted);
    }
  }
  while (!state.published_waiting.empty() && state.published_waiting.front()->version <= in_force) {
    state.published_waiting.front()->is_in_force.trigger();
    state.published_waiting.pop_front();
  }
}

void KeyDesk::free_unused() {
  State& state = *state_;
  std::erase_if(state.indexes, [&state](State::Held<IndexPtr>& held) {
    if (state.is_used(held)) return false;
    // A hundred megabytes take a while to be given back.
    if (held.part != nullptr) (void)state.fold_lane->post([part = std::move(held.part)] {});
    return true;
  });
  std::erase_if(state.deltas, [&state](State::Held<DeltaPtr>& held) {
    if (state.is_used(held)) return false;
    if (held.part == nullptr) return true;
    if (held.part.get() == state.folding_delta) return false;
    if (auth::size_of(*held.part) > kSmallDelta) {
      (void)state.fold_lane->post([part = std::move(held.part)] {});
    }
    return true;
  });
}

// --- shards ------------------------------------------------------------------------------------

void KeyDesk::on_adopted(ShardId shard, uint64_t version) {
  State& state = *state_;
  for (size_t i = 0; i < parts_.ports.size(); ++i) {
    if (parts_.ports[i].shard() != shard) continue;
    state.shards[i].adopted = std::max(state.shards[i].adopted, version);
  }
  release_in_force();
  free_unused();
}

void KeyDesk::on_shard_end(ShardId shard) {
  State& state = *state_;
  for (size_t i = 0; i < parts_.ports.size(); ++i) {
    if (parts_.ports[i].shard() == shard && !state.shards[i].has_ended()) {
      state.shards[i].sent = state.version;
    }
  }
  release_in_force();
  free_unused();
}

Task<void> KeyDesk::end() {
  State& state = *state_;
  state.is_over = true;
  release_in_force();
  io::Timer patience(parts_.ring.ready(), parts_.ring.timers());
  patience.set(Deadline{parts_.ring.now() + kEndTime});
  while (state.gate.inside() > 0 && !patience.is_ready()) {
    state.gate.emptied().reset();
    co_await io::first_of(&state.gate.emptied(), &patience);
  }
}

}  // namespace sluice::control
