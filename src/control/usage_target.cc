#include "usage_target.h"

#include "usage_webhook.h"

namespace sluice::control {

UsageResult<std::unique_ptr<UsageTarget>> make_usage_target(
    const config::ReporterSettings& settings, io::Ring& ring, io::OffloadReturns& returns,
    net::Resolver& resolver) {
  (void)returns;
  return UsageWebhook::make(settings, ring, resolver);
}

}  // namespace sluice::control
