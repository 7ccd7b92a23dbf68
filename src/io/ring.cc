#include <sluice/io/ring.h>

#include <algorithm>
#include <cerrno>

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
  wake_op_.cancel();
  while (wake_op_.is_in_flight()) turn(false);
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
  if (!may_sleep || !ready_.empty() || stopping_) return Duration::zero();
  sleeping_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (hook_ != nullptr && hook_->has_work()) return Duration::zero();
  const std::optional<MonoTime> next = timers_.next_wake();
  if (!next) return std::nullopt;
  return *next > now_ ? *next - now_ : Duration::zero();
}

void Ring::turn(bool may_sleep) {
  ready_.run(kResumesPerTurn);
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

void Ring::run() {
  stopping_ = false;
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
  // A starved receive is not known to the kernel, so its end is delivered here.
  const auto starved = std::find(starved_.begin(), starved_.end(), token);
  if (starved != starved_.end()) {
    starved_.erase(starved);
    dispatch({.token = token, .result = -ECANCELED});
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

void Ring::shut_down(int fd) noexcept {
  kernel_.submit({.code = OpCode::kShutdown, .fd = fd, .token = kNoTarget});
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
  if (completion.result == -ENOBUFS && slot->submission.code == OpCode::kRecv &&
      target != nullptr) {
    // Not an error of the socket: the op stays in flight and is started again when a buffer is free.
    ++figures_.starved;
    starved_.push_back(completion.token);
    return;
  }
  if (!completion.more) slots_.erase(handle);
  if (target == nullptr) return;
  if (!completion.more) target->in_flight_ = false;
  target->complete(completion, std::move(buffer));
}

void Ring::feed_starved() noexcept {
  // Starting as many as there are buffers keeps a burst from starving the same ones again.
  if (buffers_.available() == 0) {
    if (buffers_.grow()) buffers_.commit();
  }
  const size_t count = std::min<size_t>(starved_.size(), buffers_.available());
  for (size_t i = 0; i < count; ++i) {
    OpSlot* slot = slots_.find(handle_of(starved_[i]));
    SLUICE_ASSERT(slot != nullptr && slot->target != nullptr);  // cancel() takes them out.
    kernel_.submit(slot->submission);
  }
  starved_.erase(starved_.begin(), starved_.begin() + static_cast<ptrdiff_t>(count));
}

}  // namespace sluice::io
