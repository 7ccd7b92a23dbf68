// What the simulated server has seen; the tests read it back over HTTP.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::sim {

// Counts of one shard. Written by its thread, read by any.
struct alignas(128) ShardFigures {
  std::atomic<uint64_t> connections_accepted{0};
  std::atomic<uint64_t> connections_closed{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> requests_ended{0};
  std::atomic<uint64_t> aborted{0};
  std::atomic<uint64_t> events_sent{0};

  static void add(std::atomic<uint64_t>& figure, uint64_t count = 1) noexcept {
    figure.store(figure.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
};

// A client that left before its answer was complete.
struct Abort {
  std::string path;
  std::string model;
  std::string_view phase;  // "body", "wait", "stream" or "stall".
  uint64_t events_sent = 0;
  MonoTime last_sent;  // When the last byte of the answer went to the kernel, else the start.
  MonoTime gone;       // When the client's leaving was seen.
};

// The requests of one path and model.
struct Tally {
  uint64_t requests = 0;
  std::map<std::string, uint64_t, std::less<>> outcomes;  // By their names, see README.md.
};

struct RecordedRequest {
  std::string head;  // As it came, up to and with its empty line.
  std::string body;  // Without a transfer coding.
};

// One per process, shared by all shards.
class Figures {
 public:
  static constexpr size_t kAbortsKept = 256;
  static constexpr size_t kTalliesMax = 256;  // What comes later is counted as "other".

  explicit Figures(uint32_t shards) : shards_(shards) {}

  [[nodiscard]] ShardFigures& of_shard(uint32_t shard) noexcept { return shards_[shard]; }

  // Around each request for a model. Any thread; the second locks.
  void begin_request() noexcept;
  void end_request(std::string_view path, std::string_view model, std::string_view outcome);
  // The most that were in flight is reckoned anew from what is in flight now.
  void forget_most() noexcept;

  // Rare; locks.
  void add_abort(Abort abort);
  void keep_request(RecordedRequest request);

  // The answers of /sim/stats and /sim/last; the latter is empty when nothing was kept.
  [[nodiscard]] std::string stats_json(MonoTime now);
  [[nodiscard]] std::string last_request_json();

 private:
  std::vector<ShardFigures> shards_;
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<uint64_t> in_flight_most_{0};
  std::mutex mutex_;
  std::map<std::string, Tally, std::less<>> tallies_;  // By "path model".
  std::deque<Abort> aborts_;                           // The latest, oldest first.
  RecordedRequest last_;
};

}  // namespace sluice::sim
