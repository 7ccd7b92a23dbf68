// Several rings in one simulated world, as threads that sleep in their kernel and are woken.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim_fiber.h"
#include "sim_world.h"

namespace sluice::support {

// What a process has of its own: descriptors, and the calls that make them.
struct SimProcess {
  explicit SimProcess(SimWorld& world)
      : files(world.net()), syscalls(files, world.net(), world.faults(), world.random().fork()) {}
  SimFiles files;
  SimSyscalls syscalls;
};

// Threads run one at a time, from one wait for their kernel to the next, in an order drawn from the
// seed. A thread that waits is not looked at before its own kernel has something for it or its time
// is over: who forgets to wake it is found out. Time passes only while all of them wait.
class SimThreads {
 public:
  explicit SimThreads(SimWorld& world) : world_(world), prng_(world.random().fork()) {}
  ~SimThreads();
  SimThreads(const SimThreads&) = delete;
  SimThreads& operator=(const SimThreads&) = delete;

  // A kernel for the ring of a thread of `process`; as long as this object.
  [[nodiscard]] SimKernel& make_kernel(SimProcess& process);
  // Starts a thread whose ring has `kernel`; `body` returns when the thread has ended.
  void start(SimKernel& kernel, std::function<void()> body);
  [[nodiscard]] bool has_ended(const SimKernel& kernel) const;

  // Called after each step: a thread has run, or time has passed.
  std::function<void()> when_stepped;

  // Steps until `is_done()`. False, with a failure, when nothing can ever happen any more, or when
  // `steps_max` are over.
  bool run_until(const std::function<bool()>& is_done, uint64_t steps_max);
  // What each thread waits for, for reports.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] uint64_t steps() const noexcept { return steps_; }

 private:
  class Seat final : public SimKernel::Bed {
   public:
    void rest(std::optional<MonoTime> until) override;
    [[nodiscard]] bool is_ready(MonoTime now);
    std::unique_ptr<SimKernel> kernel;
    std::unique_ptr<SimFiber> fiber;
    std::optional<MonoTime> until;
  };

  bool step();
  bool pass_time();
  SimWorld& world_;
  Prng prng_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<Seat*> ready_;
  uint64_t steps_ = 0;
};

}  // namespace sluice::support
