// The world of one core: a thread bound to it, its ring, and the program that lives on it.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <sluice/base/ids.h>
#include <sluice/io/ring.h>

namespace sluice::shard {

// What runs on a shard. Built, driven and destroyed on the shard's thread; its hook drains the
// mailboxes that other threads write to.
class Program : public io::TurnHook {};

struct ShardOptions {
  ShardId id;
  int cpu = -1;  // Core to bind to; negative leaves the choice to the kernel.
  io::BufferLimits buffers;
};

// Owns the thread. The program ends the loop by ring.stop() once it has drained.
class Shard {
 public:
  using BuildProgram = std::move_only_function<std::unique_ptr<Program>(io::Ring&)>;

  // Starts the thread and waits until its program is built. The error is a sentence with cause
  // and remedy (the ring could not be opened).
  [[nodiscard]] static std::expected<std::unique_ptr<Shard>, std::string> start(
      ShardOptions options, BuildProgram build);
  // Waits for the loop to end. Nobody may call ring().wake() from now on.
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  [[nodiscard]] ShardId id() const noexcept { return options_.id; }
  // Lives as long as this object, also when the loop has ended. Only wake() may be called from
  // other threads.
  [[nodiscard]] io::Ring& ring() noexcept { return *ring_; }
  // CPU time of the shard's thread in microseconds; any thread, while the shard lives.
  [[nodiscard]] uint64_t cpu_us() const noexcept;

 private:
  Shard(ShardOptions options, BuildProgram build) noexcept
      : options_(options), build_(std::move(build)) {}
  void live(std::move_only_function<void(std::string)> started);

  ShardOptions options_;
  BuildProgram build_;
  io::Ring* ring_ = nullptr;  // Lives on the thread's stack, from start() until the destructor.
  // One shard may have drained while others serve; whoever sends it a last message wakes its ring.
  std::binary_semaphore may_end_{0};
  std::thread thread_;
};

// The cores this process may use, in order.
[[nodiscard]] std::vector<int> allowed_cpus();

// `shards: auto`: one per allowed core, capped by the cgroup's CPU quota (cgroup v2 cpu.max, or v1
// cpu.cfs_quota_us); at least 1. `cgroup_root` is replaced in tests.
[[nodiscard]] uint32_t default_shard_count(const std::string& cgroup_root = "/sys/fs/cgroup");

}  // namespace sluice::shard
