// The key store at work: every look and every change goes through here, on one lane.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sluice/auth/directory.h>
#include <sluice/auth/key_store.h>
#include <sluice/base/log.h>
#include <sluice/control/key_port.h>
#include <sluice/io/offload.h>
#include <sluice/io/task.h>
#include <sluice/metrics/registry.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// Hears of changes of the store before they are in force. Control thread.
class KeyChangeObserver {
 public:
  virtual ~KeyChangeObserver() = default;
  virtual void before_change(const auth::DirectoryChange& change) = 0;
};

// Publishes the directory of the store's keys to the shards. A change is in force on every shard
// when run() returns (D5). Parts that no shard uses any more are freed; a delta that has grown is
// folded into a new index beside the work, on a lane of its own.
//
// Control thread only. Await end() before it dies.
class KeyDesk {
 public:
  struct Parts {
    io::Ring& ring;
    io::OffloadReturns& returns;
    metrics::Registry& registry;
    Logger& log;
    std::span<KeyPort> ports;
    KeyChangeObserver* observer = nullptr;  // May be null.
  };
  // What takes longer than this is told of in the log; it goes on waiting.
  static constexpr Duration kSlowChange = seconds(2);
  // Jobs at a time, from the call of run() until it returns.
  static constexpr size_t kJobsMost = 512;
  static constexpr Duration kEndTime = seconds(2);  // That end() waits for the lanes.

  explicit KeyDesk(Parts parts);
  ~KeyDesk();
  KeyDesk(const KeyDesk&) = delete;
  KeyDesk& operator=(const KeyDesk&) = delete;

  // Opens the file and reads it; blocks, before anyone is served; progress goes to the log. The
  // error is a sentence with cause and remedy.
  [[nodiscard]] std::expected<void, std::string> open(const std::string& path, Clock& clock);
  [[nodiscard]] bool has_store() const noexcept;
  // Publishes `index` as the first directory, whatever it was made of. open() does it. Once.
  void start(auth::IndexPtr index);

  // Runs `job` on the store's lane and puts what it changed into force: resumes when every shard
  // has acknowledged that, and what `job` found changed by others. Jobs run in order. The error: no
  // store is configured, too many jobs wait, or the desk has ended; `job` has then not run. Whoever
  // calls must not die meanwhile. Suspends.
  using Job = std::move_only_function<void(auth::KeyStore&)>;
  Task<std::expected<void, std::string>> run(Job job);
  // The same for a job that brings its own store and says what it has changed there.
  using Change = std::move_only_function<auth::DirectoryChange()>;
  Task<std::expected<void, std::string>> put_in_force(Change job);

  // While it is held, run() refuses with that sentence, static storage; "" ends it. Jobs that run
  // go on: see is_busy(). For an upgrade, whose successor reads the file meanwhile.
  void hold(std::string_view why) noexcept;

  // What shards look in since the last message to each; the first one is sent by start().
  [[nodiscard]] auth::Directory present() const noexcept;
  void on_adopted(ShardId shard, uint64_t version);
  // The shard has ended: it acknowledges nothing any more. What it may still look at stays.
  void on_shard_end(ShardId shard);

  // Whether a job hangs on the lane, which then cannot be joined soon.
  [[nodiscard]] bool is_busy() const noexcept;
  // Waits for the shards no more, so that every run() returns, and for jobs at most kEndTime; the
  // desk cannot be destroyed while one is_busy(). Suspends.
  Task<void> end();

 private:
  struct State;
  struct Waiting;

  Task<void> in_force(Waiting& waiting);
  Task<void> publish_pending();
  void apply_small(const auth::DirectoryChange& change);
  Task<void> apply_large(auth::DirectoryChange& change);
  Task<void> fold();
  void fold_if_due();
  void set_index(auth::IndexPtr index, const auth::DirectoryFigures& figures);
  void set_delta(auth::DeltaPtr delta);
  void publish();
  void release_in_force();
  void free_unused();

  Parts parts_;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::control
