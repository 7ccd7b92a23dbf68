#include <sluice/telemetry/line_file.h>

#include <utility>

namespace sluice::telemetry {

LineFile::LineFile(int fallback_fd, const Redactor* redactor)
    : redactor_(redactor), writer_(fallback_fd) {}

std::string LineFile::open(const std::string& path) {
  return writer_.open(path) ? std::string() : writer_.problem();
}

void LineFile::reopen(std::string path) {
  // A full lane means a file that hangs; it cannot be closed now either.
  static_cast<void>(lane_.post([this, path = std::move(path)] {
    if (!writer_.open(path)) note_problem();
  }));
}

bool LineFile::append(std::string lines, uint64_t count) {
  const size_t bytes = lines.size();
  const size_t before = waiting_bytes_.fetch_add(bytes);
  bool is_posted = false;
  if (before + bytes <= kWaitingBytesMax) {
    is_posted = lane_.post([this, count, bytes, lines = std::move(lines)]() mutable {
      if (redactor_ != nullptr) redactor_->redact_json(lines);
      const bool was_failing = is_failing_;
      is_failing_ = !writer_.write(lines);
      if (is_failing_) dropped_.fetch_add(count);
      // Who reads the log needs one line of a disk that is full, not one of each batch.
      if (is_failing_ && !was_failing) note_problem();
      if (was_failing && !is_failing_) has_recovered_.store(true);
      waiting_bytes_.fetch_sub(bytes);
    });
  }
  if (!is_posted) {
    waiting_bytes_.fetch_sub(bytes);
    dropped_.fetch_add(count);
  }
  return is_posted;
}

std::string LineFile::take_problem() {
  const std::lock_guard lock(problem_mutex_);
  return std::exchange(problem_, {});
}

void LineFile::note_problem() {
  const std::lock_guard lock(problem_mutex_);
  problem_ = writer_.problem();
}

}  // namespace sluice::telemetry
