#include <sluice/net/descriptor_message.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::net {
namespace {

// What a passed connection begins with: the mark, whether a peer follows, and the peer.
constexpr std::string_view kMark = "SLC1";
constexpr size_t kHeadBytes = kMark.size() + 1 + sizeof(Ipv6Bytes);

constexpr size_t kControlBytes = CMSG_SPACE(kMessageDescriptorsMax * sizeof(int));

void take_fds(msghdr& message, std::vector<int>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = fds.size();
    fds.resize(before + count);
    std::memcpy(fds.data() + before, CMSG_DATA(part), count * sizeof(int));
  }
}

}  // namespace

DescriptorMessage::~DescriptorMessage() {
  for (const int fd : fds) ::close(fd);
}

int send_descriptors(int channel, std::string_view text, std::span<const int> fds) {
  // An empty message would look like the end of the channel.
  const bool fits =
      !text.empty() && text.size() <= kMessageBytesMax && fds.size() <= kMessageDescriptorsMax;
  if (!fits) return EMSGSIZE;
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, kControlBytes> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    std::memset(control.data(), 0, message.msg_controllen);
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
  }
  ssize_t sent = 0;
  do sent = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

std::expected<DescriptorMessage, int> receive_descriptors(int channel) {
  DescriptorMessage received;
  received.text.resize(kMessageBytesMax);
  iovec part{received.text.data(), received.text.size()};
  alignas(cmsghdr) std::array<char, kControlBytes> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = 0;
  do count = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  if (count < 0) return std::unexpected(errno);
  take_fds(message, received.fds);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return std::unexpected(EMSGSIZE);
  if (count == 0) return std::unexpected(EPIPE);
  received.text.resize(static_cast<size_t>(count));
  return received;
}

int pass_connection(int channel, int fd, const std::optional<Ipv6Bytes>& peer,
                    std::string_view bytes) {
  std::string text(kMark);
  text.reserve(kHeadBytes + bytes.size());
  text += peer ? '\1' : '\0';
  const Ipv6Bytes address = peer.value_or(Ipv6Bytes{});
  text.append(reinterpret_cast<const char*>(address.data()), address.size());
  text += bytes;
  return send_descriptors(channel, text, {&fd, 1});
}

std::expected<PassedConnection, int> take_connection(int channel) {
  auto message = receive_descriptors(channel);
  if (!message) return std::unexpected(message.error());
  const std::string_view text = message->text;
  const bool is_one = message->fds.size() == 1 && text.size() >= kHeadBytes &&
                      text.starts_with(kMark) && static_cast<uint8_t>(text[kMark.size()]) <= 1;
  if (!is_one) return std::unexpected(EBADMSG);
  PassedConnection connection{.fd = std::exchange(message->fds.front(), -1),
                              .peer = {},
                              .bytes = std::string(text.substr(kHeadBytes))};
  message->fds.clear();
  if (text[kMark.size()] == 1) {
    Ipv6Bytes address;
    std::memcpy(address.data(), text.data() + kMark.size() + 1, address.size());
    connection.peer = address;
  }
  return connection;
}

}  // namespace sluice::net
