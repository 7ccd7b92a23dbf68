// What happens around a SQLite file before SQLite sees it: the file itself, its lock, its faults.
#pragma once

#include <expected>
#include <string>

namespace sluice::store {

// Holds `<path>.lock` until it dies; the kernel lets go when the process ends, however it does.
class SqliteLock {
 public:
  // The error is a sentence; it names the process that has the lock.
  [[nodiscard]] static std::expected<SqliteLock, std::string> take(const std::string& path);
  SqliteLock() = default;
  SqliteLock(SqliteLock&& other) noexcept;
  SqliteLock& operator=(SqliteLock&& other) noexcept;
  ~SqliteLock();

 private:
  explicit SqliteLock(int fd) noexcept : fd_(fd) {}
  int fd_ = -1;
};

// `path` without links, so that two names of one file have one lock.
[[nodiscard]] std::string resolved_path(const std::string& path);

// Makes an empty file of mode 0600 where there is none. The error is a sentence.
[[nodiscard]] std::expected<void, std::string> make_private_file(const std::string& path);

// Why `path` cannot be opened or written, judged by the file system; "" when it sees no reason.
[[nodiscard]] std::string access_fault(const std::string& path);

}  // namespace sluice::store
