// One log destination that never keeps its caller waiting.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include <sluice/io/offload.h>
#include <sluice/telemetry/file_writer.h>
#include <sluice/telemetry/redactor.h>

namespace sluice::telemetry {

// Hands batches of lines to a lane of its own, on which a file that hangs stops nothing else. What
// waits is bounded; beyond the bound lines are dropped and counted. Any thread but a shard's may
// call it: it locks and allocates. The destructor writes what waits.
class LineFile {
 public:
  static constexpr size_t kWaitingBytesMax = 4u << 20;

  // `fallback_fd` (stdout, stderr) is written to while `path` is "". With a `redactor`, which must
  // outlive this, lines are JSON, and what it knows is struck out of them on the lane.
  explicit LineFile(int fallback_fd, const Redactor* redactor = nullptr);
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // Opens `path` and waits for the result, for the start, when a wrong path must be an error.
  // Otherwise the cause and remedy for people; "" is success. Call before the first append().
  [[nodiscard]] std::string open(const std::string& path);
  // Opens `path`, anew when it is the same (log rotation), behind the lines that wait.
  void reopen(std::string path);
  // `lines` are `count` whole lines. False when they were dropped.
  bool append(std::string lines, uint64_t count);

  // Of the open file; -1 when there is none. For a signal catcher, too.
  [[nodiscard]] int descriptor() const noexcept { return writer_.descriptor(); }
  // Lines lost since the last call, also those whose write failed.
  [[nodiscard]] uint64_t take_dropped() noexcept { return dropped_.exchange(0); }
  // That opening failed, or that writing has begun to fail, once; "" when there is nothing new.
  [[nodiscard]] std::string take_problem();
  // Whether writing works again after it had failed, once.
  [[nodiscard]] bool take_recovery() noexcept { return has_recovered_.exchange(false); }

 private:
  void note_problem();

  std::atomic<size_t> waiting_bytes_{0};
  std::atomic<uint64_t> dropped_{0};
  std::atomic<bool> has_recovered_{false};
  bool is_failing_ = false;  // The lane's.
  std::mutex problem_mutex_;
  std::string problem_;
  const Redactor* redactor_;
  FileWriter writer_;  // The lane's, except during open().
  io::Lane lane_;      // Last, so that it ends before what its jobs touch.
};

}  // namespace sluice::telemetry
