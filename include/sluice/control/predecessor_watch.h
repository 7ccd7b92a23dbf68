// What a predecessor still sends while it drains: connections, and records of what it serves.
#pragma once

#include <span>

#include <sluice/base/log.h>
#include <sluice/control/shard_port.h>
#include <sluice/control/spend_journal.h>
#include <sluice/io/ring.h>
#include <sluice/io/timer.h>
#include <sluice/shard/gate.h>

namespace sluice::control {

// Should this process end first, the predecessor goes on writing the journal itself. It may only
// begin when this process writes no more, which it learns from the end of the channel: so that is
// closed when this dies.
//
// Control thread only. Await end() before it dies, once start() was called; and write the journal's
// end before, too.
class PredecessorWatch {
 public:
  struct Parts {
    io::Ring& ring;
    std::span<ShardPort> ports;
    SpendJournal* spend = nullptr;  // Null without a journal.
    Logger& log;
  };
  // All outlive the watch.
  explicit PredecessorWatch(Parts parts);
  ~PredecessorWatch();
  PredecessorWatch(const PredecessorWatch&) = delete;
  PredecessorWatch& operator=(const PredecessorWatch&) = delete;

  // Takes both channels over. Connections go to the shards in turn, as fast as these keep up.
  void start(int connections, int records);
  // Whether the predecessor still drains.
  [[nodiscard]] bool is_busy() const noexcept { return is_busy_; }
  // This process ends first: what has come is still booked, and no more is taken. Suspends.
  Task<void> end();

 private:
  // Messages taken before others have a turn, and the pause while a shard is behind.
  static constexpr int kTakenAtOnce = 64;
  static constexpr Duration kBehindPause = milliseconds(1);

  Task<void> watch_connections(int channel);
  Task<void> watch_records();
  // What is there now. False at the end of the channel.
  [[nodiscard]] bool take_connections(int channel);
  enum class Taken : uint8_t { kSome, kAll, kEnd };
  [[nodiscard]] Taken take_records();
  void take_last_records();
  [[nodiscard]] bool is_behind() const noexcept;

  Parts parts_;
  shard::Gate gate_;
  io::Event connections_over_;
  io::Event records_over_;
  uint32_t next_shard_ = 0;
  int records_ = -1;  // The channel.
  bool is_busy_ = false;
};

}  // namespace sluice::control
