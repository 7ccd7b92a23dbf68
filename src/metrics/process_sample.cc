#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/metrics/exposition.h>

namespace sluice::metrics {
namespace {

// The first bytes of a file of /proc; empty when it cannot be read.
std::string_view read_start(const char* path, std::array<char, 4096>& buffer) noexcept {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t length = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  return length > 0 ? std::string_view(buffer.data(), static_cast<size_t>(length))
                    : std::string_view();
}

// The field at `index`, counted from 0, of a line of fields split by single spaces.
uint64_t numeric_field(std::string_view line, size_t index) noexcept {
  for (; index > 0; --index) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return 0;
    line.remove_prefix(space + 1);
  }
  uint64_t value = 0;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

uint64_t count_open_fds() noexcept {
  struct stat status{};
  // Since Linux 6.2 the directory's size is the number of descriptors; before it is zero.
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) {
    return static_cast<uint64_t>(status.st_size);
  }
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory)) count += entry->d_name[0] != '.';
  ::closedir(directory);
  return count > 0 ? count - 1 : 0;  // Without the one that reads the directory.
}

// The kernel gives the start in clock ticks since boot, and the time of boot in another file.
double read_start_time() noexcept {
  std::array<char, 4096> buffer;
  const std::string_view stat = read_start("/proc/self/stat", buffer);
  // The second field is the program's name and may contain spaces; the start is the 22nd.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return 0;
  const uint64_t ticks = numeric_field(stat.substr(name_end + 2), 19);
  timespec boot{};
  timespec wall{};
  if (::clock_gettime(CLOCK_BOOTTIME, &boot) != 0) return 0;
  if (::clock_gettime(CLOCK_REALTIME, &wall) != 0) return 0;
  const double now = static_cast<double>(wall.tv_sec) + static_cast<double>(wall.tv_nsec) * 1e-9;
  const double up = static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) * 1e-9;
  return now - up + static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double to_seconds(const timeval& time) noexcept {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

ProcessSample read_process_sample() noexcept {
  // Computed once: derived from two clocks, it would otherwise move by their drift.
  static const double start_time = read_start_time();
  ProcessSample sample;
  std::array<char, 4096> buffer;
  sample.resident_bytes = numeric_field(read_start("/proc/self/statm", buffer), 1) *
                          static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    sample.cpu_seconds = to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
  }
  sample.open_fds = count_open_fds();
  sample.start_time_seconds = start_time;
  return sample;
}

}  // namespace sluice::metrics
