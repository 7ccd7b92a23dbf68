#include "uring_ops.h"

#include <poll.h>

#include <algorithm>

namespace sluice::io {

std::vector<uint8_t> uring_ops_in_use() {
  std::vector<uint8_t> ops;
  for (int code = 0; code <= UINT8_MAX; ++code) {
    const uint8_t op = uring_op_of(static_cast<OpCode>(code));
    if (op != kNoUringOp) ops.push_back(op);
  }
  std::ranges::sort(ops);
  const auto twice = std::ranges::unique(ops);
  ops.erase(twice.begin(), twice.end());
  return ops;
}

int restrict_uring(io_uring* ring) {
  std::vector<io_uring_restriction> rules;
  for (const uint8_t code : uring_ops_in_use()) {
    rules.emplace_back().opcode = IORING_RESTRICTION_SQE_OP;
    rules.back().sqe_op = code;
  }
  rules.emplace_back().opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  rules.back().sqe_flags = kUringFlags;
  // A task that ends a ring gives its look-up place back, else the ring would live as long as the
  // task. Newer kernels restrict registrations only when there is a rule about them.
  rules.emplace_back().opcode = IORING_RESTRICTION_REGISTER_OP;
  rules.back().register_op = IORING_UNREGISTER_RING_FDS;
  return io_uring_register_restrictions(ring, rules.data(), static_cast<unsigned>(rules.size()));
}

void prepare(io_uring_sqe* entry, const Submission& s) {
  void* address = const_cast<void*>(s.address);
  switch (s.code) {
    case OpCode::kAcceptMany:
      io_uring_prep_multishot_accept(entry, s.fd, nullptr, nullptr, SOCK_CLOEXEC);
      return;
    case OpCode::kConnect:
      io_uring_prep_connect(entry, s.fd, static_cast<const sockaddr*>(s.address), s.length);
      return;
    case OpCode::kRecv:
      io_uring_prep_recv(entry, s.fd, nullptr, 0, 0);
      entry->flags |= IOSQE_BUFFER_SELECT;
      // Receives are armed ahead of their bytes; a try at once would nearly always find nothing.
      entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
      entry->buf_group = kBufferGroup;
      return;
    case OpCode::kRecvInto: io_uring_prep_recv(entry, s.fd, address, s.length, 0); return;
    case OpCode::kSend:
      io_uring_prep_send(entry, s.fd, address, s.length, MSG_NOSIGNAL | MSG_WAITALL);
      return;
    case OpCode::kSendMessage:
      io_uring_prep_sendmsg(entry, s.fd, static_cast<const msghdr*>(s.address),
                            MSG_NOSIGNAL | MSG_WAITALL);
      return;
    case OpCode::kRead: io_uring_prep_read(entry, s.fd, address, s.length, 0); return;
    case OpCode::kPollHangup: io_uring_prep_poll_add(entry, s.fd, POLLRDHUP); return;
    case OpCode::kPoll: io_uring_prep_poll_add(entry, s.fd, s.length); return;
    case OpCode::kClose: io_uring_prep_close(entry, s.fd); return;
    case OpCode::kCancel: io_uring_prep_cancel64(entry, s.target, 0); return;
  }
}

}  // namespace sluice::io
