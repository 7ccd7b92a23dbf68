#include "sql_wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sluice/base/assert.h>

namespace sluice::store {
namespace {

// Rounded up, so that a wait of less than a millisecond is not a busy loop.
int milliseconds_until(MonoTime until, MonoTime now) noexcept {
  constexpr int64_t kMost = 60'000;
  if (until <= now) return 0;
  return static_cast<int>(std::min((until - now) / milliseconds(1) + 1, kMost));
}

}  // namespace

SqlWait::SqlWait() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SLUICE_ASSERT(wake_fd_ >= 0);
}

SqlWait::~SqlWait() { ::close(wake_fd_); }

SqlWait::Outcome SqlWait::wait(int fd, short events, MonoTime until) noexcept {
  std::array<pollfd, 2> places = {pollfd{.fd = fd, .events = events, .revents = 0},
                                  pollfd{.fd = wake_fd_, .events = POLLIN, .revents = 0}};
  for (;;) {
    const MonoTime now = clock_.now();
    const int ready = ::poll(places.data(), places.size(), milliseconds_until(until, now));
    if (places[1].revents != 0 || is_interrupted()) return Outcome::kInterrupted;
    if (ready > 0) return Outcome::kReady;
    if (ready < 0 && errno != EINTR) return Outcome::kReady;  // The driver meets the error itself.
    if (now >= until) return Outcome::kTimeout;
  }
}

void SqlWait::interrupt() noexcept {
  is_interrupted_ = true;
  const uint64_t one = 1;
  // It fails only when it is readable already.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace sluice::store
