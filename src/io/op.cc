#include <sluice/io/op.h>

#include <cerrno>

#include <sluice/io/ring.h>

namespace sluice::io {

OpTarget::~OpTarget() {
  if (!in_flight_) return;
  // The kernel may still touch the caller's memory for these; see the contract of Op.
  SLUICE_ASSERT(code_ != OpCode::kSend && code_ != OpCode::kSendMessage &&
                code_ != OpCode::kRecvInto && code_ != OpCode::kConnect && code_ != OpCode::kRead);
  ring_.abandon(token_);
}

void OpTarget::start(Submission submission) noexcept {
  SLUICE_ASSERT(!in_flight_);
  in_flight_ = true;
  code_ = submission.code;
  token_ = ring_.start(*this, submission);
}

void OpTarget::cancel() noexcept {
  if (in_flight_) ring_.cancel(token_);
}

Op::Op(Ring& ring) noexcept : Event(ring.ready()), OpTarget(ring) {}

void Op::complete(const KernelCompletion& completion, Buffer buffer) noexcept {
  result_ = completion.result;
  buffer_ = std::move(buffer);
  trigger();
}

AcceptOp::AcceptOp(Ring& ring)
    : Event(ring.ready()), OpTarget(ring), accepted_(kWaitingMax + Ring::kCompletionsPerTurn) {}

AcceptOp::~AcceptOp() {
  stopped_ = true;
  while (!accepted_.empty()) {
    if (const int fd = accepted_.pop(); fd >= 0) ring_.close(fd);
  }
}

void AcceptOp::listen_on(int fd) noexcept {
  fd_ = fd;
  stopped_ = failed_ = false;
  arm();
}

void AcceptOp::arm() noexcept { start({.code = OpCode::kAcceptMany, .fd = fd_}); }

int AcceptOp::take() noexcept {
  if (accepted_.empty()) return 0;
  const int fd = accepted_.pop();
  if (accepted_.empty()) reset();
  // Armed again once the backlog is short: a paused listener leaves connections in the kernel.
  arm_if_wanted();
  return fd;
}

void AcceptOp::arm_if_wanted() noexcept {
  // After an error the taker decides when, by resume(), so that a lack of descriptors cannot spin.
  if (stopped_ || failed_ || is_in_flight() || accepted_.size() >= kWaitingMax / 2) return;
  arm();
}

void AcceptOp::pause() noexcept {
  failed_ = true;
  cancel();
}

void AcceptOp::resume() noexcept {
  failed_ = false;
  arm_if_wanted();
}

void AcceptOp::stop() noexcept {
  stopped_ = true;
  cancel();
}

void AcceptOp::complete(const KernelCompletion& completion, Buffer) noexcept {
  const bool was_cancelled = completion.result == -ECANCELED;
  if (!was_cancelled) {
    if (accepted_.push(int{completion.result})) {
      failed_ |= completion.result < 0;
    } else if (completion.result >= 0) {
      // Full only when the taker did not run for several turns: the newest are turned away.
      ring_.close(completion.result);
    }
    trigger();
  }
  if (accepted_.size() >= kWaitingMax) cancel();
  // The kernel also ends a multishot on overflow; and a pause may be over before its cancel is.
  arm_if_wanted();
}

}  // namespace sluice::io
