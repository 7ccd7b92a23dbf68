#include "file_replace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

#include <fmt/format.h>

namespace sluice::control {
namespace {

std::unexpected<std::string> failed(const std::string& path, int error) {
  return std::unexpected(fmt::format("{} cannot be written: {}; let this user write its folder",
                                     path, std::generic_category().message(error)));
}

// The file itself, when `path` is a symbolic link.
std::string end_of_links(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  return real == nullptr ? path : std::string(real.get());
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Owner and mode of the old file, before there is a text that others could read.
bool take_after(int fd, const struct stat& old) {
  struct stat own{};
  if (::fstat(fd, &own) != 0) return false;
  const bool is_same_owner = own.st_uid == old.st_uid && own.st_gid == old.st_gid;
  if (!is_same_owner && ::fchown(fd, old.st_uid, old.st_gid) != 0) return false;
  return ::fchmod(fd, old.st_mode & 07777) == 0;
}

// So that the rename itself is on the disk.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

std::expected<void, std::string> replace_file(const std::string& path, std::string_view text) {
  const std::string target = end_of_links(path);
  struct stat old{};
  if (::stat(target.c_str(), &old) != 0) return failed(path, errno);
  const std::string beside = fmt::format("{}.sluice-{}", target, ::getpid());
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed(path, errno);
  bool is_done = take_after(fd, old) && write_all(fd, text) && ::fsync(fd) == 0;
  int error = is_done ? 0 : errno;
  ::close(fd);
  if (is_done && ::rename(beside.c_str(), target.c_str()) != 0) {
    error = errno;
    is_done = false;
  }
  if (!is_done) {
    ::unlink(beside.c_str());
    return failed(path, error);
  }
  sync_folder_of(target);
  return {};
}

}  // namespace sluice::control
