// io_uring in memory: what io::Ring asks of a kernel, answered from a seed in fake time.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include <sluice/io/kernel.h>

#include "sim_files.h"

namespace sluice::support {

// Follows Linux 6.18 where the ring can tell the difference: receive buffers are chosen when the
// bytes are there, a receive that finds none fails with -ENOBUFS at once; a cut send reports what
// went out; close() does not end armed operations; a target of a cancel still posts its own end.
// Misuse (two sends on one socket, an operation on a closed descriptor, a buffer provided twice)
// fails the test.
class SimKernel final : public io::Kernel {
 public:
  // Where a thread sleeps while it waits, and lets the others run; see sim_threads.h.
  class Bed {
   public:
    // Returns when has_completion(), or once `until` has come.
    virtual void rest(std::optional<MonoTime> until) = 0;

   protected:
    ~Bed() = default;
  };

  SimKernel(SimClock& clock, EventQueue& events, SimFiles& files, SimNet& net, SimTrace& trace,
            const FaultPlan& plan, Prng prng)
      : clock_(clock),
        events_(events),
        files_(files),
        net_(net),
        trace_(trace),
        plan_(plan),
        prng_(prng) {}

  void submit(const io::Submission& submission) override;
  [[nodiscard]] size_t wait(std::optional<Duration> timeout,
                            std::span<io::KernelCompletion> completions) override;
  void provide_buffer(uint16_t id, char* address, uint32_t length) override;
  void commit_buffers() override;
  [[nodiscard]] io::KernelFigures figures() const override { return {}; }

  // From now on a wait leaves time to others.
  void set_bed(Bed* bed) noexcept { bed_ = bed; }
  // Looks at what is armed; whether a wait would return something.
  [[nodiscard]] bool has_completion() {
    pump();
    return !posted_.empty();
  }
  [[nodiscard]] size_t ops_armed() const noexcept { return armed_.size(); }
  [[nodiscard]] size_t buffers_provided() const noexcept { return buffers_.size(); }
  // The last wait found that nothing can ever happen again.
  [[nodiscard]] bool is_stuck() const noexcept { return is_stuck_; }
  // A wait also ends, without a completion, once `stop` is true; null is never. So that a test sees
  // what a peer does when it does it, not when the ring next has something to do.
  void set_stop(const std::function<bool()>* stop) noexcept { stop_ = stop; }
  // Armed operations and open descriptors, for reports.
  [[nodiscard]] std::string describe() const;

 private:
  struct ArmedOp {
    io::Submission submission;
    SimFile* file = nullptr;
    uint32_t sent = 0;
    uint32_t cut_at = UINT32_MAX;  // A send ends short here.
    bool is_cancelled = false;     // Ends at the next look.
    bool is_polled = false;        // Was tried once and waits since.
  };
  struct ProvidedBuffer {
    uint16_t id;
    char* address;
    uint32_t length;
  };

  void rest_until(std::optional<MonoTime> until);
  void start_queued();
  void start(const io::Submission& submission);
  void start_cancel(const io::Submission& submission);
  void start_connect(ArmedOp& op);
  // Looks at every armed operation until none moves; what ended is posted.
  void pump();
  // True when the operation has ended.
  [[nodiscard]] bool try_op(ArmedOp& op);
  [[nodiscard]] bool try_accept(ArmedOp& op);
  [[nodiscard]] bool try_recv(ArmedOp& op);
  [[nodiscard]] bool try_recv_into(ArmedOp& op);
  [[nodiscard]] bool try_send(ArmedOp& op);
  [[nodiscard]] bool try_read(ArmedOp& op);
  [[nodiscard]] bool end_cancelled(ArmedOp& op);
  bool post(const ArmedOp& op, int64_t result, bool more = false);
  void post(uint64_t token, int64_t result);
  void shuffle();
  size_t hand_over(std::span<io::KernelCompletion> completions);
  [[nodiscard]] bool is_starving() const { return clock_.now() < starving_until_; }
  void misuse(const std::string& what) const;

  SimClock& clock_;
  EventQueue& events_;
  SimFiles& files_;
  SimNet& net_;
  SimTrace& trace_;
  const FaultPlan& plan_;
  Prng prng_;
  std::vector<io::Submission> queued_;
  std::list<ArmedOp> armed_;
  std::deque<io::KernelCompletion> posted_;
  std::deque<ProvidedBuffer> buffers_;
  std::vector<ProvidedBuffer> uncommitted_;
  MonoTime starving_until_{};
  uint64_t idle_waits_ = 0;  // In a row, without a completion and without a timeout.
  bool is_stuck_ = false;
  Bed* bed_ = nullptr;
  const std::function<bool()>* stop_ = nullptr;
};

}  // namespace sluice::support
