#include <sluice/telemetry/file_writer.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace sluice::telemetry {
namespace {

// Waits until a descriptor that somebody else made non-blocking takes bytes again.
bool wait_writable(int fd) noexcept {
  pollfd polled{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&polled, 1, -1) == 1;
}

}  // namespace

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

bool FileWriter::open(const std::string& path) {
  int opened = -1;
  if (!path.empty()) {
    constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    opened = ::open(path.c_str(), kFlags, 0640);
    if (opened < 0) {
      const int error = errno;
      path_ = fd_ >= 0 ? path_ : path;
      return fail(fmt::format("cannot open {}", path), error);
    }
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = opened;
  is_torn_ = false;
  path_ = path;
  return true;
}

bool FileWriter::write(std::string_view lines) {
  return (!is_torn_ || write_all("\n")) && write_all(lines);
}

bool FileWriter::write_all(std::string_view lines) {
  const int fd = fd_ >= 0 ? descriptor() : fallback_fd_;
  bool is_inside = is_torn_;
  while (!lines.empty()) {
    const ssize_t written = ::write(fd, lines.data(), lines.size());
    if (written > 0) {
      is_inside = lines[static_cast<size_t>(written) - 1] != '\n';
      lines.remove_prefix(static_cast<size_t>(written));
      continue;
    }
    const int error = written == 0 ? EIO : errno;
    if (error == EINTR || (error == EAGAIN && wait_writable(fd))) continue;
    is_torn_ = is_inside;
    return fail(
        fd_ >= 0 ? fmt::format("cannot write to {}", path_) : "cannot write to the terminal",
        error);
  }
  is_torn_ = false;
  return true;
}

bool FileWriter::fail(std::string_view action, int error) {
  ++errors_;
  problem_ = fmt::format("{}: {}; check that the directory exists, is writable and has space left",
                         action, std::generic_category().message(error));
  return false;
}

}  // namespace sluice::telemetry
