// The seam below io::Ring: what the ring asks of a kernel. Real (io_uring) or simulated.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>

#include <sluice/base/clock.h>

namespace sluice::io {

enum class OpCode : uint8_t {
  kAcceptMany,   // Multishot: one completion per connection, `more` while armed.
  kConnect,      // `address` is a sockaddr of `length` bytes.
  kRecv,         // One-shot, into a provided buffer.
  kRecvInto,     // One-shot, into `address`.
  kSend,         // `address`, `length`; whole or failed, short only when cut (MSG_WAITALL).
  kSendMessage,  // `address` is a msghdr.
  kRead,         // `address`, `length`; for an eventfd.
  kPollHangup,   // Completes when the peer closed its side, not for data.
  kPoll,  // Completes with those events of `length`, a mask as poll(2) has it, that are there.
  kClose,
  kCancel,  // `target` is the token to cancel.
};

struct Submission {
  OpCode code;
  int fd = -1;
  const void* address = nullptr;  // Must live until the completion.
  uint32_t length = 0;
  uint64_t target = 0;
  uint64_t token = 0;
};

struct KernelCompletion {
  uint64_t token = 0;
  int32_t result = 0;   // Negative errno, or the operation's value.
  uint16_t buffer = 0;  // Meaningful only when has_buffer.
  bool has_buffer = false;
  bool more = false;  // The multishot op stays armed.
};

struct KernelFigures {
  uint64_t overflows = 0;  // Completions that the kernel had to queue outside the CQ.
};

// Used by one thread only. Calls never block except wait().
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Queues an operation; it starts at the next wait(), or earlier when the queue is full.
  virtual void submit(const Submission& submission) = 0;
  // Starts all queued operations in one system call, then waits for a completion or until
  // `timeout` has passed (empty: for ever; zero: not at all). Returns how many it filled in.
  [[nodiscard]] virtual size_t wait(std::optional<Duration> timeout,
                                    std::span<KernelCompletion> completions) = 0;
  // Hands a receive buffer to the kernel; takes effect at the next commit_buffers().
  virtual void provide_buffer(uint16_t id, char* address, uint32_t length) = 0;
  virtual void commit_buffers() = 0;
  [[nodiscard]] virtual KernelFigures figures() const = 0;
};

}  // namespace sluice::io
