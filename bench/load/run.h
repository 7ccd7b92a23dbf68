// One run: its coroutines on one ring, from the first request to the last, and its early end.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <string>

#include <sluice/base/intrusive_list.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/shard/gate.h>

#include "connection.h"
#include "settings.h"
#include "tally.h"

namespace sluice::load {

// Lives longer than all of its coroutines, on one thread.
class Run {
 public:
  // `signal_fd` delivers the signals that end the run early.
  Run(io::Ring& ring, Settings settings, int signal_fd);

  // The whole run; stops the ring at its end. Suspends. Once.
  Task<void> live();

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }
  // From the first request to the end of the last, without the warm-up.
  [[nodiscard]] Duration measured() const noexcept { return end_ - begin_; }
  // Why there was nothing to measure, or empty.
  [[nodiscard]] const std::string& obstacle() const noexcept { return obstacle_; }

 private:
  // Streams still running so long after the end of the duration are interrupted.
  static constexpr Duration kFinishMax = seconds(60);

  struct Place {
    uint32_t index;  // Of the connection among all.
    uint64_t done = 0;
  };

  // --- the modes, one coroutine per connection
  Task<void> stream_on(Place place);
  Task<void> ask_on(Place place);
  Task<void> read_slowly();
  Task<void> leave_on();

  [[nodiscard]] Task<Result<void>> stream_once(Connection& connection, class EventReader& reader);
  [[nodiscard]] Task<Result<void>> ask_once(Connection& connection);
  [[nodiscard]] Task<Result<void>> read_reference(Target target);
  // Leaves in the phase and waits until the other side has noticed.
  [[nodiscard]] Task<Result<void>> leave_once(uint64_t round, Connection& stats);
  [[nodiscard]] Task<Result<void>> leave_gateway(Connection& connection);
  [[nodiscard]] Task<Result<void>> leave_answer(Connection& connection, uint64_t round,
                                                Connection& stats);
  // The body of the simulated server's /sim/stats.
  [[nodiscard]] Task<Result<std::string>> fetch_stats(Connection& connection);

  // Opens `connection` unless it is; a failure is counted and followed by a pause.
  [[nodiscard]] Task<bool> make_ready(Connection& connection);
  void settle(const Result<void>& outcome);
  [[nodiscard]] bool wants_more(const Place& place) const noexcept;
  [[nodiscard]] MonoTime first_start(const Place& place) const noexcept;
  [[nodiscard]] bool is_warm() const noexcept { return ring_.clock().now() >= begin_; }

  void start_all();
  void stop() noexcept;
  void print_progress();

  io::Ring& ring_;
  Settings settings_;
  int signal_fd_;
  signalfd_siginfo signal_{};
  std::string request_;
  shard::Gate gate_;
  IntrusiveList<Connection> connections_;
  Tally tally_;
  std::string obstacle_;
  MonoTime started_;
  MonoTime begin_;    // When counting began: after the warm-up.
  MonoTime stop_at_;  // No request starts after it.
  MonoTime end_;
  uint64_t completed_before_ = 0;  // At the last progress line,
  uint64_t events_before_ = 0;     // for its rates.
  bool is_stopping_ = false;
};

}  // namespace sluice::load
