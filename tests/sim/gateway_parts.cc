#include "gateway_parts.h"

#include <gtest/gtest.h>
#include <sys/types.h>

#include <sluice/base/assert.h>
#include <sluice/config/loader.h>

#include "test_certificates.h"

namespace {

// Of the world that was made last.
sluice::support::Prng random_of_world(1);

}  // namespace

// In place of the kernel's generator, so that a seed plays again whatever the program draws.
extern "C" ssize_t __wrap_getrandom(void* out, size_t length, unsigned int) {
  for (size_t i = 0; i < length; ++i) {
    static_cast<unsigned char*>(out)[i] = static_cast<unsigned char>(random_of_world.below(256));
  }
  return static_cast<ssize_t>(length);
}

namespace sluice::sim {
namespace {

class EmptyEnvironment final : public config::Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::expected<config::FileText, std::string> read(const std::string&,
                                                                  size_t) const override {
    return std::unexpected("No such file or directory");
  }
};

// By keys whose signatures are always of one length: the bytes of a handshake are random, and their
// number must not be, or a seed would not play again.
constexpr auto kKeyKind = support::TestKeyKind::kRsa2048;

const support::TestCertificate& tls_authority() {
  static const support::TestCertificate made =
      support::make_certificate({.common_name = "authority",
                                 .subject_alt_name = "",
                                 .is_authority = true,
                                 .now = SystemClock().wall(),
                                 .key = kKeyKind});
  return made;
}

const support::TestCertificate& tls_leaf() {
  static const support::TestCertificate made =
      support::make_certificate({.subject_alt_name = "DNS:sluice.test,DNS:upstream.test",
                                 .issuer = &tls_authority(),
                                 .now = SystemClock().wall(),
                                 .key = kKeyKind});
  return made;
}

// A layer behind bytes that pass it by.
class PrefacedLayer final : public support::PeerLayer {
 public:
  PrefacedLayer(std::string preface, std::unique_ptr<support::PeerLayer> layer)
      : preface_(std::move(preface)), layer_(std::move(layer)) {}
  [[nodiscard]] std::string begin() override { return preface_ + layer_->begin(); }
  [[nodiscard]] std::string unwrap(std::string_view received, std::string& wire) override {
    return layer_->unwrap(received, wire);
  }
  [[nodiscard]] std::string wrap(std::string_view bytes) override { return layer_->wrap(bytes); }
  [[nodiscard]] std::string end() override { return layer_->end(); }

 private:
  std::string preface_;
  std::unique_ptr<support::PeerLayer> layer_;
};

}  // namespace

void seed_random_numbers(uint64_t seed) { random_of_world = support::Prng(seed); }

std::unique_ptr<config::Snapshot> load_config(const std::string& text, uint64_t generation) {
  const std::string whole = "listen: 127.0.0.1:8080\ndevelopment: true\n" + text;
  const config::LoadOutcome outcome = config::load_text(whole, "sim.yaml", EmptyEnvironment());
  for (const config::Diagnostic& error : outcome.errors) ADD_FAILURE() << to_string(error);
  SLUICE_ASSERT(outcome.snapshot != nullptr);
  auto snapshot = std::make_unique<config::Snapshot>(*outcome.snapshot);
  snapshot->generation = generation;
  // The simulated network has private addresses only.
  for (config::Upstream& upstream : snapshot->upstreams) upstream.private_addresses = true;
  return snapshot;
}

std::vector<net::Address> addresses_of(const config::Endpoint& endpoint) {
  const std::optional<net::Address> address = net::parse_address(endpoint.host, endpoint.port);
  return address ? std::vector{*address} : std::vector<net::Address>();
}

std::unique_ptr<support::PeerLayer> make_client_layer(const std::string& protocol) {
  return support::make_tls_client_layer(tls_authority().pem, "sluice.test", protocol);
}

void secure_peers(support::SimWorld& world, const std::string& preface,
                  const std::string& protocol) {
  world.set_layers(
      [preface, protocol] {
        return std::make_unique<PrefacedLayer>(preface, make_client_layer(protocol));
      },
      [] { return support::make_tls_server_layer(tls_leaf().pem, tls_leaf().key_pem); });
}

upstream::ShardTls make_tls(const config::Snapshot& snapshot) {
  upstream::ShardTls made;
  if (!snapshot.tls) return made;
  const net::TlsIdentity identity{.chain_pem = tls_leaf().pem,
                                  .key_pem = crypto::Secret(tls_leaf().key_pem),
                                  .ocsp_der = {},
                                  .names = {"sluice.test"}};
  auto server =
      net::TlsServer::make({.identities = {&identity}, .offers_http2 = snapshot.http2.enabled},
                           net::TicketKeys::generate());
  SLUICE_ASSERT(server.has_value());
  made.server = *std::move(server);
  std::vector<std::optional<net::TlsClientSettings>> settings(snapshot.upstreams.size());
  for (size_t i = 0; i < settings.size(); ++i) {
    if (!snapshot.upstreams[i].tls) continue;
    settings[i] = {.ca_pem = tls_authority().pem,
                   .server_name = snapshot.upstreams[i].tls->server_name};
  }
  net::SystemAuthorities system;
  auto clients = net::TlsClient::make(settings, system);
  SLUICE_ASSERT(clients.has_value());
  made.clients = *std::move(clients);
  return made;
}

}  // namespace sluice::sim
