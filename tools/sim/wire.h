// One client's connection: bytes in, bytes out, and an eye on the client's leaving at all times.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/io/timer.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls.h>

namespace sluice::sim {

// How bytes leave; for the faults split and slow.
struct Manner {
  uint64_t split_bytes = 0;       // One send for so many bytes; 0 is no splitting.
  uint64_t bytes_per_second = 0;  // 0 is no limit.
};

// Everything that waits also receives, so that a client that leaves is seen at once, in every
// phase. A client that closes only its sending side counts as gone, as with most servers.
class Wire {
 public:
  Wire(io::Ring& ring, int fd);

  // What came and was not yet consumed. 64 bytes behind it are readable. Anything that waits may
  // add to it and move it.
  [[nodiscard]] std::string_view input() const noexcept { return input_; }
  void consume(size_t count) { input_.erase(0, count); }
  // Removes `count` bytes of the input at `at`.
  void cut_out(size_t at, size_t count) { input_.erase(at, count); }
  // Whether input() may grow by so many bytes without being moved.
  void reserve(size_t bytes) { input_.reserve(bytes + kOverread); }

  // Makes the connection one of TLS, before anything else. Suspends; false when that fails.
  [[nodiscard]] Task<bool> secure(net::TlsServer& tls);

  // All of these suspend, and return false once the client is gone.
  [[nodiscard]] Task<bool> receive();
  [[nodiscard]] Task<bool> wait_until(MonoTime time);
  [[nodiscard]] Task<bool> wait_for(io::Event& event);
  // `slices` must live until it ends; at most 8, as one message unless the manner says otherwise.
  [[nodiscard]] Task<bool> send(std::span<const std::string_view> slices);

  // Waits until the client is gone.
  [[nodiscard]] Task<void> wait_for_leave();
  // Takes in and drops what still comes, for a moment: closing on unread bytes would reset the
  // connection and lose the answer on its way.
  [[nodiscard]] Task<void> linger();
  [[nodiscard]] Task<void> close();
  // Closes with a RST in place of a FIN.
  [[nodiscard]] Task<void> reset();
  // From outside: whatever waits sees the client gone.
  void shut_down() noexcept { stream_.shut_down(); }

  void set_manner(Manner manner) noexcept {
    manner_ = manner;
    send_again_at_ = {};
  }
  [[nodiscard]] MonoTime last_sent() const noexcept { return last_sent_; }
  void mark_start() noexcept { last_sent_ = now(); }
  [[nodiscard]] MonoTime gone_at() const noexcept { return gone_at_; }
  // The time now, not that of the turn.
  [[nodiscard]] MonoTime now() const noexcept { return ring_.clock().now(); }

 private:
  static constexpr size_t kOverread = 64;
  static constexpr Duration kSlowStep = milliseconds(20);

  // Moves what was received to the input; false when that was the end.
  [[nodiscard]] bool take_received();
  [[nodiscard]] Task<bool> send_plain(std::span<const std::string_view> slices);
  [[nodiscard]] Task<bool> send_mannered(std::string bytes);

  io::Ring& ring_;
  int fd_;
  net::Stream stream_;
  io::Timer timer_;
  std::string input_;
  Manner manner_;
  bool is_gone_ = false;
  MonoTime send_again_at_;  // While bytes_per_second is set.
  MonoTime last_sent_;
  MonoTime gone_at_;
};

}  // namespace sluice::sim
