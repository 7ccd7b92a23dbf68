// Messages with descriptors between two processes on one machine, over a Unix SOCK_SEQPACKET.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/ip_class.h>

namespace sluice::net {

// What the kernel takes in one message (SCM_MAX_FD).
inline constexpr size_t kMessageDescriptorsMax = 253;
inline constexpr size_t kMessageBytesMax = 128 * 1024;

// Owns its descriptors until they are taken out.
struct DescriptorMessage {
  DescriptorMessage() = default;
  ~DescriptorMessage();
  DescriptorMessage(DescriptorMessage&& other) noexcept
      : text(std::move(other.text)), fds(std::move(other.fds)) {
    other.fds.clear();
  }
  DescriptorMessage& operator=(DescriptorMessage&&) = delete;

  std::string text;
  std::vector<int> fds;
};

// All or nothing; never waits, never raises a signal. Returns 0 or an errno: EAGAIN and
// ETOOMANYREFS pass, EMSGSIZE is above the bounds. The caller's descriptors stay open. Any thread.
[[nodiscard]] int send_descriptors(int channel, std::string_view text, std::span<const int> fds);

// Never waits. The error is an errno: EAGAIN when nothing is there, EPIPE at the end of the
// channel, EMSGSIZE for a message above the bounds, whose descriptors are closed.
[[nodiscard]] std::expected<DescriptorMessage, int> receive_descriptors(int channel);

// A plain client connection that goes on in another process, where no request of it runs.
struct PassedConnection {
  int fd = -1;
  std::optional<Ipv6Bytes> peer;  // Whom a trusted balancer named, if it did.
  std::string bytes;              // Of the next request, as far as they were read.
};

// As send_descriptors(). `fd` stays the caller's.
[[nodiscard]] int pass_connection(int channel, int fd, const std::optional<Ipv6Bytes>& peer,
                                  std::string_view bytes);
// As receive_descriptors(); EBADMSG for what is no connection.
[[nodiscard]] std::expected<PassedConnection, int> take_connection(int channel);

}  // namespace sluice::net
