#include <sluice/config/environment.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/base/units.h>
#include <sluice/crypto/secret.h>

namespace sluice::config {
namespace {

constexpr size_t kBlockBytes = 4096;

std::unexpected<std::string> reason_of(int error) {
  return std::unexpected(std::generic_category().message(error));
}

// Leaves no copy of what may be a secret behind.
void grow(std::string& text) {
  std::string larger(2 * text.size(), '\0');
  text.copy(larger.data(), text.size());
  crypto::wipe(text.data(), text.size());
  text = std::move(larger);
}

std::expected<FileText, std::string> read_all(int fd, size_t bytes_max) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return reason_of(errno);
  FileText file{{}, (status.st_mode & S_IROTH) != 0};
  std::string& text = file.text;
  // One more than a regular file has, so that its end is seen without growing.
  text.resize(std::min(bytes_max, std::max(kBlockBytes, static_cast<size_t>(status.st_size))) + 1);
  size_t length = 0;
  for (;;) {
    const ssize_t got = ::read(fd, text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return reason_of(errno);
    if (got == 0) {
      text.resize(length);
      return file;
    }
    length += static_cast<size_t>(got);
    if (length > bytes_max) return std::unexpected("larger than " + format_bytes(bytes_max));
    if (length == text.size()) grow(text);
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
