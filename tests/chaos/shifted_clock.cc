// Moves the wall clock of one process: preloaded, it adds what a file says to CLOCK_REALTIME.
//
// The file's first eight bytes are seconds, little endian, signed; they are mapped at the start, so
// that they count from the moment in which they are written, also in a sandbox. Clocks that count
// from the boot stay as they are, as after a step of a real clock.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

const std::atomic<int64_t>* shift_s = nullptr;

[[gnu::constructor]] void map_shift() {
  const char* const path = std::getenv("SLUICE_SHIFT_FILE");
  if (path == nullptr) return;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  // The call itself: programs may have an mmap of their own. Its arguments are all long.
  const long address =
      ::syscall(SYS_mmap, 0L, static_cast<long>(sizeof(int64_t)), static_cast<long>(PROT_READ),
                static_cast<long>(MAP_SHARED), static_cast<long>(fd), 0L);
  ::close(fd);
  if (address != -1) shift_s = reinterpret_cast<const std::atomic<int64_t>*>(address);
}

using ClockGettime = int (*)(clockid_t, timespec*);

ClockGettime next_clock_gettime() {
  static const auto next = reinterpret_cast<ClockGettime>(::dlsym(RTLD_NEXT, "clock_gettime"));
  return next;
}

int64_t shift() { return shift_s == nullptr ? 0 : shift_s->load(std::memory_order_relaxed); }

}  // namespace

extern "C" int clock_gettime(clockid_t id, timespec* time) noexcept {
  const int result = next_clock_gettime()(id, time);
  if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) time->tv_sec += shift();
  return result;
}

extern "C" time_t time(time_t* result) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

extern "C" int gettimeofday(timeval* now, void* /*zone*/) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
