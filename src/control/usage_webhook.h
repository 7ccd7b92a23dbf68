// Posts records of use to an HTTP server: {"records": [...]}; any 2xx takes them.
#pragma once

#include <memory>
#include <string>

#include <sluice/http/client.h>

#include "usage_target.h"

namespace sluice::control {

class UsageWebhook final : public UsageTarget {
 public:
  [[nodiscard]] static UsageResult<std::unique_ptr<UsageTarget>> make(
      const config::ReporterSettings& settings, std::string authorities, io::Ring& ring,
      net::Resolver& resolver);

  Task<UsageResult<void>> deliver(const std::vector<UsageRow>& rows, Deadline deadline) override;
  Task<void> end() override;

 private:
  explicit UsageWebhook(std::unique_ptr<http::Client> client) noexcept
      : client_(std::move(client)) {}

  std::unique_ptr<http::Client> client_;
};

// The body of one call; docs/usage.md has an example.
[[nodiscard]] std::string usage_payload(const std::vector<UsageRow>& rows);

}  // namespace sluice::control
