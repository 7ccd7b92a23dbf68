#include <sluice/control/tls_files.h>

#include <sluice/net/tls.h>

#include <algorithm>
#include <expected>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <sluice/crypto/certificate.h>

#include "script_check.h"

namespace sluice::control {
namespace {

constexpr size_t kPemBytesMax = 1u << 20;
constexpr size_t kAuthoritiesBytesMax = 16u << 20;
constexpr size_t kOcspBytesMax = 64u << 10;

net::TlsVersion version_of(config::TlsVersion version) noexcept {
  return version == config::TlsVersion::k13 ? net::TlsVersion::k13 : net::TlsVersion::k12;
}

net::ClientCertificates client_certificates_of(config::ClientCertificates wanted) noexcept {
  switch (wanted) {
    case config::ClientCertificates::kNone: return net::ClientCertificates::kNone;
    case config::ClientCertificates::kOptional: return net::ClientCertificates::kOptional;
    case config::ClientCertificates::kRequired: return net::ClientCertificates::kRequired;
  }
  return net::ClientCertificates::kRequired;
}

// One reading of all files. Their texts are wiped with it, since any of them may hold a key.
class Reader {
 public:
  Reader(const config::Environment& environment, WallTime now, TlsReading& reading)
      : environment_(environment), now_(now), reading_(reading) {}
  ~Reader() {
    for (auto& [path, file] : files_) {
      if (file) crypto::wipe(file->text.data(), file->text.size());
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read_listener(const config::ListenerTls& tls, bool offers_http2) {
    net::TlsServerSettings& settings = reading_.files.server.emplace();
    settings.offers_http2 = offers_http2;
    settings.version_min = version_of(tls.version_min);
    settings.client_certificates = client_certificates_of(tls.client_certificates);
    for (size_t i = 0; i < tls.certificates.size(); ++i) {
      settings.identities.push_back(
          read_identity(tls.certificates[i], fmt::format("tls.certificates[{}]", i), Use::kServer));
    }
    if (!tls.client_ca.empty()) {
      settings.client_ca_pem = read_authorities(tls.client_ca, "tls.client_ca");
    }
  }

  net::TlsClientSettings read_upstream(const config::UpstreamTls& tls, size_t index) {
    const std::string place = fmt::format("upstreams[{}].tls", index);
    net::TlsClientSettings settings{.verify = tls.verify,
                                    .ca_pem = {},
                                    .pins = tls.pins,
                                    .server_name = tls.server_name,
                                    .version_min = version_of(tls.version_min)};
    if (!tls.ca.empty()) settings.ca_pem = read_authorities(tls.ca, place + ".ca");
    if (tls.identity) settings.identity = read_identity(*tls.identity, place, Use::kClient);
    return settings;
  }

 private:
  using Use = crypto::CertificateUse;

  void report(const std::string& file, bool is_error, std::string cause, std::string remedy) {
    if (!reported_.emplace(file, cause).second) return;
    auto& diagnostics = is_error ? reading_.errors : reading_.warnings;
    diagnostics.push_back({file, 0, 0, std::move(cause), std::move(remedy)});
  }

  void report(const std::string& file, std::vector<crypto::Finding> findings) {
    for (crypto::Finding& finding : findings) {
      report(file, finding.is_error, std::move(finding.cause), std::move(finding.remedy));
    }
  }

  // Null after a report that says why.
  const config::FileText* open(const std::string& path, const std::string& place,
                               size_t bytes_max) {
    auto known = files_.find(path);
    if (known == files_.end()) {
      known = files_.emplace(path, environment_.read(path, bytes_max)).first;
    }
    if (known->second) return &*known->second;
    report(path, true, fmt::format("{} cannot be read: {}", place, known->second.error()),
           "create the file, or let this user read it");
    return nullptr;
  }

  // Null, and an error reported, when a file of it cannot be read or understood. Read once for
  // each use, since many upstreams may be shown the same.
  const net::TlsIdentity* read_identity(const config::CertificateFiles& paths,
                                        const std::string& place, Use use) {
    const auto [entry, is_new] =
        identities_.try_emplace({paths.certificate, paths.key, paths.ocsp, use}, nullptr);
    if (is_new) entry->second = check_identity(paths, place, use);
    return entry->second;
  }

  const net::TlsIdentity* check_identity(const config::CertificateFiles& paths,
                                         const std::string& place, Use use) {
    const config::FileText* const chain =
        open(paths.certificate, place + ".certificate", kPemBytesMax);
    const config::FileText* const key = open(paths.key, place + ".key", kPemBytesMax);
    const config::FileText* const ocsp =
        paths.ocsp.empty() ? nullptr : open(paths.ocsp, place + ".ocsp", kOcspBytesMax);
    crypto::ChainReading chain_reading;
    if (chain != nullptr) {
      chain_reading = crypto::read_chain(chain->text, use, now_);
      report(paths.certificate, std::move(chain_reading.findings));
    }
    if (key != nullptr) check_key(*key, paths, chain_reading.pem);
    if (!chain_reading.facts || key == nullptr) return nullptr;
    add_life(paths.certificate, chain_reading.facts->not_after);
    bool is_stapled = false;
    if (ocsp != nullptr) {
      crypto::OcspReading reading = crypto::read_ocsp(ocsp->text, chain_reading.pem, now_);
      is_stapled = reading.may_be_stapled;
      report(paths.ocsp, std::move(reading.findings));
    }
    const Use other = use == Use::kServer ? Use::kClient : Use::kServer;
    const auto shared = identities_.find({paths.certificate, paths.key, paths.ocsp, other});
    if (shared != identities_.end() && shared->second != nullptr) return shared->second;
    return &reading_.files.identities.emplace_back(
        net::TlsIdentity{.chain_pem = std::move(chain_reading.pem),
                         .key_pem = crypto::Secret(key->text),
                         .ocsp_der = is_stapled ? ocsp->text : std::string(),
                         .names = std::move(chain_reading.facts->dns_names)});
  }

  void check_key(const config::FileText& key, const config::CertificateFiles& paths,
                 const std::string& chain) {
    report(paths.key, crypto::check_key(key.text, chain, paths.certificate));
    if (!key.others_may_read) return;
    report(paths.key, false, "every user may read this private key",
           "run `chmod 600 " + paths.key + "`");
  }

  std::string read_authorities(const std::string& path, const std::string& place) {
    const config::FileText* const file = open(path, place, kAuthoritiesBytesMax);
    if (file == nullptr) return {};
    // A bundle of the system has some hundred, which many upstreams may share.
    if (checked_authorities_.insert(path).second) {
      report(path, crypto::check_authorities(file->text, now_));
    }
    return file->text;
  }

  void add_life(const std::string& file, WallTime not_after) {
    std::vector<CertificateLife>& lives = reading_.files.lives;
    if (std::ranges::find(lives, file, &CertificateLife::file) != lives.end()) return;
    lives.push_back({file, not_after});
  }

  const config::Environment& environment_;
  const WallTime now_;
  TlsReading& reading_;
  std::map<std::string, std::expected<config::FileText, std::string>> files_;
  // By certificate, key, OCSP response and use; null for those with errors.
  std::map<std::tuple<std::string, std::string, std::string, Use>, const net::TlsIdentity*>
      identities_;
  std::set<std::string> checked_authorities_;
  std::set<std::pair<std::string, std::string>> reported_;  // File and cause.
};

}  // namespace

TlsReading read_tls_files(const config::Snapshot& snapshot, const config::Environment& environment,
                          WallTime now) {
  TlsReading reading;
  const bool wants_tls = snapshot.tls || std::ranges::any_of(snapshot.upstreams, [](const auto& u) {
                           return u.tls.has_value();
                         });
  if (wants_tls && !net::has_tls()) {
    reading.errors.push_back({.file = snapshot.source_path,
                              .cause = "`tls` and https:// need a build of Sluice with TLS",
                              .remedy = "use one, or put a terminator in front"});
    return reading;
  }
  Reader reader(environment, now, reading);
  if (snapshot.tls) reader.read_listener(*snapshot.tls, snapshot.http2.enabled);
  reading.files.upstreams.resize(snapshot.upstreams.size());
  for (size_t i = 0; i < snapshot.upstreams.size(); ++i) {
    const auto& tls = snapshot.upstreams[i].tls;
    if (tls) reading.files.upstreams[i] = reader.read_upstream(*tls, i);
  }
  return reading;
}

Loaded load_with_files(const std::string& path, const config::Environment& environment,
                       WallTime now, const config::Members& members) {
  Loaded loaded{.config = config::load_file(path, environment, members), .tls = {}};
  config::LoadOutcome& config = loaded.config;
  if (config.snapshot == nullptr) return loaded;
  if (auto problems = check_scripts(*config.snapshot); !problems.empty()) {
    config.errors = std::move(problems);
    config.snapshot.reset();
    return loaded;
  }
  TlsReading reading = read_tls_files(*config.snapshot, environment, now);
  std::ranges::move(reading.warnings, std::back_inserter(config.warnings));
  if (reading.errors.empty()) {
    loaded.tls = std::move(reading.files);
  } else {
    config.errors = std::move(reading.errors);
    config.snapshot.reset();
  }
  return loaded;
}

}  // namespace sluice::control
