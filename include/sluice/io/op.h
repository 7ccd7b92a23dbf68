// One submission on the ring and its completion.
#pragma once

#include <cstdint>

#include <sluice/base/fixed_ring.h>
#include <sluice/io/buffer.h>
#include <sluice/io/event.h>
#include <sluice/io/kernel.h>

namespace sluice::io {

class Ring;

// Receives completions by op slot. The slot, not the target, is what the kernel knows: a target
// that dies first is unhooked and the slot lives on until the final completion.
class OpTarget {
 public:
  explicit OpTarget(Ring& ring) noexcept : ring_(ring) {}
  OpTarget(const OpTarget&) = delete;
  OpTarget& operator=(const OpTarget&) = delete;

  [[nodiscard]] bool is_in_flight() const noexcept { return in_flight_; }
  // Asks the kernel to end the op; its completion still comes, with -ECANCELED or its result.
  void cancel() noexcept;

 protected:
  // Virtual only because g++ warns of a protected one that a friend could call.
  virtual ~OpTarget();
  virtual void complete(const KernelCompletion& completion, Buffer buffer) noexcept = 0;
  // `submission.token` is filled in here. At most one op in flight per target.
  void start(Submission submission) noexcept;

  Ring& ring_;

 private:
  friend class Ring;
  uint64_t token_ = 0;
  OpCode code_ = OpCode::kClose;
  bool in_flight_ = false;
};

// A one-shot operation that coroutines await through first_of(). Restartable once it has ended.
//
// Ops that read into or write from memory of the caller (send, recv_into, connect) must have
// ended before that memory dies and before the Op dies: shut the socket down, then await the Op.
// A recv() may be left in flight: the ring cancels it and recycles its buffer.
class Op final : public Event, public OpTarget {
 public:
  explicit Op(Ring& ring) noexcept;

  void recv(int fd) noexcept { begin({.code = OpCode::kRecv, .fd = fd}); }
  void recv_into(int fd, char* address, uint32_t length) noexcept {
    begin({.code = OpCode::kRecvInto, .fd = fd, .address = address, .length = length});
  }
  void send(int fd, const char* address, uint32_t length) noexcept {
    begin({.code = OpCode::kSend, .fd = fd, .address = address, .length = length});
  }
  // `message` and what it points to must live until the completion.
  void send_message(int fd, const msghdr* message) noexcept {
    begin({.code = OpCode::kSendMessage, .fd = fd, .address = message});
  }
  void connect(int fd, const sockaddr* address, socklen_t length) noexcept {
    begin({.code = OpCode::kConnect, .fd = fd, .address = address, .length = length});
  }
  void read(int fd, void* address, uint32_t length) noexcept {
    begin({.code = OpCode::kRead, .fd = fd, .address = address, .length = length});
  }
  void poll_hangup(int fd) noexcept { begin({.code = OpCode::kPollHangup, .fd = fd}); }
  // For descriptors of libraries that do their own reading; `events` as poll(2) has them.
  void poll(int fd, uint32_t events) noexcept {
    begin({.code = OpCode::kPoll, .fd = fd, .length = events});
  }

  // Negative errno or the operation's value; valid while is_ready().
  [[nodiscard]] int32_t result() const noexcept { return result_; }
  // What a recv() delivered; empty at end of stream or on error.
  [[nodiscard]] Buffer take_buffer() noexcept { return std::move(buffer_); }

 private:
  void begin(Submission submission) noexcept {
    reset();
    start(submission);
  }
  void complete(const KernelCompletion& completion, Buffer buffer) noexcept override;

  int32_t result_ = 0;
  Buffer buffer_;
};

// Multishot accept: keeps itself armed until stopped; ready while connections wait to be taken.
class AcceptOp final : public Event, public OpTarget {
 public:
  static constexpr uint32_t kWaitingMax = 256;  // Above it the op is stopped until they are taken.

  explicit AcceptOp(Ring& ring);
  // Closes what was not taken.
  ~AcceptOp() override;

  void listen_on(int fd) noexcept;
  // A connected descriptor, a negative errno, or 0 when none waits.
  [[nodiscard]] int take() noexcept;
  // Accepts no more until resume().
  void pause() noexcept;
  // Arms again after take() returned an error, or after pause().
  void resume() noexcept;
  // Accepts no more; what was accepted can still be taken.
  void stop() noexcept;

 private:
  void complete(const KernelCompletion& completion, Buffer buffer) noexcept override;
  void arm() noexcept;
  void arm_if_wanted() noexcept;

  FixedRing<int> accepted_;
  int fd_ = -1;
  bool stopped_ = true;
  bool failed_ = false;  // An error was delivered or pause() called, and resume() not since.
};

}  // namespace sluice::io
