// Keys that an HTTP endpoint of the operator's knows (D128).
#pragma once

#include <memory>

#include <sluice/auth/key_source.h>
#include <sluice/config/auth.h>
#include <sluice/http/client.h>

namespace sluice::auth {

// Asked by a POST of {"api_key" or "sha256", "timestamp"}. 2xx with an object that says something
// of the key is a key; 404, and {"found": false}, that there is none; everything else a failure.
class WebhookSource final : public KeySource {
 public:
  // `settings` are of kind kWebhook. The error is a sentence. The others outlive it.
  [[nodiscard]] static std::expected<std::unique_ptr<WebhookSource>, std::string> make(
      io::Ring& ring, net::Resolver& resolver, const config::SourceSettings& settings,
      std::string tls_ca_pem);

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  void start() override {}
  Task<KeyAnswer> ask(const KeyQuestion& question, Deadline deadline) override;
  Task<void> end() override { return client_->end(); }

 private:
  WebhookSource(io::Ring& ring, const config::SourceSettings& settings,
                std::unique_ptr<http::Client> client)
      : ring_(ring),
        name_(settings.name),
        key_form_(settings.key_form),
        client_(std::move(client)) {}

  io::Ring& ring_;
  const std::string name_;
  const config::SecretForm key_form_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace sluice::auth
