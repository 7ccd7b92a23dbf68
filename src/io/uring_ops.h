// What each operation of the seam is to io_uring: the one table that rings are restricted by.
#pragma once

#include "uring_compat.h"

#include <cstdint>
#include <vector>

#include <sluice/io/kernel.h>

namespace sluice::io {

inline constexpr uint16_t kBufferGroup = 0;
// The flags of an entry that a ring allows.
inline constexpr uint8_t kUringFlags = IOSQE_BUFFER_SELECT;
inline constexpr uint8_t kNoUringOp = IORING_OP_LAST;

// Without a default, so that the compiler asks for each new code; kNoUringOp for what is no code.
constexpr uint8_t uring_op_of(OpCode code) noexcept {
  switch (code) {
    case OpCode::kAcceptMany: return IORING_OP_ACCEPT;
    case OpCode::kConnect: return IORING_OP_CONNECT;
    case OpCode::kRecv: return IORING_OP_RECV;
    case OpCode::kRecvInto: return IORING_OP_RECV;
    case OpCode::kSend: return IORING_OP_SEND;
    case OpCode::kSendMessage: return IORING_OP_SENDMSG;
    case OpCode::kRead: return IORING_OP_READ;
    case OpCode::kPollHangup: return IORING_OP_POLL_ADD;
    case OpCode::kPoll: return IORING_OP_POLL_ADD;
    case OpCode::kClose: return IORING_OP_CLOSE;
    case OpCode::kCancel: return IORING_OP_ASYNC_CANCEL;
  }
  return kNoUringOp;
}

// Of all codes that there are, each once, ascending.
[[nodiscard]] std::vector<uint8_t> uring_ops_in_use();

// io_uring passes by seccomp, so what a ring may do is fixed in itself: the operations in use and,
// once it is enabled, no registration but the end of one that the task has made. Others end with
// EACCES, and nothing loosens it later. For a ring that is still disabled; 0 or a negative errno.
[[nodiscard]] int restrict_uring(io_uring* ring);

// Fills in `entry` but for its token.
void prepare(io_uring_sqe* entry, const Submission& s);

}  // namespace sluice::io
