#include "sqlite_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <sluice/store/file_lock.h>

namespace sluice::store {
namespace {

constexpr size_t kPidTextMax = 24;

std::string text_of(int error) { return std::system_category().message(error); }

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string remedy_of(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
      return fmt::format("make the directory {}, owned by the user that this runs as",
                         directory_of(path));
    case EACCES:
    case EPERM:
      return fmt::format("let the user that this runs as write in {}", directory_of(path));
    case EROFS: return "its file system is mounted read-only; name a path on another one";
    case ENOSPC:
    case EDQUOT: return "free some space on its file system";
    case ENOTDIR: return fmt::format("{} must be a directory", directory_of(path));
    default: return "look at the path and its file system";
  }
}

std::string file_refusal(std::string_view action, const std::string& path, int error) {
  return fmt::format("cannot {} {}: {}; {}", action, path, text_of(error), remedy_of(error, path));
}

// Of the process that wrote it; 0 when the text is no number.
int64_t pid_in(const std::string& path) noexcept {
  std::array<char, kPidTextMax> text{};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return 0;
  const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
  ::close(fd);
  int64_t pid = 0;
  if (count > 0) std::from_chars(text.data(), text.data() + count, pid);
  return pid;
}

}  // namespace

std::expected<SqliteLock, std::string> SqliteLock::take(const std::string& path) {
  const std::string name = path + ".lock";
  SqliteLock lock(lock_file(name, 0600));
  if (lock.fd_ < 0 && lock.fd_ != -EWOULDBLOCK) {
    return std::unexpected(file_refusal("open and lock", name, -lock.fd_));
  }
  if (lock.fd_ < 0) {
    const int64_t pid = pid_in(name);
    return std::unexpected(fmt::format(
        "{} is in use by {}; end that process, or give this one a path of its own", path,
        pid > 0 ? fmt::format("the process {}", pid) : std::string("another process")));
  }
  // The number is for people; a disk that is full does not take the lock away.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.fd_, 0) == 0) {
    [[maybe_unused]] const ssize_t count = ::pwrite(lock.fd_, pid.data(), pid.size(), 0);
  }
  return lock;
}

SqliteLock::SqliteLock(SqliteLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

SqliteLock& SqliteLock::operator=(SqliteLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

SqliteLock::~SqliteLock() {
  if (fd_ >= 0) unlock_file(fd_);
}

std::string resolved_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real != nullptr) return real.get();
  const std::unique_ptr<char, decltype(&std::free)> directory(
      ::realpath(directory_of(path).c_str(), nullptr), &std::free);
  if (directory == nullptr) return path;
  const std::string front = directory.get();
  return (front == "/" ? "" : front) + "/" + path.substr(path.rfind('/') + 1);
}

std::expected<void, std::string> make_private_file(const std::string& path) {
  // Never opens a file that exists: closing it would take SQLite's locks of this process away.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) {
    ::close(fd);
    return {};
  }
  if (errno == EEXIST) return {};
  return std::unexpected(file_refusal("make", path, errno));
}

std::string access_fault(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      return fmt::format("{} is a directory; name a file in it", path);
    }
    if (::access(path.c_str(), R_OK | W_OK) != 0) return file_refusal("write", path, errno);
  }
  // SQLite makes files beside its own.
  const std::string directory = directory_of(path);
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return file_refusal("write beside", path, errno);
  return {};
}

}  // namespace sluice::store
