#include <sluice/io/op.h>

#include <cerrno>

#include <sluice/io/ring.h>

namespace sluice::io {

OpTarget::~OpTarget() {
  if (!in_flight_) return;
  // The kernel may still touch the caller's memory for these; see the contract of Op.
  SLUICE_ASSERT(code_ != OpCode::kSend && code_ != OpCode::kSendMessage &&
                code_ != OpCode::kRecvInto && code_ != OpCode::kConnect);
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

void AcceptOp::listen_on(int fd) noexcept {
  fd_ = fd;
  stopped_ = false;
  arm();
}

void AcceptOp::arm() noexcept { start({.code = OpCode::kAcceptMany, .fd = fd_}); }

int AcceptOp::take() noexcept {
  if (accepted_.empty()) return 0;
  const int fd = accepted_.pop();
  if (accepted_.empty()) reset();
  // Armed again once the backlog is short: a paused listener leaves connections in the kernel.
  // After an error the taker decides when, by resume().
  if (fd >= 0 && !stopped_ && !is_in_flight() && accepted_.size() < kWaitingMax / 2) arm();
  return fd;
}

void AcceptOp::resume() noexcept {
  if (!stopped_ && !is_in_flight()) arm();
}

void AcceptOp::stop() noexcept {
  stopped_ = true;
  cancel();
}

void AcceptOp::complete(const KernelCompletion& completion, Buffer) noexcept {
  const bool was_cancelled = completion.result == -ECANCELED;
  if (!was_cancelled) {
    // The ring never delivers more than kCompletionsPerTurn before the taker runs.
    SLUICE_ASSERT(accepted_.push(int{completion.result}));
    trigger();
  }
  if (accepted_.size() >= kWaitingMax) {
    cancel();
    return;
  }
  // The kernel ends a multishot on errors and on overflow; errors wait for resume(), so that a
  // lack of descriptors cannot spin.
  if (!completion.more && !stopped_ && completion.result >= 0) arm();
}

}  // namespace sluice::io
