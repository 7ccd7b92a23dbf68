#include <sluice/io/ring.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::io {

Ring::Ring(Kernel& kernel, Syscalls& syscalls, Clock& clock, BufferLimits buffer_limits)
    : kernel_(kernel),
      syscalls_(syscalls),
      clock_(clock),
      now_(clock.now()),
      timers_(now_),
      slots_(kOpsMax),
      buffers_(kernel, buffer_limits),
      wake_op_(*this) {
  starved_.reserve(1024);
  const Result<int> fd = syscalls_.open_eventfd();
  SLUICE_ASSERT(fd.has_value());  // The start-up check counted this descriptor.
  wake_fd_ = *fd;
  wake_op_.arm(wake_fd_);
}

Ring::~Ring() {
  // Nothing of the wake op's memory may be written after this object is gone.
  // The cancel is repeated because a wake that came first arms the read again. Abandoned receives
  // end here too: their buffers are about to be unmapped.
  while (wake_op_.is_in_flight() || has_abandoned()) {
    wake_op_.cancel();
    turn(false);
  }
  turn(false);  // Submits the closes that the last completions caused.
  syscalls_.close(wake_fd_);
}

void Ring::WakeOp::arm(int fd) noexcept {
  fd_ = fd;
  start({.code = OpCode::kRead, .fd = fd_, .address = &count_, .length = sizeof count_});
}

void Ring::WakeOp::complete(const KernelCompletion& completion, Buffer) noexcept {
  if (completion.result != -ECANCELED) arm(fd_);
}

void Ring::wake() noexcept {
  // Pairs with the fence in sleep_time(): either this thread sees the flag, or the loop sees the
  // work that was published before this call.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_relaxed)) syscalls_.signal_eventfd(wake_fd_);
}

std::optional<Duration> Ring::sleep_time(bool may_sleep) {
  if (!may_sleep || !ready_.empty() || !background_.empty() || stopping_) return Duration::zero();
  sleeping_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (hook_ != nullptr && hook_->has_work()) return Duration::zero();
  // feed_starved() starts no more at a time than there are buffers; those it started may find no
  // bytes, and then the others must not wait for them.
  if (!starved_.empty() && buffers_.available() > 0) return Duration::zero();
  const std::optional<MonoTime> next = timers_.next_wake();
  if (latest_ != MonoTime::max()) {
    // What the turn did until here has taken time that counts.
    const Duration left = std::min(next.value_or(latest_), latest_) - clock_.now();
    return std::max(left, Duration::zero());
  }
  if (!next) return std::nullopt;
  return *next > now_ ? *next - now_ : Duration::zero();
}

void Ring::turn(bool may_sleep) {
  ready_.run(kResumesPerTurn);
  background_.run(kBackgroundPerTurn);
  if (hook_ != nullptr && hook_->has_work()) hook_->run();
  buffers_.commit();
  if (!starved_.empty()) feed_starved();

  const std::optional<Duration> timeout = sleep_time(may_sleep);
  const size_t count = kernel_.wait(timeout, completions_);
  sleeping_.store(false, std::memory_order_relaxed);

  now_ = clock_.now();
  ++figures_.turns;
  figures_.completions += count;
  for (size_t i = 0; i < count; ++i) dispatch(completions_[i]);
  timers_.advance(now_);
}

void Ring::turn_until(MonoTime latest) {
  latest_ = latest;
  turn();
  latest_ = MonoTime::max();
}

void Ring::run() {
  stopping_ = false;
  now_ = clock_.now();  // What is ready before the first wait must not reckon from the last run.
  while (!stopping_) turn();
}

uint64_t Ring::start(OpTarget& target, Submission submission) noexcept {
  Slots::Handle handle;
  OpSlot* slot = slots_.emplace(&handle, OpSlot{&target, submission});
  SLUICE_ASSERT(slot != nullptr);
  slot->submission.token = token_of(handle);
  kernel_.submit(slot->submission);
  return slot->submission.token;
}

