#include <sluice/store/file_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice::store {
namespace {

// Of the process, as the locks themselves are.
struct Locks {
  std::vector<HeldLock> held;
  std::vector<int> inherited;
};

Locks& locks() {
  static Locks all;
  return all;
}

bool is_same_file(int one, int other) noexcept {
  struct stat first{}, second{};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// The descriptor that holds the lock, `fd` itself or what was inherited; or a negative errno.
int lock_one(int fd, std::vector<int>& inherited) noexcept {
  const auto known =
      std::ranges::find_if(inherited, [fd](int other) { return is_same_file(fd, other); });
  if (known != inherited.end()) {
    const int lock = *known;
    inherited.erase(known);
    ::close(fd);
    return lock;
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

}  // namespace

int lock_file(const std::string& path, mode_t mode) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return -errno;
  Locks& all = locks();
  const int lock = lock_one(fd, all.inherited);
  if (lock >= 0) all.held.push_back({path, lock});
  return lock;
}

void unlock_file(int fd) noexcept {
  Locks& all = locks();
  std::erase_if(all.held, [fd](const HeldLock& lock) { return lock.fd == fd; });
  ::close(fd);
}

std::vector<HeldLock> held_locks() {
  Locks& all = locks();
  return all.held;
}

void inherit_locks(std::vector<int> fds) {
  Locks& all = locks();
  all.inherited = std::move(fds);
}

void drop_inherited_locks() noexcept {
  Locks& all = locks();
  for (const int fd : std::exchange(all.inherited, {})) ::close(fd);
}

}  // namespace sluice::store
