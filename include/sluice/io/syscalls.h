// The system calls of the data path that are not ring operations, replaceable in simulation.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string_view>

#include <sluice/base/result.h>

namespace sluice::io {

// All calls return at once. Errors carry the call's name in `detail`; errno is left as it was set.
class Syscalls {
 public:
  virtual ~Syscalls() = default;
  // A stream socket, close-on-exec.
  [[nodiscard]] virtual Result<int> open_socket(int family) = 0;
  [[nodiscard]] virtual Result<void> set_option(int fd, int level, int name, int value) = 0;
  [[nodiscard]] virtual Result<void> bind(int fd, const sockaddr* address, socklen_t length) = 0;
  [[nodiscard]] virtual Result<void> listen(int fd, int backlog) = 0;
  [[nodiscard]] virtual Result<void> local_address(int fd, sockaddr* address,
                                                   socklen_t* length) = 0;
  // Of a connected socket. kIo when the peer has reset it.
  [[nodiscard]] virtual Result<void> peer_address(int fd, sockaddr* address, socklen_t* length) = 0;
  // An eventfd that wakes a ring from another thread.
  [[nodiscard]] virtual Result<int> open_eventfd() = 0;
  // Callable from any thread.
  virtual void signal_eventfd(int fd) noexcept = 0;
  virtual void close(int fd) noexcept = 0;
  // Ends both directions of a socket.
  virtual void shut_down(int fd) noexcept = 0;
  // Sends what the kernel takes at once, or nothing: last words, such as a TLS alert, before a
  // socket is closed. Not while a send is in flight on the ring.
  virtual void send_now(int fd, std::string_view bytes) noexcept = 0;
  // Ends the sending direction alone: the peer reads to the end and may still write.
  virtual void shut_down_sending(int fd) noexcept = 0;
  // Bytes that the peer's host has acknowledged over the life of a TCP socket (TCP_INFO,
  // tcpi_bytes_acked, Linux 4.1); 0 when unknown. Tells a slow reader from one that stands still.
  [[nodiscard]] virtual uint64_t acknowledged_bytes(int fd) noexcept = 0;
};

class SystemSyscalls final : public Syscalls {
 public:
  [[nodiscard]] Result<int> open_socket(int family) override;
  [[nodiscard]] Result<void> set_option(int fd, int level, int name, int value) override;
  [[nodiscard]] Result<void> bind(int fd, const sockaddr* address, socklen_t length) override;
  [[nodiscard]] Result<void> listen(int fd, int backlog) override;
  [[nodiscard]] Result<void> local_address(int fd, sockaddr* address, socklen_t* length) override;
  [[nodiscard]] Result<void> peer_address(int fd, sockaddr* address, socklen_t* length) override;
  [[nodiscard]] Result<int> open_eventfd() override;
  void signal_eventfd(int fd) noexcept override;
  void close(int fd) noexcept override;
  void shut_down(int fd) noexcept override;
  void send_now(int fd, std::string_view bytes) noexcept override;
  void shut_down_sending(int fd) noexcept override;
  [[nodiscard]] uint64_t acknowledged_bytes(int fd) noexcept override;
};

}  // namespace sluice::io