void Ring::cancel(uint64_t token) noexcept {
  OpSlot* slot = slots_.find(handle_of(token));
  SLUICE_ASSERT(slot != nullptr);
  slot->is_cancelled = true;
  // A starved receive is not known to the kernel; it ends in this turn or the next.
  if (std::find(starved_.begin(), starved_.end(), token) != starved_.end()) {
    starved_ends_ = true;
    return;
  }
  kernel_.submit({.code = OpCode::kCancel, .target = token, .token = kNoTarget});
}

void Ring::abandon(uint64_t token) noexcept {
  OpSlot* slot = slots_.find(handle_of(token));
  SLUICE_ASSERT(slot != nullptr);
  slot->target = nullptr;
  cancel(token);
}

bool Ring::has_abandoned() noexcept {
  bool found = false;
  slots_.for_each([&found](const OpSlot& slot) { found |= slot.target == nullptr; });
  return found;
}

void Ring::shut_down(int fd) noexcept {
  // The kernel ends what it knows; receives that wait for a buffer are not among that.
  for (const uint64_t token : starved_) {
    OpSlot* slot = slots_.find(handle_of(token));
    SLUICE_ASSERT(slot != nullptr);
    if (slot->submission.fd == fd) slot->is_cancelled = starved_ends_ = true;
  }
  // A call, not an op: the kernel runs IORING_OP_SHUTDOWN on a worker thread and looks the
  // descriptor up there, when a close queued behind it may have given the number to a new socket
  // (Linux 6.18; docs/traps/shutdown-call.md).
  syscalls_.shut_down(fd);
}

void Ring::close(int fd) noexcept {
  kernel_.submit({.code = OpCode::kClose, .fd = fd, .token = kNoTarget});
}

void Ring::dispatch(const KernelCompletion& completion) noexcept {
  Buffer buffer;
  if (completion.has_buffer) {
    const auto length = completion.result > 0 ? static_cast<uint32_t>(completion.result) : 0u;
    buffer = buffers_.adopt(completion.buffer, length);
  }
  if (completion.token == kNoTarget) return;
  const Slots::Handle handle = handle_of(completion.token);
  OpSlot* slot = slots_.find(handle);
  if (slot == nullptr) {
    ++figures_.stale;
    return;
  }
  OpTarget* target = slot->target;
  if (completion.result == -ENOBUFS && slot->submission.code == OpCode::kRecv) {
    // Not an error of the socket: the op stays in flight and starts again when a buffer is free.
    // A cancel that met this completion on its way found nothing, so it is carried out here.
    ++figures_.starved;
    starved_.push_back(completion.token);
    starved_ends_ |= slot->is_cancelled;
    return;
  }
  const OpCode code = slot->submission.code;
  if (!completion.more) slots_.erase(handle);
  if (target == nullptr) {
    // Nobody will take this connection.
    if (code == OpCode::kAcceptMany && completion.result >= 0) close(completion.result);
    return;
  }
  if (!completion.more) target->in_flight_ = false;
  target->complete(completion, std::move(buffer));
}

void Ring::end_starved() noexcept {
  // Completions may cancel others, so each is taken out before it is delivered.
  while (std::exchange(starved_ends_, false)) {
    for (size_t i = 0; i < starved_.size();) {
      const uint64_t token = starved_[i];
      if (!slots_.find(handle_of(token))->is_cancelled) {
        ++i;
        continue;
      }
      starved_.erase(starved_.begin() + static_cast<ptrdiff_t>(i));
      dispatch({.token = token, .result = -ECANCELED});
    }
  }
}

void Ring::feed_starved() noexcept {
  end_starved();
  if (starved_.empty()) return;
  // Starting as many as there are buffers keeps a burst from starving the same ones again.
  if (buffers_.available() == 0) {
    if (buffers_.grow()) buffers_.commit();
  }
  const size_t count = std::min<size_t>(starved_.size(), buffers_.available());
  for (size_t i = 0; i < count; ++i) {
    OpSlot* slot = slots_.find(handle_of(starved_[i]));
    SLUICE_ASSERT(slot != nullptr);
    kernel_.submit(slot->submission);
  }
  starved_.erase(starved_.begin(), starved_.begin() + static_cast<ptrdiff_t>(count));
}

}  // namespace sluice::io
