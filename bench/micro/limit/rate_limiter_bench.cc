// What does a request pay for its limits, and how much memory does a subject take? Bound: 40 ns for
// a check that spends from a lease.
#include <sluice/limit/rate_limiter.h>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace sluice::limit {
namespace {

constexpr MonoTime kNow{seconds(1000)};
constexpr WallTime kWall{1'700'000'000'000'000};

// A key with as many limits of requests as asked for, none of which is ever reached.
struct Gateway {
  explicit Gateway(int64_t limits, uint32_t keys = 1) {
    config.tenants = {{.name = "default"}};
    for (int64_t i = 0; i < limits; ++i) {
      config.limit_rules.push_back(
          {.name = "rule" + std::to_string(i), .most = uint64_t{1} << 38, .length = seconds(60)});
    }
    config.keys.resize(keys);
    for (uint32_t i = 0; i < keys; ++i) {
      config.keys[i].name = "key" + std::to_string(i);
      config.keys[i].tenant = TenantId{0};
      for (int64_t j = 0; j < limits; ++j) {
        config.keys[i].limits.push_back(LimitId{static_cast<uint32_t>(j)});
      }
    }
    config.models.resize(1);
    config.models[0].name = "m";
    banks = *BankTable::make(
        {.subjects_max = keys * static_cast<uint32_t>(limits) + 1024, .now = kNow, .wall = kWall});
    subjects = std::make_unique<SubjectTable>(config);
    limiter = std::make_unique<RateLimiter>(*banks, ShardId{0}, 1);
  }
  bool admit(uint32_t key, Reservation& reservation) const {
    return limiter->admit(*subjects, {KeyId{key}, TenantId{0}, ModelId{0}}, {}, kNow, reservation)
               .verdict == Decision::Verdict::kGranted;
  }

  config::Snapshot config;
  std::unique_ptr<BankTable> banks;
  std::unique_ptr<SubjectTable> subjects;
  std::unique_ptr<RateLimiter> limiter;
};

// Argument: limits that match. Admitted and settled.
void admit_and_settle(benchmark::State& state) {
  const Gateway gateway(state.range(0));
  for (auto _ : state) {
    Reservation reservation;
    benchmark::DoNotOptimize(gateway.admit(0, reservation));
    gateway.limiter->settle(reservation, {}, kNow);
  }
}
BENCHMARK(admit_and_settle)->ArgName("limits")->Arg(1)->Arg(2)->Arg(4)->Arg(8);

// The bank, which a shard asks for each lease: with threads, what contention costs.
void take_from_bank(benchmark::State& state) {
  static Bank bank;
  bank.set_terms({.most = int64_t{1} << 39, .length = seconds(60)});
  const LimitTime now{microseconds(kWall.unix_us)};
  for (auto _ : state) {
    const Taking taking = bank.take(1, 1, now);
    bank.give_back(taking, now);
  }
}
BENCHMARK(take_from_bank)->Threads(1)->Threads(2);

int64_t resident_bytes() {
  int64_t size = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * 4096;
}

// A million subjects, each with a bank and a lease that was used once: bytes of each.
void open_subjects(benchmark::State& state) {
  for (auto _ : state) {
    const auto keys = static_cast<uint32_t>(state.range(0));
    const Gateway gateway(1, keys);
    const int64_t before = resident_bytes();
    for (uint32_t key = 0; key < keys; ++key) {
      Reservation reservation;
      benchmark::DoNotOptimize(gateway.admit(key, reservation));
      gateway.limiter->settle(reservation, {}, kNow);
    }
    state.counters["bytes_each"] = static_cast<double>(resident_bytes() - before) / keys;
    state.counters["record_bytes"] = BankTable::kRecordBytes;
  }
}
BENCHMARK(open_subjects)
    ->ArgName("subjects")
    ->Arg(10'000)
    ->Arg(1'000'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::limit

BENCHMARK_MAIN();
