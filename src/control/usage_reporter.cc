#include "usage_reporter.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {

UsageReporter::UsageReporter(Parts parts)
    : parts_(std::move(parts)),
      timer_(parts_.ring.ready(), parts_.ring.timers()),
      stopped_(parts_.ring.ready()),
      told_(parts_.told),
      noted_(parts_.told) {}

void UsageReporter::stop() noexcept { stopped_.trigger(); }

Task<void> UsageReporter::run() {
  while (!stopped_.is_ready()) {
    const bool is_good = co_await pass_on();
    if (!is_good) {
      co_await pause(retry_gap());
    } else if (!is_full_) {
      co_await pause(parts_.settings.interval);
    }
  }
}

Task<void> UsageReporter::pause(Duration length) {
  timer_.set(Deadline{parts_.ring.now() + std::max<Duration>(length, milliseconds(1))});
  co_await io::first_of(&timer_, &stopped_);
}

Task<bool> UsageReporter::pass_on() {
  is_full_ = false;
  const uint64_t last = parts_.feed.last_number();
  if (last > told_) {
    const auto rows = co_await parts_.feed.rows_after(told_, parts_.settings.batch_max);
    if (stopped_.is_ready()) co_return true;
    if (!rows) {
      note_failure(rows.error());
      co_return false;
    }
    // Without rows, what it has not been told has gone by its age.
    uint64_t told = last;
    if (!rows->empty()) {
      const Deadline deadline{parts_.ring.now() + parts_.settings.timeout};
      const auto taken = co_await parts_.target.deliver(*rows, deadline);
      auto& fates = parts_.cells.usage_records;
      fates[taken ? metrics::UsageFate::kReported : metrics::UsageFate::kReportFailed].add(
          rows->size());
      if (!taken) {
        if (!stopped_.is_ready()) note_failure(taken.error());
        co_return false;
      }
      told = rows->back().number;
      is_full_ = rows->size() >= parts_.settings.batch_max;
    }
    note_success();
    told_ = told;
  }
  if (noted_ != told_) {
    // Where the file cannot be written, what was told is told again by the next process.
    const auto noted = co_await parts_.feed.set_told(parts_.settings.name, told_);
    if (noted) noted_ = told_;
  }
  co_return true;
}

Duration UsageReporter::retry_gap() noexcept {
  Duration gap = kRetryFirst;
  for (uint32_t i = 1; i < failures_ && gap < kRetryMost; ++i) gap *= 2;
  gap = std::min(gap, kRetryMost);
  return gap / 2 + gap / 2 * static_cast<int64_t>(random_.next_u64() % 1024) / 1024;
}

void UsageReporter::note_failure(const std::string& cause) {
  if (failures_++ > 0) return;
  parts_.log.write(LogLevel::kError, "usage",
                   fmt::format("reporter {}: {}; its records wait in the usage log's file, and are "
                               "offered again",
                               parts_.settings.name, cause));
}

void UsageReporter::note_success() {
  if (std::exchange(failures_, 0) == 0) return;
  parts_.log.write(LogLevel::kInfo, "usage",
                   fmt::format("reporter {} takes records again", parts_.settings.name));
}

}  // namespace sluice::control
