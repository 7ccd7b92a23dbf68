#include <wolfssl/options.h>

#include "tls_pair.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <wolfssl/ssl.h>

#include <sluice/crypto/tls_signing.h>

namespace sluice::crypto {
namespace {

int take(WOLFSSL*, char* out, int bytes, void* queue) {
  auto& text = *static_cast<std::string*>(queue);
  if (text.empty()) return WOLFSSL_CBIO_ERR_WANT_READ;
  const size_t size = std::min(text.size(), static_cast<size_t>(bytes));
  std::memcpy(out, text.data(), size);
  text.erase(0, size);
  return static_cast<int>(size);
}

int put(WOLFSSL*, char* text, int bytes, void* queue) {
  static_cast<std::string*>(queue)->append(text, static_cast<size_t>(bytes));
  return bytes;
}

const unsigned char* bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

void set_up(WOLFSSL_CTX* context, const TlsPairOptions& options) {
  require(context != nullptr, "no context");
  if (options.device) {
    require(wolfSSL_CTX_SetDevId(context, tls_device_id()) == WOLFSSL_SUCCESS, "device");
  }
  wolfSSL_CTX_SetIORecv(context, take);
  wolfSSL_CTX_SetIOSend(context, put);
  if (options.group != 0) {
    int group = options.group;
    // wolfSSL_CTX_set_groups() refuses TLS 1.2.
    const int answer = options.version == 13 ? wolfSSL_CTX_set_groups(context, &group, 1)
                                             : wolfSSL_CTX_UseSupportedCurve(
                                                   context, static_cast<unsigned short>(group));
    require(answer == WOLFSSL_SUCCESS, "group");
  }
  if (!options.ciphers.empty()) {
    require(wolfSSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == WOLFSSL_SUCCESS,
            "ciphers");
  }
}

}  // namespace

TlsPairSettings::TlsPairSettings(const TestIdentity& identity, const TlsPairOptions& options)
    : options_(options),
      server_(
          (wolfSSL_Init(), wolfSSL_CTX_new(options.version == 13 ? wolfTLSv1_3_server_method()
                                                                 : wolfTLSv1_2_server_method()))),
      client_(wolfSSL_CTX_new(options.version == 13 ? wolfTLSv1_3_client_method()
                                                    : wolfTLSv1_2_client_method())) {
  set_up(server_, options);
  set_up(client_, options);
  const auto certificate_bytes = static_cast<long>(identity.certificate_pem.size());
  require(wolfSSL_CTX_use_certificate_chain_buffer(server_, bytes(identity.certificate_pem),
                                                   certificate_bytes) == WOLFSSL_SUCCESS,
          "certificate");
  require(
      wolfSSL_CTX_load_verify_buffer(client_, bytes(identity.certificate_pem), certificate_bytes,
                                     WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS,
      "trusted certificate");
  if (options.outside) {
    auto key = SigningKey::load(identity.key_pem);
    require(key.has_value(), "signing key");
    key_.emplace(std::move(*key));
    sign_outside(server_);
  } else {
    require(wolfSSL_CTX_use_PrivateKey_buffer(server_, bytes(identity.key_pem),
                                              static_cast<long>(identity.key_pem.size()),
                                              WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS,
            "private key");
  }
  require(wolfSSL_CTX_UseSessionTicket(client_) == WOLFSSL_SUCCESS, "tickets");
  wolfSSL_CTX_set_session_cache_mode(server_, WOLFSSL_SESS_CACHE_OFF);
  wolfSSL_CTX_set_session_cache_mode(client_, WOLFSSL_SESS_CACHE_OFF);
}

TlsPairSettings::~TlsPairSettings() {
  wolfSSL_CTX_free(server_);
  wolfSSL_CTX_free(client_);
}

TlsPair::TlsPair(const TlsPairSettings& settings, WOLFSSL_SESSION* resume)
    : device_(settings.options_.device),
      server_(wolfSSL_new(settings.server_)),
      client_(wolfSSL_new(settings.client_)) {
  require(server_ != nullptr && client_ != nullptr, "no session");
  wolfSSL_SetIOReadCtx(server_, &to_server_);
  wolfSSL_SetIOWriteCtx(server_, &to_client_);
  wolfSSL_SetIOReadCtx(client_, &to_client_);
  wolfSSL_SetIOWriteCtx(client_, &to_server_);
  require(wolfSSL_check_domain_name(client_, "localhost") == WOLFSSL_SUCCESS, "name");
  if (settings.key_) {
    set_signing_key(server_, *settings.key_);
  }
  if (resume != nullptr) {
    require(wolfSSL_set_session(client_, resume) == WOLFSSL_SUCCESS, "resumed session");
  }
}

TlsPair::~TlsPair() {
  wolfSSL_free(server_);
  wolfSSL_free(client_);
}

template <typename Call>
int TlsPair::scoped(bool client, Call call) {
  WOLFSSL* session = client ? client_ : server_;
  if (!device_) return call(session);
  const CipherScope scope(client ? client_contexts_ : server_contexts_);
  return call(session);
}

bool TlsPair::step(bool client) {
  const int answer = scoped(client, [client](WOLFSSL* session) {
    return client ? wolfSSL_connect(session) : wolfSSL_accept(session);
  });
  if (answer == WOLFSSL_SUCCESS) return true;
  const int code = error(client, answer);
  if (code != WOLFSSL_ERROR_WANT_READ) {
    throw std::runtime_error((client ? "client: " : "server: ") + std::to_string(code));
  }
  return false;
}

bool TlsPair::step_client() { return step(true); }
bool TlsPair::step_server() { return step(false); }

void TlsPair::handshake() {
  for (int round = 0; round < 10; ++round) {
    const bool client_is_through = step_client();
    const bool server_is_through = step_server();
    if (client_is_through && server_is_through) return;
  }
  throw std::runtime_error("no end of the handshake");
}

void TlsPair::write(bool from_client, std::string_view text) {
  const int size = static_cast<int>(text.size());
  require(
      scoped(from_client,
             [&](WOLFSSL* session) { return wolfSSL_write(session, text.data(), size); }) == size,
      "write");
}

int TlsPair::read(bool by_client, char* out, int bytes) {
  return scoped(by_client, [&](WOLFSSL* session) { return wolfSSL_read(session, out, bytes); });
}

int TlsPair::error(bool of_client, int answer) {
  return wolfSSL_get_error(of_client ? client_ : server_, answer);
}

std::string TlsPair::send(bool from_client, std::string_view text) {
  write(from_client, text);
  std::string arrived;
  std::string buffer(17'000, '\0');
  while (arrived.size() < text.size()) {
    const int size = read(!from_client, buffer.data(), static_cast<int>(buffer.size()));
    if (size <= 0) {
      throw std::runtime_error("read: " + std::to_string(error(!from_client, size)));
    }
    arrived.append(buffer, 0, static_cast<size_t>(size));
  }
  return arrived;
}

void TlsPair::update_keys(bool of_client) {
  require(scoped(of_client, [](WOLFSSL* session) { return wolfSSL_update_keys(session); }) ==
              WOLFSSL_SUCCESS,
          "key update");
}

std::string TlsPair::cipher() const { return wolfSSL_get_cipher_name(client_); }
std::string TlsPair::group() const { return wolfSSL_get_curve_name(client_); }
bool TlsPair::is_resumed() const { return wolfSSL_session_reused(client_) == 1; }
WOLFSSL_SESSION* TlsPair::session() const { return wolfSSL_get1_session(client_); }
void TlsPair::free_session(WOLFSSL_SESSION* session) { wolfSSL_SESSION_free(session); }

}  // namespace sluice::crypto
