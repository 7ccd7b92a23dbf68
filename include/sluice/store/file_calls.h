// The calls of a journal that a disk can refuse, replaceable in tests.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace sluice::store {

// As the system's: -1 and errno on failure. They block, and come from the lanes of a journal.
class FileCalls {
 public:
  virtual ~FileCalls() = default;
  [[nodiscard]] virtual ssize_t write(int fd, const void* bytes, size_t count) noexcept = 0;
  // Of the bytes of a file, or of the names in a directory.
  [[nodiscard]] virtual int sync(int fd) noexcept = 0;
};

class SystemFileCalls final : public FileCalls {
 public:
  [[nodiscard]] ssize_t write(int fd, const void* bytes, size_t count) noexcept override;
  [[nodiscard]] int sync(int fd) noexcept override;
};

}  // namespace sluice::store
