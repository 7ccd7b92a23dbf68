#include <sluice/base/assert.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sluice {

void assert_failed(const char* condition, const char* file, int line) noexcept {
  char text[512];
  const int length = std::snprintf(text, sizeof text,
                                   "sluice: broken invariant: %s at %s:%d. This is a bug; please "
                                   "report it with this line.\n",
                                   condition, file, line);
  // stderr directly: the logger may be what is broken.
  if (length > 0) {
    const auto size = static_cast<size_t>(length);
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, text, size < sizeof text ? size : sizeof text - 1);
  }
  std::abort();
}

}  // namespace sluice
