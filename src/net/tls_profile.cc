#include <wolfssl/options.h>
// The library's feature macros come first.
#include <wolfssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <sluice/crypto/tls_device.h>
#include <sluice/crypto/tls_signing.h>

#include "tls_profile.h"
#include "tls_tickets.h"

namespace sluice::net {
namespace {

// Only these: the distribution's library also has NULL, anonymous and RC4 suites compiled in.
constexpr const char* kCiphers =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

constexpr std::array<int, 3> kGroups = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1,
                                        WOLFSSL_ECC_SECP384R1};
constexpr short kRsaBitsMin = 2048;
constexpr short kEccBitsMin = 256;
constexpr int kChainDepthMax = 10;
// Keys of tickets are rotated every 12 hours and live for two turns (control/tls_profiles).
constexpr int kTicketLifetimeSeconds = 12 * 3600;

void start_library() { [[maybe_unused]] static const int started = wolfSSL_Init(); }

std::string reason_of(int code) {
  std::array<char, WOLFSSL_MAX_ERROR_SZ> text{};
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(code), text.data(), text.size());
  return text.data();
}

// What a status callback answers (openssl/ssl.h of OpenSSL has the same numbers).
constexpr int kStapled = 0;
constexpr int kNothingToStaple = 3;

int staple(WOLFSSL* session, void* profile) noexcept {
  const std::string& response = static_cast<TlsProfile*>(profile)->first().staple;
  // The library frees what it is given.
  void* copy = wolfSSL_Malloc(response.size());
  if (copy == nullptr) return kNothingToStaple;
  std::memcpy(copy, response.data(), response.size());
  wolfSSL_set_tlsext_status_ocsp_resp(session, static_cast<unsigned char*>(copy),
                                      static_cast<int>(response.size()));
  return kStapled;
}

int choose_certificate(WOLFSSL* session, int*, void* context) noexcept {
  const char* name = wolfSSL_get_servername(session, WOLFSSL_SNI_HOST_NAME);
  if (name == nullptr) return 0;
  const auto& tls = *static_cast<TlsProfile*>(context);
  const TlsProfile::Certificate& chosen = tls.find(name);
  if (chosen.context.get() == wolfSSL_get_SSL_CTX(session)) return 0;
  wolfSSL_set_SSL_CTX(session, chosen.context.get());
  crypto::set_signing_key(session, *chosen.key);
  return 0;
}

// HTTP/2 before HTTP/1.1, whatever order the client has. A client that speaks neither is refused
// by the library, with the alert of RFC 7301 3.2.
int select_protocol(WOLFSSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned int offered_bytes,
                    void* profile) noexcept {
  constexpr int kChosen = 0;
  constexpr int kRefused = 2;
  const bool has_http2 = static_cast<const TlsProfile*>(profile)->offers_http2();
  bool is_found = false;
  for (unsigned int at = 0; at < offered_bytes; at += 1u + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1,
                                std::min<size_t>(offered[at], offered_bytes - at - 1));
    const bool is_http2 = has_http2 && name == kHttp2Protocol;
    if (!is_http2 && name != kHttp11Protocol) continue;
    *chosen = offered + at + 1;
    *length = static_cast<unsigned char>(name.size());
    is_found = true;
    if (is_http2) break;
  }
  return is_found ? kChosen : kRefused;
}

