#include <sluice/io/syscalls.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace sluice::io {
namespace {

Unexpected failed(std::string_view call) {
  const bool is_limit = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  return fail(is_limit ? ErrorCode::kLimit : ErrorCode::kIo, Side::kSelf, call);
}

Result<void> checked(int result, std::string_view call) {
  if (result < 0) return failed(call);
  return {};
}

}  // namespace

Result<int> SystemSyscalls::open_socket(int family) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("socket");
  return fd;
}

Result<void> SystemSyscalls::set_option(int fd, int level, int name, int value) {
  if (level == SOL_SOCKET && name == SO_LINGER) {  // The one option here that is not a number.
    const linger for_seconds{.l_onoff = 1, .l_linger = value};
    return checked(::setsockopt(fd, level, name, &for_seconds, sizeof for_seconds), "setsockopt");
  }
  return checked(::setsockopt(fd, level, name, &value, sizeof value), "setsockopt");
}

Result<void> SystemSyscalls::bind(int fd, const sockaddr* address, socklen_t length) {
  return checked(::bind(fd, address, length), "bind");
}

Result<void> SystemSyscalls::listen(int fd, int backlog) {
  return checked(::listen(fd, backlog), "listen");
}

Result<void> SystemSyscalls::local_address(int fd, sockaddr* address, socklen_t* length) {
  return checked(::getsockname(fd, address, length), "getsockname");
}

Result<void> SystemSyscalls::peer_address(int fd, sockaddr* address, socklen_t* length) {
  return checked(::getpeername(fd, address, length), "getpeername");
}

Result<int> SystemSyscalls::open_eventfd() {
  // Blocking: the ring's read of a non-blocking descriptor would end at once with EAGAIN.
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return failed("eventfd");
  return fd;
}

void SystemSyscalls::signal_eventfd(int fd) noexcept {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the reader is awake already.
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
}

void SystemSyscalls::close(int fd) noexcept { ::close(fd); }

// Fails only for a socket that is not connected any more, which is what is wanted.
void SystemSyscalls::shut_down(int fd) noexcept { ::shutdown(fd, SHUT_RDWR); }

void SystemSyscalls::send_now(int fd, std::string_view bytes) noexcept {
  [[maybe_unused]] const ssize_t sent =
      ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void SystemSyscalls::shut_down_sending(int fd) noexcept { ::shutdown(fd, SHUT_WR); }

uint64_t SystemSyscalls::acknowledged_bytes(int fd) noexcept {
  tcp_info status{};
  socklen_t length = sizeof status;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &status, &length) != 0) return 0;
  return length >= offsetof(tcp_info, tcpi_bytes_acked) + sizeof status.tcpi_bytes_acked
             ? status.tcpi_bytes_acked
             : 0;
}

}  // namespace sluice::io
