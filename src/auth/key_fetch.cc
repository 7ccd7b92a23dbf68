#include "key_fetch.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <sluice/http/client.h>

namespace sluice::auth {
namespace {

constexpr size_t kDocumentBytesMax = size_t{256} << 10;
constexpr size_t kClientsMost = 2;  // Of the discovery document, and of the key set.
constexpr uint16_t kOk = 200;

class HttpKeyFetch final : public KeyFetch {
 public:
  HttpKeyFetch(io::Ring& ring, net::Resolver& resolver, bool private_addresses,
               std::string tls_ca_pem)
      : ring_(ring),
        resolver_(resolver),
        private_addresses_(private_addresses),
        tls_ca_pem_(std::move(tls_ca_pem)) {}

  Task<std::expected<FetchedDocument, std::string>> get(std::string url,
                                                        Deadline deadline) override {
    if (is_ended_) co_return std::unexpected(url + ": the gateway ends");
    if (find(url) == nullptr) {
      if (clients_.size() == kClientsMost) {
        const std::unique_ptr<http::Client> retired = std::move(clients_.front().second);
        clients_.erase(clients_.begin());
        co_await retired->end();
        if (is_ended_) co_return std::unexpected(url + ": the gateway ends");
      }
      auto made = http::Client::make(ring_, resolver_,
                                     {.url = url,
                                      .private_addresses = private_addresses_,
                                      .tls_ca_pem = tls_ca_pem_,
                                      .headers = {{"accept", "application/json"}},
                                      .answer_bytes_max = kDocumentBytesMax});
      if (!made) co_return std::unexpected(fmt::format("{}: {}", url, made.error()));
      clients_.emplace_back(url, *std::move(made));
    }
    Result<http::ClientAnswer> answer = co_await find(url)->get("", deadline);
    if (!answer) co_return std::unexpected(fmt::format("{}: {}", url, answer.error().detail));
    if (answer->status != kOk) {
      co_return std::unexpected(fmt::format("{}: its answer is a {}", url, answer->status));
    }
    co_return FetchedDocument{.body = std::move(answer->body), .max_age = answer->max_age};
  }

  Task<void> end() override {
    is_ended_ = true;
    for (auto& [url, client] : clients_) co_await client->end();
  }

 private:
  [[nodiscard]] http::Client* find(std::string_view url) noexcept {
    for (auto& [known, client] : clients_) {
      if (known == url) return client.get();
    }
    return nullptr;
  }

  io::Ring& ring_;
  net::Resolver& resolver_;
  bool private_addresses_;
  std::string tls_ca_pem_;
  std::vector<std::pair<std::string, std::unique_ptr<http::Client>>> clients_;
  bool is_ended_ = false;
};

}  // namespace

std::unique_ptr<KeyFetch> make_http_key_fetch(io::Ring& ring, net::Resolver& resolver,
                                              bool private_addresses, std::string tls_ca_pem) {
  return std::make_unique<HttpKeyFetch>(ring, resolver, private_addresses, std::move(tls_ca_pem));
}

}  // namespace sluice::auth
