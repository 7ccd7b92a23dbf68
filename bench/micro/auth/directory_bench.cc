// What does finding a key of the store among a million cost, and how much memory does a key take?
// Bounds: 300 ns for find(), hit or miss; 170 bytes a key whose id and name are its own; 3 us a key
// to build the index, 2 us to fold it.
#include <sluice/auth/directory.h>

#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace sluice::auth {
namespace {

constexpr uint64_t kKeys = 1'000'000;
constexpr uint64_t kOrganisations = 100;
constexpr uint64_t kTeams = 1'000;

std::string hexadecimal(uint64_t number, size_t digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(digits, '0');
  for (size_t i = digits; i > 0 && number != 0; --i, number >>= 4) {
    text[i - 1] = kDigits[number & 15];
  }
  return text;
}

crypto::Digest digest_of(uint64_t number) { return crypto::sha256(std::to_string(number)); }

KeyRecord key_of(uint64_t number) {
  KeyRecord key;
  key.id = "key_" + hexadecimal(number * 0x9e3779b97f4a7c15, 24);
  key.name = "service-" + std::to_string(number);
  key.digest = digest_of(number);
  key.team = "team_" + hexadecimal(number % kTeams, 24);
  key.organisation = "org_" + hexadecimal(number % kOrganisations, 24);
  key.models = {"gpt-4o*", "text-embedding-*"};
  key.limits = {{.name = "requests_per_minute", .most = 60 + number % 20, .length = seconds(60)}};
  return key;
}

struct Built {
  Built() {
    std::vector<KeyRecord> keys;
    keys.reserve(kKeys);
    for (uint64_t i = 0; i < kKeys; ++i) keys.push_back(key_of(i));
    const auto begin = std::chrono::steady_clock::now();
    DirectoryBuilder builder;
    builder.reserve(keys.size());
    for (uint64_t i = 0; i < kTeams; ++i) add(builder, OwnerLevel::kTeam, "team_", i);
    for (uint64_t i = 0; i < kOrganisations; ++i) {
      add(builder, OwnerLevel::kOrganisation, "org_", i);
    }
    for (const KeyRecord& key : keys) builder.add(key);
    index = builder.finish();
    build_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  static void add(DirectoryBuilder& builder, OwnerLevel level, std::string front, uint64_t i) {
    Owner owner;
    owner.level = level;
    owner.id = std::move(front) + hexadecimal(i, 24);
    builder.add(owner);
  }

  IndexPtr index;
  double build_seconds = 0;
};

const Built& built() {
  static const Built once;
  return once;
}

// A thousand changed keys and an owner, as many as there are before they are folded.
DeltaPtr full_delta() {
  DirectoryChange change;
  for (uint64_t i = 0; i < kDeltaMost - 1; ++i) {
    change.keys.push_back(key_of(i * 997));
    change.keys.back().is_blocked = true;
  }
  change.owners.resize(1);
  change.owners[0].id = "team_" + hexadecimal(5, 24);
  return apply(nullptr, change);
}

// Keys far from each other, more than any cache holds the entries of.
std::vector<crypto::Digest> digests(uint64_t first) {
  std::vector<crypto::Digest> digests;
  for (uint64_t i = 0; i < 1u << 18; ++i) digests.push_back(digest_of(first + i * 7919 % kKeys));
  return digests;
}

void find(benchmark::State& state, bool is_known, bool has_delta) {
  const DeltaPtr delta = has_delta ? full_delta() : nullptr;
  const Directory directory(built().index.get(), delta.get(), 1);
  const std::vector<crypto::Digest> wanted = digests(is_known ? 0 : kKeys);
  size_t next = 0;
  for (auto _ : state) {
    auto found = directory.find(wanted[next++ % wanted.size()]);
    if (found.has_value() != is_known) return state.SkipWithError("a wrong answer");
    benchmark::DoNotOptimize(found);
  }
  state.counters["bytes_per_key"] =
      static_cast<double>(figures_of(*built().index).bytes) / static_cast<double>(kKeys);
  state.counters["build_seconds"] = built().build_seconds;
}
BENCHMARK_CAPTURE(find, known, true, false);
BENCHMARK_CAPTURE(find, unknown, false, false);
BENCHMARK_CAPTURE(find, known_under_a_full_delta, true, true);
BENCHMARK_CAPTURE(find, unknown_under_a_full_delta, false, true);

void apply_one_change(benchmark::State& state) {
  const DeltaPtr before = full_delta();
  const DirectoryChange change{.keys = {key_of(7)}};
  for (auto _ : state) benchmark::DoNotOptimize(apply(before.get(), change));
}
BENCHMARK(apply_one_change)->Unit(benchmark::kMicrosecond);

void fold_a_full_delta(benchmark::State& state) {
  const DeltaPtr delta = full_delta();
  for (auto _ : state) benchmark::DoNotOptimize(fold(built().index.get(), delta.get()));
}
BENCHMARK(fold_a_full_delta)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace sluice::auth
