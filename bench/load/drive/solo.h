// Single clients that do what clients should not: read slowly, and leave.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <string>

#include <sluice/base/intrusive_list.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/shard/gate.h>

#include "drive/connection.h"
#include "plan/settings.h"
#include "report/tally.h"

namespace sluice::load {

// Lives longer than all of its coroutines, on one thread.
class SoloRun {
 public:
  // `signal_fd` delivers the signals that end the run early. `request` is what is asked for, and
  // `body_bytes` of it are the body.
  SoloRun(io::Ring& ring, const Settings& settings, std::string request, size_t body_bytes,
          Tally& tally, int signal_fd);

  // The whole run; stops the ring at its end. Suspends. Once.
  Task<void> live();

  [[nodiscard]] Duration measured() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool was_stopped() const noexcept { return is_stopping_; }

 private:
  Task<void> read_slowly();
  Task<void> leave_on();

  // Leaves in the phase and waits until the other side has noticed.
  [[nodiscard]] Task<Result<void>> leave_once(uint64_t round, Connection& stats);
  [[nodiscard]] Task<Result<void>> leave_gateway(Connection& connection);
  [[nodiscard]] Task<Result<void>> leave_answer(Connection& connection, uint64_t round,
                                                Connection& stats);
  // The body of the simulated server's /sim/stats.
  [[nodiscard]] Task<Result<std::string>> fetch_stats(Connection& connection);

  void settle(const Result<void>& outcome);
  [[nodiscard]] bool wants_more(uint64_t done) const noexcept;
  void stop() noexcept;

  io::Ring& ring_;
  const Settings& settings_;
  std::string request_;
  size_t body_bytes_;
  Tally& tally_;
  int signal_fd_;
  signalfd_siginfo signal_{};
  shard::Gate gate_;
  IntrusiveList<Connection> connections_;
  MonoTime begin_;
  MonoTime stop_at_;  // No request starts after it.
  MonoTime end_;
  bool is_stopping_ = false;
};

// GET /sim/stats, as a request.
[[nodiscard]] std::string render_stats_request(const Url& url);

}  // namespace sluice::load
