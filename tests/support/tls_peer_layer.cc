#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <memory>

#include <sluice/base/assert.h>

#include "peer_layer.h"

namespace sluice::support {
namespace {

template <auto Free>
struct By {
  void operator()(auto* object) const noexcept { Free(object); }
};
using Bio = std::unique_ptr<BIO, By<BIO_free_all>>;
using Settings = std::unique_ptr<SSL_CTX, By<SSL_CTX_free>>;

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

class OpensslLayer final : public PeerLayer {
 public:
  OpensslLayer(Settings settings, bool is_client) : settings_(std::move(settings)) {
    session_.reset(SSL_new(settings_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(session_.get(), in_, out_);
    if (is_client) {
      SSL_set_connect_state(session_.get());
    } else {
      SSL_set_accept_state(session_.get());
    }
  }
  SSL* session() { return session_.get(); }

  std::string begin() override {
    advance();
    return take_out();
  }
  std::string unwrap(std::string_view received, std::string& wire) override {
    BIO_write(in_, received.data(), static_cast<int>(received.size()));
    advance();
    std::string text;
    char piece[4096];
    for (;;) {
      const int count = SSL_read(session_.get(), piece, sizeof piece);
      if (count <= 0) {
        check(count);
        break;
      }
      text.append(piece, static_cast<size_t>(count));
    }
    wire += take_out();
    return text;
  }
  std::string wrap(std::string_view bytes) override {
    waiting_ += bytes;
    advance();
    return take_out();
  }
  std::string end() override {
    if (SSL_is_init_finished(session_.get()) != 0) SSL_shutdown(session_.get());
    return take_out();
  }

 private:
  void advance() {
    if (SSL_is_init_finished(session_.get()) == 0) check(SSL_do_handshake(session_.get()));
    if (SSL_is_init_finished(session_.get()) == 0 || waiting_.empty()) return;
    SSL_write(session_.get(), waiting_.data(), static_cast<int>(waiting_.size()));
    waiting_.clear();
  }
  // The gateway never breaks TLS, whatever breaks around it.
  void check(int result) {
    if (result > 0 || SSL_get_error(session_.get(), result) != SSL_ERROR_SSL) return;
    ADD_FAILURE() << "TLS: " << ERR_reason_error_string(ERR_get_error());
  }
  std::string take_out() {
    char* bytes = nullptr;
    const long count = BIO_get_mem_data(out_, &bytes);
    std::string wire(bytes, static_cast<size_t>(count));
    BIO_reset(out_);
    return wire;
  }

  Settings settings_;
  std::unique_ptr<SSL, By<SSL_free>> session_;
  BIO* in_ = nullptr;  // Both belong to the session.
  BIO* out_ = nullptr;
  std::string waiting_;  // Written before the handshake was over.
};

}  // namespace

std::unique_ptr<PeerLayer> make_tls_client_layer(const std::string& authority_pem,
                                                 const std::string& name,
                                                 const std::string& protocol) {
  Settings settings(SSL_CTX_new(TLS_client_method()));
  X509* authority = PEM_read_bio_X509(bio_of(authority_pem).get(), nullptr, nullptr, nullptr);
  SLUICE_ASSERT(authority != nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(settings.get()), authority);
  X509_free(authority);
  SSL_CTX_set_verify(settings.get(), SSL_VERIFY_PEER, nullptr);
  auto layer = std::make_unique<OpensslLayer>(std::move(settings), true);
  SSL_set_tlsext_host_name(layer->session(), name.c_str());
  SSL_set1_host(layer->session(), name.c_str());
  if (!protocol.empty()) {
    const std::string list = static_cast<char>(protocol.size()) + protocol;
    SSL_set_alpn_protos(layer->session(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  return layer;
}

std::unique_ptr<PeerLayer> make_tls_server_layer(const std::string& certificate_pem,
                                                 const std::string& key_pem) {
  Settings settings(SSL_CTX_new(TLS_server_method()));
  X509* certificate = PEM_read_bio_X509(bio_of(certificate_pem).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio_of(key_pem).get(), nullptr, nullptr, nullptr);
  SLUICE_ASSERT(certificate != nullptr && key != nullptr);
  SSL_CTX_use_certificate(settings.get(), certificate);
  SSL_CTX_use_PrivateKey(settings.get(), key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return std::make_unique<OpensslLayer>(std::move(settings), false);
}

}  // namespace sluice::support
