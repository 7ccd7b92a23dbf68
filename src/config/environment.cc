#include <sluice/config/environment.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/base/units.h>

namespace sluice::config {
namespace {

std::unexpected<std::string> reason_of(int error) {
  return std::unexpected(std::generic_category().message(error));
}

std::expected<FileText, std::string> read_all(int fd, size_t bytes_max) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return reason_of(errno);
  FileText file{{}, (status.st_mode & S_IROTH) != 0};
  std::array<char, 64 * 1024> block;
  for (;;) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return reason_of(errno);
    if (got == 0) return file;
    file.text.append(block.data(), static_cast<size_t>(got));
    if (file.text.size() > bytes_max) {
      return std::unexpected("larger than " + format_bytes(bytes_max));
    }
  }
}

}  // namespace

std::optional<std::string> SystemEnvironment::variable(const std::string& name) const {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

std::expected<FileText, std::string> SystemEnvironment::read(const std::string& path,
                                                             size_t bytes_max) const {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return reason_of(errno);
  auto file = read_all(fd, bytes_max);
  ::close(fd);
  return file;
}

}  // namespace sluice::config
