#include "signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace sluice::app {

std::expected<int, std::string> take_signals() {
  std::signal(SIGPIPE, SIG_IGN);  // A log that goes into a pipe must not end the process.
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGHUP);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGUSR2);
  const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Blocking: the ring's read of a non-blocking descriptor would end at once with EAGAIN.
  const int fd = error == 0 ? ::signalfd(-1, &set, SFD_CLOEXEC) : -1;
  if (fd < 0) {
    return std::unexpected(std::string("cannot take signals: ") +
                           std::strerror(error != 0 ? error : errno));
  }
  return fd;
}

}  // namespace sluice::app
