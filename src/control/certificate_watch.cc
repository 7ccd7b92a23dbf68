#include <sluice/control/certificate_watch.h>

#include <array>
#include <limits>

#include <fmt/format.h>

#include <sluice/crypto/certificate.h>

namespace sluice::control {
namespace {

constexpr int64_t kEnd = -1;  // crypto::days_left() of the moment after the end.
// Downwards. The first is one less than crypto::kExpiryWarningDays, which whole days stay below.
constexpr std::array<int64_t, 3> kSteps = {crypto::kExpiryWarningDays - 1, 2, kEnd};

// The last step that `days` has reached; above all of them while there is none.
int64_t step_of(int64_t days) noexcept {
  int64_t reached = std::numeric_limits<int64_t>::max();
  for (const int64_t step : kSteps) {
    if (days <= step) reached = step;
  }
  return reached;
}

}  // namespace

void CertificateWatch::replace(const std::vector<CertificateLife>& lives, WallTime now) {
  watched_.clear();
  for (const CertificateLife& life : lives) {
    watched_.push_back(
        {life.file, life.not_after, step_of(crypto::days_left(life.not_after, now))});
  }
}

void CertificateWatch::look(WallTime now) {
  for (Watched& one : watched_) {
    const int64_t days = crypto::days_left(one.not_after, now);
    const int64_t step = step_of(days);
    if (step >= one.warned_days) continue;
    one.warned_days = step;
    const std::string date = crypto::date_text(one.not_after);
    log_.write(
        step == kEnd ? LogLevel::kError : LogLevel::kWarn, "tls",
        step == kEnd
            ? fmt::format("{}: the certificate expired on {}; renew it and reload", one.file, date)
            : fmt::format("{}: the certificate expires on {}, in less than {} days; renew "
                          "it and reload",
                          one.file, date, days + 1));
  }
}

std::vector<metrics::CertificateSample> CertificateWatch::samples(WallTime now) const {
  std::vector<metrics::CertificateSample> samples;
  samples.reserve(watched_.size());
  for (const Watched& one : watched_) {
    samples.push_back({one.file, crypto::days_left(one.not_after, now)});
  }
  return samples;
}

}  // namespace sluice::control
