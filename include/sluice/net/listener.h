// A listening socket of one shard.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include <sluice/io/op.h>
#include <sluice/io/ring.h>
#include <sluice/net/address.h>

namespace sluice::net {

struct ListenOptions {
  int backlog = 4096;
  // One socket per shard on one port. Off for the probe that makes sure the port is free.
  bool share_port = true;
  // Upper bound of unsent bytes in the kernel before a send waits (TCP_NOTSENT_LOWAT), so that a
  // slow reader does not hide megabytes there. Inherited by accepted sockets.
  int unsent_bytes_max = 128 * 1024;
};

// Opens, binds and listens. The error is a sentence with cause and remedy.
[[nodiscard]] std::expected<int, std::string> open_listener(io::Syscalls& syscalls,
                                                            const Address& address,
                                                            const ListenOptions& options);

// Who may open a Unix socket.
struct UnixAccess {
  uint32_t mode = 0600;
  std::string group;  // A name or a number; "" is the process's own.
};
// For a socket that is there. The error is a sentence. Blocking.
[[nodiscard]] std::expected<void, std::string> give_access(const std::string& path,
                                                           const UnixAccess& access);

// A Unix socket for the admin interface: replaces a dead socket file, refuses a living one. Mode
// 0600 from the first instant until `access` holds. Blocking; start-up only.
[[nodiscard]] std::expected<int, std::string> open_unix_listener(const std::string& path,
                                                                 const UnixAccess& access = {});

// The process at the other end of a Unix socket, as it was when it connected.
struct PeerCredentials {
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;
  bool operator==(const PeerCredentials&) const = default;
};
// Empty for any other kind of socket. Returns at once.
[[nodiscard]] std::optional<PeerCredentials> peer_credentials(int fd) noexcept;

// Accepts connections on `fd`, which it takes over.
class Listener {
 public:
  Listener(io::Ring& ring, int fd);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Ready while a connection or an error waits.
  [[nodiscard]] io::Event& event() noexcept { return accept_; }
  // A descriptor, a negative errno, or 0 when nothing waits.
  [[nodiscard]] int take() noexcept { return accept_.take(); }
  // Accepts no more until resume(); what was accepted can still be taken.
  void pause() noexcept { accept_.pause(); }
  // Accepts again after an error; call it after a pause, so that a lack of descriptors cannot spin.
  void resume() noexcept { accept_.resume(); }
  // Accepts no more here; another process goes on with the same socket. Once has_stopped(), give
  // the descriptor back with let_go(); what was accepted before can be taken meanwhile.
  void stop() noexcept { accept_.stop(); }
  [[nodiscard]] bool has_stopped() const noexcept { return !accept_.is_in_flight(); }
  void let_go() noexcept;
  // Accepts no more and gives the port up; connections already accepted can still be taken.
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  // After close(): no connection will come any more.
  [[nodiscard]] bool has_ended() const noexcept { return fd_ < 0 && !accept_.is_in_flight(); }

 private:
  io::Ring& ring_;
  int fd_;
  io::AcceptOp accept_;
};

}  // namespace sluice::net
