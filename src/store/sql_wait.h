// Waiting for a driver's socket with an end in sight.
#pragma once

#include <atomic>
#include <cstdint>

#include <sluice/base/clock.h>

namespace sluice::store {

class SqlWait {
 public:
  enum class Outcome : uint8_t { kReady, kTimeout, kInterrupted };

  SqlWait();
  ~SqlWait();
  SqlWait(const SqlWait&) = delete;
  SqlWait& operator=(const SqlWait&) = delete;

  // Until poll(2) reports one of `events` of `fd`, an error of it among them.
  [[nodiscard]] Outcome wait(int fd, short events, MonoTime until) noexcept;
  // For good. Any thread.
  void interrupt() noexcept;
  [[nodiscard]] bool is_interrupted() const noexcept { return is_interrupted_.load(); }
  [[nodiscard]] MonoTime now() noexcept { return clock_.now(); }

 private:
  SystemClock clock_;
  int wake_fd_;  // Readable from interrupt() on.
  std::atomic<bool> is_interrupted_ = false;
};

}  // namespace sluice::store