bool is_for(std::string_view pattern, std::string_view name) noexcept {
  if (pattern == name) return true;
  if (!pattern.starts_with("*.")) return false;
  const size_t dot = name.find('.');
  // One label stands for the star (RFC 6125 6.4.3).
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

// What both roles have in common; "" or why not.
std::string set_common(WOLFSSL_CTX* context, TlsVersion version_min) {
  const int version = version_min == TlsVersion::k13 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;
  if (wolfSSL_CTX_SetMinVersion(context, version) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_set_cipher_list(context, kCiphers) != WOLFSSL_SUCCESS) {
    return "the TLS library refuses Sluice's cipher list; use the distribution's libwolfssl";
  }
  std::array<int, kGroups.size()> groups = kGroups;
  wolfSSL_CTX_set_groups(context, groups.data(), static_cast<int>(groups.size()));
  wolfSSL_CTX_SetMinRsaKey_Sz(context, kRsaBitsMin);
  wolfSSL_CTX_SetMinEccKey_Sz(context, kEccBitsMin);
  wolfSSL_CTX_set_verify_depth(context, kChainDepthMax);
  // The library's own cache of sessions is global, behind a lock; tickets replace it.
  wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
  wolfSSL_CTX_SetDevId(context, crypto::tls_device_id());
  return {};
}

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// The key stays outside of the library, which would be slow with it.
std::expected<crypto::SigningKey, std::string> load_identity(WOLFSSL_CTX* context,
                                                             const TlsIdentity& identity) {
  const int chain = wolfSSL_CTX_use_certificate_chain_buffer(
      context, bytes_of(identity.chain_pem), static_cast<long>(identity.chain_pem.size()));
  if (chain != WOLFSSL_SUCCESS) {
    return std::unexpected(fmt::format(
        "the TLS library cannot read the certificate ({}); write it as PEM", reason_of(chain)));
  }
  auto key = crypto::SigningKey::load(identity.key_pem.reveal());
  if (!key) {
    return std::unexpected(
        fmt::format("the private key's file {}; write an unencrypted PEM key", key.error()));
  }
  if (!key->matches(identity.chain_pem)) {
    return std::unexpected(
        "the private key is not the certificate's; name the pair that belongs "
        "together");
  }
  crypto::sign_outside(context);
  return key;
}

std::string load_authorities(WOLFSSL_CTX* context, std::string_view pem) {
  const int loaded = wolfSSL_CTX_load_verify_buffer_ex(
      context, bytes_of(pem), static_cast<long>(pem.size()), WOLFSSL_FILETYPE_PEM, 0,
      WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY | WOLFSSL_LOAD_FLAG_IGNORE_ERR);
  if (loaded == WOLFSSL_SUCCESS) return {};
  return fmt::format(
      "the TLS library cannot read the certificate authorities ({}); write them as "
      "PEM",
      reason_of(loaded));
}

// What the library's stapling (wolfSSL 5.5.4) allows: in TLS 1.3 it asks for the response of the
// first certificate, whichever the client's name chooses; it looks the leaf's issuer up among the
// trusted authorities and fails the handshake when it is not there, and those are the ones that
// clients are checked against.
std::string enable_stapling(WOLFSSL_CTX* context, const TlsServerSettings& settings,
                            TlsProfile* profile) {
  if (settings.identities.size() > 1) {
    return "an OCSP response can be stapled by a listener with one certificate only; take `ocsp` "
           "or the other certificates away";
  }
  if (settings.client_certificates != ClientCertificates::kNone) {
    return "an OCSP response cannot be stapled where clients are asked for certificates; take "
           "`ocsp` or `client_certificates` away";
  }
  const std::string_view chain = settings.identities.front()->chain_pem;
  const size_t issuers = chain.find("-----BEGIN", 1);
  if (issuers == std::string_view::npos) {
    return "an OCSP response cannot be stapled without the certificate's issuer; append it to the "
           "certificate's file";
  }
  std::string problem = load_authorities(context, chain.substr(issuers));
  if (!problem.empty()) return problem;
  wolfSSL_CTX_EnableOCSPStapling(context);
  wolfSSL_CTX_set_tlsext_status_cb(context, staple);
  wolfSSL_CTX_set_tlsext_status_arg(context, profile);
  return {};
}

std::string load_system_authorities(WOLFSSL_CTX* context, std::vector<char>& parsed) {
  if (!parsed.empty() &&
      wolfSSL_CTX_memrestore_cert_cache(context, parsed.data(), static_cast<int>(parsed.size())) ==
          WOLFSSL_SUCCESS) {
    return {};
  }
  if (wolfSSL_CTX_load_system_CA_certs(context) != WOLFSSL_SUCCESS) {
    return "the system has no certificate authorities; install ca-certificates, or name a bundle";
  }
  parsed.resize(static_cast<size_t>(std::max(0, wolfSSL_CTX_get_cert_cache_memsize(context))));
  int used = 0;
  if (wolfSSL_CTX_memsave_cert_cache(context, parsed.data(), static_cast<int>(parsed.size()),
                                     &used) != WOLFSSL_SUCCESS) {
    used = 0;
  }
  parsed.resize(static_cast<size_t>(used));
  return {};
}

}  // namespace

void FreeSettings::operator()(WOLFSSL_CTX* context) const noexcept { wolfSSL_CTX_free(context); }

