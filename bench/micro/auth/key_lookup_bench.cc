// What does finding the principal of a key among very many cost? Bound: 500 ns among 100,000 keys,
// SHA-256 of the secret included, so that P6 of the performance budgets is kept.
#include <sluice/auth/chain.h>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace sluice::auth {
namespace {

constexpr WallTime kNow{1'000'000};

std::string secret_of(int64_t number) {
  std::string digits = std::to_string(number);
  return "sk-" + std::string(45 - digits.size(), '0') + digits;
}

config::Snapshot with_keys(int64_t count) {
  config::Snapshot snapshot;
  for (int64_t i = 0; i < count; ++i) {
    config::Key key;
    key.digest = crypto::sha256(secret_of(i));
    key.tenant = TenantId{0};
    snapshot.keys_by_digest[key.digest] = KeyId{static_cast<uint32_t>(i)};
    snapshot.keys.push_back(std::move(key));
  }
  return snapshot;
}

// Walks keys far from each other, as requests of many clients do, so that the table is not all in
// the nearest cache.
std::vector<std::string> bearers(int64_t count, int64_t first) {
  std::vector<std::string> bearers;
  for (int64_t i = 0; i < 4096; ++i) {
    bearers.push_back("Bearer " + secret_of(first + i * 7919 % count));
  }
  return bearers;
}

bool is_file_key(const Chain& chain, const Credentials& credentials, KeyMemory& memory) {
  const Result<Claim> claim = chain.read(credentials, kNow, memory);
  if (!claim || chain.ask_file(claim->digest, kNow).verdict != Verdict::kAllow) return false;
  memory.remember(credentials, claim->digest);
  return true;
}

void identify(benchmark::State& state, bool is_known) {
  const config::Snapshot snapshot = with_keys(state.range(0));
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  const std::vector<std::string> authorizations =
      bearers(state.range(0), is_known ? 0 : state.range(0));
  size_t next = 0;
  for (auto _ : state) {
    KeyMemory memory;  // Of a connection whose first request this is.
    const bool found = is_file_key(chain, {.authorization = authorizations[next++ % 4096]}, memory);
    if (found != is_known) return state.SkipWithError("a wrong answer");
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK_CAPTURE(identify, known, true)->ArgName("keys")->Arg(1)->Arg(10'000)->Arg(100'000);
BENCHMARK_CAPTURE(identify, unknown, false)->ArgName("keys")->Arg(100'000);

void identify_again(benchmark::State& state) {
  const config::Snapshot snapshot = with_keys(state.range(0));
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  const std::string authorization = "Bearer " + secret_of(0);
  KeyMemory memory;
  for (auto _ : state) {
    const bool found = is_file_key(chain, {.authorization = authorization}, memory);
    if (!found) return state.SkipWithError("a wrong answer");
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(identify_again)->ArgName("keys")->Arg(1)->Arg(100'000);

}  // namespace
}  // namespace sluice::auth

BENCHMARK_MAIN();
