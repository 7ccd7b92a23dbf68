// One run: its clients on one ring, from the first connection to the last answer.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <sluice/base/fixed_ring.h>
#include <sluice/io/ring.h>

#include "drive/client.h"
#include "plan/settings.h"
#include "plan/workload.h"

namespace sluice::load {

// Reads the signals that end a run early. Lives until the ring has turned after stop().
class SignalOp final : public io::OpTarget {
 public:
  SignalOp(io::Ring& ring, int fd) noexcept : OpTarget(ring), fd_(fd) {}
  void listen() noexcept;
  [[nodiscard]] uint32_t count() const noexcept { return count_; }

 private:
  void complete(const io::KernelCompletion& completion, io::Buffer) noexcept override;
  int fd_;
  uint32_t count_ = 0;
  signalfd_siginfo signal_{};
};

// Open loop: requests are due by a schedule or a trace, wait for a connection in a bounded queue,
// and are timed from when they were due. Closed loop: each connection sends when it is free.
class Run final : public ClientOwner {
 public:
  // `settings` and what `expected_body` points to must outlive it. `signal_fd` delivers the signals
  // that end the run early: the first lets it report, the second ends the process.
  Run(io::Ring& on, const Settings& settings, Workload workload, Tally& into,
      std::string_view expected_body, int signal_fd);
  ~Run();

  // The whole run. Once.
  void live();

  // From the end of the warm-up to the end of the last answer.
  [[nodiscard]] Duration measured() const noexcept {
    return end_ > begin_ ? end_ - begin_ : Duration::zero();
  }
  [[nodiscard]] bool was_stopped() const noexcept { return was_stopped_; }
  // When clients that were told to leave did so.
  [[nodiscard]] const std::vector<MonoTime>& departures() const noexcept { return departures_; }

 private:
  static constexpr uint32_t kConnectingMax = 256;  // Listeners have short queues.
  static constexpr Duration kRetryPause = milliseconds(100);
  static constexpr Duration kSweepStep = milliseconds(100);
  static constexpr size_t kDeparturesMax = 100'000;

  struct Due {
    MonoTime at;
    uint64_t index = 0;
  };

  void on_connected(Client& client) noexcept override;
  void on_closed(Client& client, std::string_view fault) noexcept override;
  void on_sent(Client& client) noexcept override;
  void on_answer(Client& client, const Outcome& outcome) noexcept override;

  // Connects every client; false when none could be.
  [[nodiscard]] bool open_all();
  void open_more();
  void connect(Client& client);
  void begin_clock();
  void turn();
  void close_all();

  // --- what is due
  void fire(MonoTime now);
  void fire_arrivals(MonoTime now);
  void find_next_arrival();
  void arrive(const Due& due);
  [[nodiscard]] MonoTime next_due() const noexcept;
  // When the first request of a closed loop's client is due.
  [[nodiscard]] MonoTime start_of(uint32_t client) const noexcept;
  void sweep(MonoTime now);
  void tick(MonoTime now);
  void freeze_or_thaw(MonoTime now);

  // --- single requests
  void offer(Client& client) noexcept;
  void begin(Client& client, const Due& due, bool is_punctual) noexcept;
  void settle(Client& client, const Outcome& outcome) noexcept;
  [[nodiscard]] bool wants_more(const Client& client) const noexcept;
  [[nodiscard]] bool is_over() noexcept;
  void drop_queue() noexcept;
  void stop() noexcept;
  void print_progress();

  [[nodiscard]] bool is_open_loop() const noexcept { return arrivals_ || workload_.has_trace(); }

  const Settings& settings_;
  Workload workload_;
  SignalOp signals_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::optional<Arrivals> arrivals_;
  std::optional<Due> next_arrival_;
  FixedRing<Due> queue_;
  FixedRing<uint32_t> idle_;    // Clients of an open loop, by index; some may be closed by now.
  std::deque<Due> reconnects_;  // By client.
  std::vector<MonoTime> departures_;

  MonoTime started_;
  MonoTime begin_;       // When counting began: after the warm-up.
  MonoTime stop_at_;     // No request starts after it.
  MonoTime give_up_at_;  // No request runs on after it.
  MonoTime end_;
  MonoTime next_sweep_;
  MonoTime next_tick_;
  MonoTime next_freeze_ = MonoTime::max();
  uint64_t issued_ = 0;
  uint64_t arrived_ = 0;
  uint32_t unopened_ = 0;    // Clients that have not tried to connect yet,
  uint32_t connecting_ = 0;  // and those that are at it.
  uint32_t open_ = 0;
  uint32_t next_start_ = 0;  // Clients before it may begin: closed loop only.
  uint32_t satisfied_ = 0;   // Clients that have done all their requests.
  bool is_running_ = false;  // The clock has begun.
  bool is_stopping_ = false;
  bool was_stopped_ = false;  // By a signal.
  bool is_frozen_ = false;
};

}  // namespace sluice::load
