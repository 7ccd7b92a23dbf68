// An absolute point in time that is carried along; a configured timeout makes one.
#pragma once

#include <sluice/base/clock.h>

namespace sluice {

struct Deadline {
  MonoTime at = MonoTime::max();

  [[nodiscard]] static constexpr Deadline never() noexcept { return {}; }
  // A zero or negative `timeout` means no deadline, as 0 does in the configuration.
  [[nodiscard]] static constexpr Deadline after(MonoTime now, Duration timeout) noexcept {
    return timeout <= Duration::zero() ? never() : Deadline{now + timeout};
  }
  [[nodiscard]] constexpr bool is_never() const noexcept { return at == MonoTime::max(); }
  [[nodiscard]] constexpr bool has_passed(MonoTime now) const noexcept { return now >= at; }
  [[nodiscard]] constexpr Deadline sooner(Deadline other) const noexcept {
    return at <= other.at ? *this : other;
  }
};

}  // namespace sluice
