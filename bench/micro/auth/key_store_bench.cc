// How long does a start take with so many keys in the store? Of a file in the page cache: opening
// it with and without a look at every page, and reading it into the directory. SLUICE_BENCH_KEYS
// says how many keys, 50,000 otherwise. Bound for a million: 5 s of CPU together.
#include <sluice/auth/key_store.h>

#include <unistd.h>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <sluice/store/sqlite_db.h>

namespace sluice::auth {
namespace {

int64_t key_count() {
  const char* const text = std::getenv("SLUICE_BENCH_KEYS");
  return text == nullptr ? 50'000 : std::strtoll(text, nullptr, 10);
}

class Silent final : public KeyStore::Progress {
 public:
  void on_keys(uint64_t) override {}
};

// A file of keys with an organisation, a team, models, limits and metadata of their own.
struct Filled {
  Filled() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    path = directory + "/keys.db";
    static_cast<void>(KeyStore::open(path, clock));
    const auto db = store::SqliteDb::open(path, {.syncs_commits = false});
    if (!db) return;
    is_good =
        (*db)->run_all(
            "INSERT INTO owners VALUES('org_1', 0, 'Acme', NULL, NULL, 0, NULL, '', '', '', 1, 1);"
            "INSERT INTO owners VALUES('team_1', 1, 'Blue', 'org_1', NULL, 0, NULL, '', '', '', 1, "
            "1)") &&
        (*db)->run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT "
            "INTO keys(id, name, prefix, digest, kind, organisation, team, user, is_blocked, "
            "not_before, expires, models, limits, allowed_addresses, denied_addresses, weight, "
            "priority_max, metadata, created, updated) SELECT 'key_' || "
            "lower(hex(randomblob(12))), "
            "'service-' || i, 'sk-abcd', randomblob(32), 0, 'org_1', 'team_1', NULL, 0, NULL, "
            "NULL, '[\"gpt-4o*\",\"text-embedding-*\"]', "
            "'{\"requests_per_minute\":' || (60 + i % 20) || '}', '', '', 1, 0, '', 1, 1 FROM n",
            {key_count()});
  }
  ~Filled() { std::filesystem::remove_all(directory); }

  SystemClock clock;
  std::string directory;
  std::string path;
  bool is_good = false;
};

Filled& filled() {
  static Filled filled;
  return filled;
}

void open_store(benchmark::State& state) {
  Filled& file = filled();
  for (auto _ : state) {
    const auto opened =
        KeyStore::open(file.path, file.clock, {.checks_pages = state.range(0) != 0});
    if (!opened || !file.is_good) return state.SkipWithError("the file cannot be opened");
  }
  state.counters["keys"] = static_cast<double>(key_count());
  state.counters["file_mib"] =
      static_cast<double>(std::filesystem::file_size(file.path)) / (1024.0 * 1024.0);
}
BENCHMARK(open_store)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void load_store(benchmark::State& state) {
  Filled& file = filled();
  const auto opened = KeyStore::open(file.path, file.clock, {.checks_pages = false});
  if (!opened) return state.SkipWithError("the file cannot be opened");
  Silent progress;
  for (auto _ : state) {
    const auto index = (*opened)->load(progress);
    if (!index) return state.SkipWithError("the keys cannot be read");
    state.counters["bytes_a_key"] = static_cast<double>(figures_of(**index).bytes) /
                                    static_cast<double>(figures_of(**index).keys);
  }
  state.counters["a_million_takes"] = benchmark::Counter(
      static_cast<double>(key_count()) / 1e6,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(load_store)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::auth
