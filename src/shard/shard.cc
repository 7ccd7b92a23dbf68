#include <sluice/shard/shard.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <future>

#include <sluice/base/thread_stack.h>
#include <sluice/io/uring_kernel.h>

namespace sluice::shard {
namespace {

// Whole cores that a CPU quota allows; 0 when there is none.
uint32_t quota_cores(const std::string& cgroup_root) {
  int64_t quota = -1, period = 0;
  std::ifstream v2(cgroup_root + "/cpu.max");
  std::string quota_text;
  if (v2 >> quota_text >> period) {
    if (quota_text == "max") return 0;
    quota = std::strtoll(quota_text.c_str(), nullptr, 10);
  } else {
    std::ifstream v1_quota(cgroup_root + "/cpu/cpu.cfs_quota_us");
    std::ifstream v1_period(cgroup_root + "/cpu/cpu.cfs_period_us");
    if (!(v1_quota >> quota) || !(v1_period >> period)) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<uint32_t>(std::max<int64_t>(1, quota / period));
}

}  // namespace

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

uint32_t default_shard_count(const std::string& cgroup_root) {
  const auto cores = static_cast<uint32_t>(allowed_cpus().size());
  const uint32_t quota = quota_cores(cgroup_root);
  return quota == 0 ? cores : std::min(cores, quota);
}

std::expected<std::unique_ptr<Shard>, std::string> Shard::start(ShardOptions options,
                                                                BuildProgram build) {
  std::unique_ptr<Shard> shard(new Shard(options, std::move(build)));
  std::promise<std::string> started;
  std::future<std::string> outcome = started.get_future();
  shard->thread_ = std::thread(
      [raw = shard.get(), &started] { raw->live([&](std::string e) { started.set_value(e); }); });
  std::string failure = outcome.get();
  if (!failure.empty()) return std::unexpected(std::move(failure));
  return shard;
}

Shard::~Shard() {
  may_end_.release();
  if (thread_.joinable()) thread_.join();
}

void Shard::live(std::move_only_function<void(std::string)> started) {
  prepare_thread_stack();
  const std::string name = "shard-" + std::to_string(options_.id.value);
  pthread_setname_np(pthread_self(), name.c_str());
  if (options_.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options_.cpu, &set);
    // Bound before anything is allocated, so that memory is local. Failing costs only speed.
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  auto kernel = io::open_uring_kernel({.buffers_most = options_.buffers.most});
  if (!kernel) {
    started(std::move(kernel.error()));
    return;
  }
  io::SystemSyscalls syscalls;
  SystemClock clock;
  io::Ring ring(**kernel, syscalls, clock, options_.buffers);
  {
    const std::unique_ptr<Program> program = build_(ring);
    ring.set_hook(*program);
    ring_ = &ring;
    started({});
    ring.run();
    ring.clear_hook();
  }
  may_end_.acquire();
}

uint64_t Shard::cpu_us() const noexcept {
  clockid_t id{};
  timespec time{};
  if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &id) != 0) return 0;
  if (clock_gettime(id, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 +
         static_cast<uint64_t>(time.tv_nsec) / 1000;
}

}  // namespace sluice::shard
