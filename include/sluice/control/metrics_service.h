// GET /metrics: the cells of all shards as Prometheus text.
#pragma once

#include <string_view>

#include <sluice/base/byte_budget.h>
#include <sluice/base/clock.h>
#include <sluice/control/certificate_watch.h>
#include <sluice/control/small_server.h>
#include <sluice/metrics/registry.h>

namespace sluice::control {

// Everything given must outlive it.
class MetricsService final : public SmallService {
 public:
  MetricsService(const metrics::Registry& registry, const ByteBudget& budget,
                 const CertificateWatch& certificates, Clock& clock,
                 std::string_view version) noexcept
      : registry_(registry),
        budget_(budget),
        certificates_(certificates),
        clock_(clock),
        version_(version) {}

  Task<SmallAnswer> answer(const SmallRequest& request) override;

 private:
  const metrics::Registry& registry_;
  const ByteBudget& budget_;
  const CertificateWatch& certificates_;
  Clock& clock_;
  std::string_view version_;
};

}  // namespace sluice::control
