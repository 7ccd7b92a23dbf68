// What the service's supervisor is told, as systemd has it (sd_notify(3)).
#pragma once

#include <string>
#include <string_view>

#include <sluice/base/clock.h>

namespace sluice::app {

// Where nobody asked to be told, everything does nothing. Any thread.
class ServiceNotice {
 public:
  // By NOTIFY_SOCKET, a path or with '@' an abstract name, and WATCHDOG_USEC. WATCHDOG_PID is not
  // looked at: after an upgrade it names the process before. Before the sandbox stands, since it
  // connects.
  static ServiceNotice from_environment();

  ServiceNotice() = default;
  ~ServiceNotice();
  ServiceNotice(ServiceNotice&& other) noexcept;
  ServiceNotice& operator=(ServiceNotice&& other) noexcept;

  // Lines such as "READY=1\nSTATUS=serving". Never waits; what cannot be sent is dropped.
  void say(std::string_view lines) const noexcept;
  // Says that a reload runs, with the time that systemd wants beside it.
  void say_reloading(MonoTime now) const noexcept;

  [[nodiscard]] bool is_heard() const noexcept { return fd_ >= 0; }
  // The supervisor ends the process when it hears no WATCHDOG=1 for so long; 0 is for ever.
  [[nodiscard]] Duration watchdog() const noexcept { return watchdog_; }
  // Why `NOTIFY_SOCKET` cannot be used; "" when it can or is not set.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  int fd_ = -1;
  Duration watchdog_{0};
  std::string problem_;
};

}  // namespace sluice::app
