#include <sluice/net/dialer.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace sluice::net {
namespace {

Unexpected connect_failed(int32_t result) {
  const auto failed = [](std::string_view detail) {
    return fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, detail);
  };
  switch (-result) {
    case ECONNREFUSED: return failed("connection refused");
    case ETIMEDOUT: return failed("connect timed out");
    case EHOSTUNREACH: return failed("host unreachable");
    case ENETUNREACH: return failed("network unreachable");
    case EADDRNOTAVAIL: return failed("no local port is free");
    default: return failed("connect failed");
  }
}

Result<int> open_for(io::Ring& ring, const Address& address, const DialOptions& options) {
  io::Syscalls& syscalls = ring.syscalls();
  const Result<int> fd = syscalls.open_socket(address.family());
  if (!fd) return fd;
  // Best effort but the first: without TCP_NODELAY a small request would wait for an ACK.
  const Result<void> is_set = syscalls.set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
  [[maybe_unused]] const Result<void> keep_alive =
      syscalls.set_option(*fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  [[maybe_unused]] const Result<void> window =
      syscalls.set_option(*fd, SOL_SOCKET, SO_RCVBUF, options.receive_bytes_max);
  if (!is_set) {
    syscalls.close(*fd);
    return std::unexpected(is_set.error());
  }
  return *fd;
}

// Connects one address. The op has ended whatever the outcome.
Task<Result<void>> connect_one(io::Ring& ring, int fd, const Address& address, Deadline deadline,
                               io::Event* gone) {
  io::Op op(ring);
  io::Timer timer(ring.ready(), ring.timers());
  timer.set(deadline);
  op.connect(fd, address.raw(), address.length);
  co_await io::first_of(&op, &timer, gone);
  const bool was_decided = op.is_ready();
  if (!was_decided) {
    op.cancel();
    co_await io::first_of(&op);
  }
  if (gone != nullptr && gone->is_ready()) {
    co_return fail(ErrorCode::kDownstreamLost, Side::kDownstream, "client left during connect");
  }
  if (!was_decided) co_return connect_failed(-ETIMEDOUT);
  if (op.result() < 0) co_return connect_failed(op.result());
  co_return Result<void>();
}

}  // namespace

Task<Result<int>> dial(io::Ring& ring, AddressList addresses, DialOptions options,
                       Deadline deadline, io::Event* gone) {
  Error last{ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes, "name not resolved"};
  for (uint32_t i = 0; i < addresses.count; ++i) {
    const Address& address = addresses.entries[i];
    const Result<int> fd = open_for(ring, address, options);
    if (!fd) {
      last = fd.error();
      break;
    }
    const Result<void> connected = co_await connect_one(ring, *fd, address, deadline, gone);
    if (connected) co_return *fd;
    ring.close(*fd);
    last = connected.error();
    if (last.code == ErrorCode::kDownstreamLost || deadline.has_passed(ring.now())) break;
  }
  co_return std::unexpected(last);
}

}  // namespace sluice::net
