// Prometheus text: all shards' cells merged and printed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <sluice/metrics/registry.h>

namespace sluice::metrics {

inline constexpr std::string_view kExpositionContentType =
    "text/plain; version=0.0.4; charset=utf-8";

// What the kernel says about this process.
struct ProcessSample {
  uint64_t resident_bytes = 0;
  double cpu_seconds = 0;
  uint64_t open_fds = 0;
  double start_time_seconds = 0;  // Unix time.
};

// Reads a few files of /proc, which answer from memory. Zero where one cannot be read.
[[nodiscard]] ProcessSample read_process_sample() noexcept;

struct CertificateSample {
  std::string_view file;  // From the configuration.
  int64_t days_left = 0;  // Negative once it has expired.
};

// What is read at the moment of the scrape rather than counted.
struct ScrapeSample {
  ProcessSample process;
  uint64_t byte_budget_used = 0;
  uint64_t byte_budget_ceiling = 0;
  std::string_view version;
  std::span<const CertificateSample> certificates;
};

// Appends every family to `out` in the text format 0.0.4. Control thread; allocates.
void append_exposition(const Registry& registry, const ScrapeSample& sample, std::string& out);

}  // namespace sluice::metrics
