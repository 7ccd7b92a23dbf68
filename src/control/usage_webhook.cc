#include "usage_webhook.h"

#include <utility>

#include <fmt/format.h>

#include <sluice/json/writer.h>

namespace sluice::control {
namespace {

constexpr size_t kAnswerBytesMost = 64 << 10;  // Of which the status is all that counts.

}  // namespace

std::string usage_payload(const std::vector<UsageRow>& rows) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("records").begin_array();
  for (const UsageRow& row : rows) write_usage_row(writer, row);
  writer.end_array().end_object();
  return body;
}

UsageResult<std::unique_ptr<UsageTarget>> UsageWebhook::make(
    const config::ReporterSettings& settings, std::string authorities, io::Ring& ring,
    net::Resolver& resolver) {
  auto client = http::Client::make(ring, resolver,
                                   {.url = settings.url,
                                    .private_addresses = settings.private_addresses,
                                    .tls_ca_pem = std::move(authorities),
                                    .headers = settings.headers,
                                    .answer_bytes_max = kAnswerBytesMost});
  if (!client) return std::unexpected(std::move(client.error()));
  return std::unique_ptr<UsageTarget>(new UsageWebhook(std::move(*client)));
}

Task<UsageResult<void>> UsageWebhook::deliver(const std::vector<UsageRow>& rows,
                                              Deadline deadline) {
  const auto answer =
      co_await client_->post(std::string(), "application/json", usage_payload(rows), deadline);
  if (!answer) {
    co_return std::unexpected(fmt::format("the webhook was not reached: {} ({})",
                                          to_string(answer.error().code), answer.error().detail));
  }
  if (answer->status < 200 || answer->status > 299) {
    co_return std::unexpected(fmt::format("the webhook answered {}", answer->status));
  }
  co_return UsageResult<void>();
}

Task<void> UsageWebhook::end() { co_await client_->end(); }

}  // namespace sluice::control
