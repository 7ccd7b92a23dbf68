#include "predecessor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <sluice/net/descriptor_message.h>

#include "starter.h"

namespace sluice::app {
namespace {

constexpr std::string_view kGone =
    "the running process has given the upgrade up, or is gone; start Sluice as usual";

bool is_channel(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

std::unique_ptr<Predecessor> Predecessor::find() {
  const char* const text = std::getenv(kUpgradeVariable);
  if (text == nullptr) return nullptr;
  int fd = -1;
  const auto read = std::from_chars(text, text + std::strlen(text), fd);
  const bool is_number = read.ec == std::errc() && *read.ptr == '\0';
  ::unsetenv(kUpgradeVariable);
  if (!is_number || fd < 3 || !is_channel(fd)) return nullptr;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return std::unique_ptr<Predecessor>(new Predecessor(fd));
}

Predecessor::~Predecessor() {
  for (const GivenDescriptor& item : given_.descriptors) ::close(item.fd);
  if (channel_ >= 0) ::close(channel_);
}

bool Predecessor::wait() const noexcept {
  pollfd watched{.fd = channel_, .events = POLLIN, .revents = 0};
  const auto patience = std::chrono::duration_cast<milliseconds>(kPatience).count();
  int found = 0;
  do found = ::poll(&watched, 1, static_cast<int>(patience));
  while (found < 0 && errno == EINTR);
  return found > 0;
}

std::expected<void, std::string> Predecessor::ask(std::string_view version) {
  if (net::send_descriptors(channel_, prepared_text(version), {}) != 0) {
    return std::unexpected(std::string(kGone));
  }
  if (!wait()) return std::unexpected("the running process does not answer; restart it instead");
  auto message = net::receive_descriptors(channel_);
  if (!message) return std::unexpected(std::string(kGone));
  auto given = read_hand_over(message->text, message->fds);
  if (!given) return std::unexpected(std::move(given.error()));
  given_ = std::move(*given);
  message->fds.clear();
  return {};
}

std::vector<int> Predecessor::take_all(std::string_view name, std::string_view place) {
  std::vector<int> found;
  std::erase_if(given_.descriptors, [&](const GivenDescriptor& item) {
    if (item.name != name || item.place != place) return false;
    found.push_back(item.fd);
    return true;
  });
  if (!found.empty()) taken_.emplace_back(name);
  return found;
}

std::vector<int> Predecessor::take_all(std::string_view name) {
  std::vector<int> found;
  std::erase_if(given_.descriptors, [&](const GivenDescriptor& item) {
    if (item.name != name) return false;
    found.push_back(item.fd);
    return true;
  });
  return found;
}

int Predecessor::take(std::string_view name, std::string_view place) {
  const std::vector<int> found = take_all(name, place);
  if (found.empty()) return -1;
  for (size_t i = 1; i < found.size(); ++i) ::close(found[i]);
  return found.front();
}

std::expected<void, std::string> Predecessor::announce_ready() {
  (void)net::send_descriptors(channel_, ready_text(taken_), {});
  if (!wait()) return std::unexpected("the running process does not answer; restart it instead");
  const auto message = net::receive_descriptors(channel_);
  // Killed meanwhile: whoever connects now waits for this process.
  if (!message && (message.error() == EPIPE || message.error() == ECONNRESET)) return {};
  if (!message || !is_go(message->text)) return std::unexpected(std::string(kGone));
  return {};
}

void Predecessor::complain(std::string_view problem) noexcept {
  (void)net::send_descriptors(channel_, failed_text(problem), {});
}

}  // namespace sluice::app
