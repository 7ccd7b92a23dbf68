#include "service_notice.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace sluice::app {
namespace {

constexpr int64_t kWatchdogMostUs = 3'600'000'000;

// A descriptor, or the sentence that says why there is none.
int connect_to(std::string_view name, std::string& problem) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((name[0] != '/' && name[0] != '@') || name.size() >= sizeof address.sun_path) {
    problem =
        "NOTIFY_SOCKET is neither a full path nor an abstract name; the supervisor is not told";
    return -1;
  }
  name.copy(address.sun_path, name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  // A path is sent with its end, an abstract name has none.
  const size_t length = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address),
                           static_cast<socklen_t>(length)) == 0) {
    return fd;
  }
  problem = fmt::format("cannot reach NOTIFY_SOCKET {}: {}; the supervisor is not told", name,
                        std::strerror(errno));
  if (fd >= 0) ::close(fd);
  return -1;
}

Duration watchdog_of(const char* text) {
  int64_t us = 0;
  const std::string_view digits = text == nullptr ? "" : text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), us);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  if (!is_number || us <= 0 || us > kWatchdogMostUs) return Duration{0};
  return Duration{us * 1000};
}

}  // namespace

ServiceNotice ServiceNotice::from_environment() {
  ServiceNotice notice;
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || *name == '\0') return notice;
  notice.fd_ = connect_to(name, notice.problem_);
  if (notice.fd_ >= 0) notice.watchdog_ = watchdog_of(std::getenv("WATCHDOG_USEC"));
  return notice;
}

ServiceNotice::~ServiceNotice() {
  if (fd_ >= 0) ::close(fd_);
}

ServiceNotice::ServiceNotice(ServiceNotice&& other) noexcept { *this = std::move(other); }

ServiceNotice& ServiceNotice::operator=(ServiceNotice&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(watchdog_, other.watchdog_);
  std::swap(problem_, other.problem_);
  return *this;
}

void ServiceNotice::say(std::string_view lines) const noexcept {
  if (fd_ < 0) return;
  (void)::send(fd_, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ServiceNotice::say_reloading(MonoTime now) const noexcept {
  const auto since_start =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
  say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(since_start.count()));
}

}  // namespace sluice::app
