// How long the certificates in use are good for, as a metric and as warnings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/log.h>
#include <sluice/control/tls_files.h>
#include <sluice/metrics/exposition.h>

namespace sluice::control {

// Warns of each certificate once when 14 days are left, once at 3 and once at its end. What is near
// its end when it is loaded was warned of then, so that its next step is the first to be told.
// Control thread only.
class CertificateWatch {
 public:
  // `log` outlives it.
  explicit CertificateWatch(Logger& log) noexcept : log_(log) {}

  void replace(const std::vector<CertificateLife>& lives, WallTime now);
  // Writes the warnings that have come due.
  void look(WallTime now);
  // For a scrape; good until the next replace().
  [[nodiscard]] std::vector<metrics::CertificateSample> samples(WallTime now) const;

 private:
  struct Watched {
    std::string file;
    WallTime not_after;
    int64_t warned_days;  // Of the last step that was warned of.
  };
  std::vector<Watched> watched_;
  Logger& log_;
};

}  // namespace sluice::control
