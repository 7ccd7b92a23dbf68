// Appends lines to a file or to an open descriptor, blocking.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::telemetry {

// Used on an offload lane, or wherever blocking does no harm. One thread at a time.
class FileWriter {
 public:
  // Writes to `fallback_fd`, which is not closed, until a file is opened.
  explicit FileWriter(int fallback_fd) noexcept : fallback_fd_(fallback_fd) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();

  // Opens `path` for appending in place of what was open; "" goes back to the fallback. Used for
  // rotation too, with the same path. On failure what was open stays, and `problem()` says why.
  bool open(const std::string& path);
  // Writes all of `lines`, each with its end; false when a part could not be written. A line that
  // was torn then is ended before the next ones, so that it spoils no other.
  bool write(std::string_view lines);

  // Of the open file, -1 without one. Any thread.
  [[nodiscard]] int descriptor() const noexcept { return fd_.load(std::memory_order_relaxed); }
  // The last failure with its cause and remedy; "" while there was none.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  [[nodiscard]] uint64_t errors() const noexcept { return errors_; }

 private:
  bool fail(std::string_view action, int error);
  bool write_all(std::string_view text);

  int fallback_fd_;
  std::atomic<int> fd_ = -1;
  bool is_torn_ = false;  // A write ended within a line.
  std::string path_;
  std::string problem_;
  uint64_t errors_ = 0;
};

}  // namespace sluice::telemetry
