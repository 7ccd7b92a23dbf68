// The event loop of one thread: submit, wait, dispatch, resume. One system call per turn.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <sluice/base/clock.h>
#include <sluice/base/slab.h>
#include <sluice/io/buffer.h>
#include <sluice/io/event.h>
#include <sluice/io/kernel.h>
#include <sluice/io/op.h>
#include <sluice/io/syscalls.h>
#include <sluice/io/timer.h>

namespace sluice::io {

// Work from other threads, looked at once per turn (mailboxes).
class TurnHook {
 public:
  virtual ~TurnHook() = default;
  [[nodiscard]] virtual bool has_work() const noexcept = 0;
  virtual void run() = 0;
};

struct RingFigures {
  uint64_t turns = 0;
  uint64_t completions = 0;
  uint64_t starved = 0;  // Receives that found no buffer and waited for one.
  uint64_t stale = 0;    // Completions of an unknown op; anything but zero is a bug.
};

// Owns the op slots, the receive buffers, the timers and the turn's time of one thread.
// Constructed, used and destroyed on that thread; only wake() may be called from others.
class Ring {
 public:
  static constexpr uint32_t kCompletionsPerTurn = 512;

  Ring(Kernel& kernel, Syscalls& syscalls, Clock& clock, BufferLimits buffer_limits);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Runs one turn: resumes what is ready, submits, waits for the next completion or deadline,
  // dispatches. With `may_sleep` false it never waits.
  void turn(bool may_sleep = true);
  // A turn that sleeps until `latest` at most: to the precision of the kernel's clock, where timers
  // have that of their wheel. For load generators, which must send at the intended microsecond.
  void turn_until(MonoTime latest);
  // Turns until stop(). The time is that of the call at first, however long the ring stood still.
  void run();
  void stop() noexcept { stopping_ = true; }

  // Ends the wait of a sleeping loop; a running one looks at its hook anyway. Any thread.
  void wake() noexcept;
  // `hook` must live as long as the ring runs.
  void set_hook(TurnHook& hook) noexcept { hook_ = &hook; }
  void clear_hook() noexcept { hook_ = nullptr; }

  // The time of this turn; does not advance within it.
  [[nodiscard]] MonoTime now() const noexcept { return now_; }
  // The wall clock's time of this turn, asked for once.
  [[nodiscard]] WallTime wall() noexcept {
    if (wall_turn_ != figures_.turns) {
      wall_ = clock_.wall();
      wall_turn_ = figures_.turns;
    }
    return wall_;
  }
  [[nodiscard]] Clock& clock() noexcept { return clock_; }
  [[nodiscard]] Syscalls& syscalls() noexcept { return syscalls_; }
  [[nodiscard]] ReadyQueue& ready() noexcept { return ready_; }
  [[nodiscard]] TimerWheel& timers() noexcept { return timers_; }
  [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }
  [[nodiscard]] const RingFigures& figures() const noexcept { return figures_; }
  [[nodiscard]] uint64_t overflows() const { return kernel_.figures().overflows; }
  // Awaited before work that must not hold others up, such as a step of a TLS handshake: goes on
  // in this turn or a later one, behind everything that is ready, kBackgroundPerTurn a turn.
  [[nodiscard]] BackgroundTurn background_turn() noexcept { return BackgroundTurn(background_); }
  [[nodiscard]] uint32_t ops_in_flight() const noexcept { return slots_.live_count(); }

  // Ends both directions of a socket; operations in flight on it complete soon after.
  void shut_down(int fd) noexcept;
  // Closes a descriptor through the ring, after which it must not be used.
  void close(int fd) noexcept;

 private:
  friend class OpTarget;
  // More ops than descriptors allow can never be in flight; this only bounds a leak.
  static constexpr uint32_t kOpsMax = 1u << 21;
  static constexpr uint32_t kResumesPerTurn = 8192;
  static constexpr uint32_t kBackgroundPerTurn = 2;
  static constexpr uint64_t kNoTarget = ~0ull;  // Token of ops whose completion nobody awaits.

  struct OpSlot {
    OpTarget* target;  // Null once the target died.
    Submission submission;
    bool is_cancelled = false;  // A cancel was asked for; the kernel may have missed it.
  };
  using Slots = Slab<OpSlot, 256>;

  static uint64_t token_of(Slots::Handle handle) noexcept {
    return uint64_t{handle.generation} << 32 | handle.index;
  }
  static Slots::Handle handle_of(uint64_t token) noexcept {
    return {static_cast<uint32_t>(token), static_cast<uint32_t>(token >> 32)};
  }
  [[nodiscard]] uint64_t start(OpTarget& target, Submission submission) noexcept;
  void cancel(uint64_t token) noexcept;
  void abandon(uint64_t token) noexcept;
  void dispatch(const KernelCompletion& completion) noexcept;
  void feed_starved() noexcept;
  void end_starved() noexcept;
  [[nodiscard]] bool has_abandoned() noexcept;
  [[nodiscard]] std::optional<Duration> sleep_time(bool may_sleep);
  void arm_wake_read() noexcept;

  // The eventfd by which other threads end the wait.
  class WakeOp final : public OpTarget {
   public:
    using OpTarget::OpTarget;
    void arm(int fd) noexcept;

   private:
    void complete(const KernelCompletion& completion, Buffer buffer) noexcept override;
    uint64_t count_ = 0;
    int fd_ = -1;
  };

  Kernel& kernel_;
  Syscalls& syscalls_;
  Clock& clock_;
  MonoTime now_;
  WallTime wall_;
  uint64_t wall_turn_ = UINT64_MAX;    // The turn in which it was read.
  MonoTime latest_ = MonoTime::max();  // Of turn_until(), while it runs.
  ReadyQueue ready_;
  ReadyQueue background_;
  TimerWheel timers_;
  Slots slots_;
  BufferPool buffers_;
  std::vector<uint64_t> starved_;  // Tokens of receives without a buffer, oldest first.
  bool starved_ends_ = false;      // Some of them were cancelled.
  RingFigures figures_;
  TurnHook* hook_ = nullptr;
  bool stopping_ = false;
  int wake_fd_ = -1;
  WakeOp wake_op_;
  // True from just before the wait until just after it; read by wake() of other threads.
  alignas(128) std::atomic<bool> sleeping_{false};
  std::array<KernelCompletion, kCompletionsPerTurn> completions_;
};

}  // namespace sluice::io
