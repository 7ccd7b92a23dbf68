#include <sluice/control/metrics_service.h>

#include <sluice/metrics/exposition.h>

namespace sluice::control {

Task<SmallAnswer> MetricsService::answer(const SmallRequest& request) {
  if (request.path != "/metrics") {
    co_return error_answer(404, "unknown_url", "only /metrics is served here");
  }
  if (request.method != http::Method::kGet && request.method != http::Method::kHead) {
    SmallAnswer refused = error_answer(405, "method_not_allowed", "use GET");
    refused.allow = "GET, HEAD";
    co_return refused;
  }
  SmallAnswer answer{.content_type = metrics::kExpositionContentType};
  const std::vector<metrics::CertificateSample> certificates = certificates_.samples(clock_.wall());
  const metrics::ScrapeSample sample{.process = metrics::read_process_sample(),
                                     .byte_budget_used = budget_.used(),
                                     .byte_budget_ceiling = budget_.ceiling(),
                                     .version = version_,
                                     .certificates = certificates};
  metrics::append_exposition(registry_, sample, answer.body);
  co_return answer;
}

}  // namespace sluice::control