const TlsProfile::Certificate& TlsProfile::find(std::string_view name) const noexcept {
  std::array<char, 256> lower;
  if (name.size() > lower.size()) return first();
  std::ranges::transform(name, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string_view wanted(lower.data(), name.size());
  for (const Certificate& certificate : certificates_) {
    const bool fits = std::ranges::any_of(
        certificate.names, [&](const std::string& pattern) { return is_for(pattern, wanted); });
    if (fits) return certificate;
  }
  return first();
}

std::string TlsProfile::add_identity(const TlsServerSettings& settings,
                                     const TlsIdentity& identity) {
  SettingsPtr context(wolfSSL_CTX_new(wolfTLS_server_method()));
  if (context == nullptr) return "there is no memory for a TLS context";
  std::string problem = set_common(context.get(), settings.version_min);
  if (!problem.empty()) return problem;
  auto key = load_identity(context.get(), identity);
  if (!key) return std::move(key.error());
  const bool asks = settings.client_certificates != ClientCertificates::kNone;
  if (asks) problem = load_authorities(context.get(), settings.client_ca_pem);
  if (!problem.empty()) return problem;
  if (asks) {
    const bool requires_one = settings.client_certificates == ClientCertificates::kRequired;
    wolfSSL_CTX_set_verify(
        context.get(),
        WOLFSSL_VERIFY_PEER | (requires_one ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    // A ticket does not carry the client's certificate: each connection must show it.
    wolfSSL_CTX_no_ticket_TLSv13(context.get());
    wolfSSL_CTX_NoTicketTLSv12(context.get());
  } else {
    wolfSSL_CTX_set_verify(context.get(), WOLFSSL_VERIFY_NONE, nullptr);
    wolfSSL_CTX_set_TicketEncCb(context.get(), crypt_ticket);
    wolfSSL_CTX_set_TicketEncCtx(context.get(), &ticket_keys);
    wolfSSL_CTX_set_TicketHint(context.get(), kTicketLifetimeSeconds);
    wolfSSL_CTX_set_num_tickets(context.get(), 1);
  }
  wolfSSL_CTX_set_servername_callback(context.get(), choose_certificate);
  wolfSSL_CTX_set_servername_arg(context.get(), this);
  wolfSSL_CTX_set_alpn_select_cb(context.get(), select_protocol, this);
  if (!identity.ocsp_der.empty()) problem = enable_stapling(context.get(), settings, this);
  if (!problem.empty()) return problem;
  certificates_.push_back({std::move(context), *std::move(key), identity.names, identity.ocsp_der});
  return {};
}

std::expected<TlsRef<TlsProfile>, std::string> TlsProfile::make_server(
    const TlsServerSettings& settings, const TicketKeys& keys) {
  start_library();
  TlsRef<TlsProfile> made(*new TlsProfile(Role::kServer));
  made->ticket_keys = keys;
  made->offers_http2_ = settings.offers_http2;
  for (const TlsIdentity* identity : settings.identities) {
    std::string problem = made->add_identity(settings, *identity);
    if (!problem.empty()) return std::unexpected(std::move(problem));
  }
  if (made->certificates_.empty()) return std::unexpected("a TLS listener needs a certificate");
  return made;
}

std::expected<TlsRef<TlsProfile>, std::string> TlsProfile::make_client(
    const TlsClientSettings& settings, SystemAuthorities& system) {
  start_library();
  TlsRef<TlsProfile> made(*new TlsProfile(Role::kClient));
  SettingsPtr context(wolfSSL_CTX_new(wolfTLS_client_method()));
  if (context == nullptr) return std::unexpected("there is no memory for a TLS context");
  std::string problem = set_common(context.get(), settings.version_min);
  if (problem.empty() && settings.verify) {
    problem = settings.ca_pem.empty() ? load_system_authorities(context.get(), system.parsed)
                                      : load_authorities(context.get(), settings.ca_pem);
  }
  if (!problem.empty()) return std::unexpected(std::move(problem));
  std::optional<crypto::SigningKey> signing_key;
  if (settings.identity != nullptr) {
    auto key = load_identity(context.get(), *settings.identity);
    if (!key) return std::unexpected(std::move(key.error()));
    signing_key = *std::move(key);
  }
  wolfSSL_CTX_set_verify(context.get(), settings.verify ? WOLFSSL_VERIFY_PEER : WOLFSSL_VERIFY_NONE,
                         nullptr);
  wolfSSL_CTX_UseSessionTicket(context.get());
  made->certificates_.push_back({std::move(context), std::move(signing_key), {}, {}});
  return made;
}

}  // namespace sluice::net
