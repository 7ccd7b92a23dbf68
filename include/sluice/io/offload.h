// One helper thread for calls that block (files, YAML, SQL drivers, name look-ups): one lane per
// resource, so that a hanging one stops nothing else.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>

namespace sluice::io {

// Control path only: locks, allocates. Jobs run in order on the lane's thread.
class Lane {
 public:
  static constexpr size_t kJobsMax = 1024;

  Lane();
  // Finishes the jobs that wait, then ends the thread.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // False when kJobsMax jobs wait already; the job is then not run.
  [[nodiscard]] bool post(std::move_only_function<void()> job);
  [[nodiscard]] size_t waiting();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool ending_ = false;
  std::thread thread_;
};

// Completions of lane jobs on their way back to a ring's thread; the ring's hook drains it.
class OffloadReturns {
 public:
  explicit OffloadReturns(Ring& ring) noexcept : ring_(ring) {}
  [[nodiscard]] bool has_work() noexcept;
  // Runs what has come back, on the ring's thread.
  void run();
  // Any thread.
  void push(std::move_only_function<void()> finish);
  [[nodiscard]] Ring& ring() noexcept { return ring_; }

 private:
  Ring& ring_;
  std::mutex mutex_;
  std::deque<std::move_only_function<void()>> finished_;
};

// Runs `job` on `lane` and resumes the caller on the ring's thread with its result; empty when
// the lane was full. `job` must own or outlive all it touches. Suspends.
template <class Job>
Task<std::optional<std::invoke_result_t<Job>>> offload(Lane& lane, OffloadReturns& returns,
                                                       Job job) {
  using Value = std::invoke_result_t<Job>;
  struct Passage {
    explicit Passage(ReadyQueue& ready) : done(ready) {}
    Event done;
    std::optional<Value> value;
  };
  Passage passage(returns.ring().ready());
  auto run = [&job, &passage, &returns] {
    passage.value.emplace(job());
    returns.push([&passage] { passage.done.trigger(); });
  };
  if (!lane.post(std::move(run))) co_return std::nullopt;
  co_await first_of(&passage.done);
  co_return std::move(passage.value);
}

}  // namespace sluice::io
