#include "tls_tickets.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include <sluice/crypto/random.h>
#include <sluice/crypto/secret.h>
#include <sluice/net/tls.h>

namespace sluice::net {
namespace {

// wolfSSL's WOLFSSL_TICKET_RET_* (ssl.h), whose header must not meet OpenSSL's.
constexpr int kTicketOk = 0;
constexpr int kTicketFailed = -1;
constexpr int kTicketRefused = 1;  // Makes a full handshake of it.
constexpr int kTicketRenew = 2;    // Good, and a new one is due.

constexpr int kIvBytes = 12;   // Of the 16 that wolfSSL has room for.
constexpr int kTagBytes = 16;  // Of the 32.
constexpr size_t kIvRoom = 16;
constexpr size_t kMacRoom = 32;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* cipher) const noexcept { EVP_CIPHER_CTX_free(cipher); }
};

// `tag` is written or checked.
bool crypt(const TicketKeys::Key& key, const unsigned char* iv, unsigned char* tag, bool encrypts,
           std::span<unsigned char> text) noexcept {
  const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher(EVP_CIPHER_CTX_new());
  if (cipher == nullptr) return false;
  int count = 0;
  if (EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.secret.data(), iv,
                        encrypts ? 1 : 0) != 1) {
    return false;
  }
  if (!encrypts && EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag) != 1) {
    return false;
  }
  // The key's name is what both sides must agree on.
  if (EVP_CipherUpdate(cipher.get(), nullptr, &count, key.name.data(),
                       static_cast<int>(key.name.size())) != 1 ||
      EVP_CipherUpdate(cipher.get(), text.data(), &count, text.data(),
                       static_cast<int>(text.size())) != 1 ||
      EVP_CipherFinal_ex(cipher.get(), text.data() + count, &count) != 1) {
    return false;
  }
  return !encrypts || EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1;
}

TicketKeys::Key fresh_key() noexcept {
  TicketKeys::Key key;
  crypto::fill_random(std::as_writable_bytes(std::span(key.name)));
  crypto::fill_random(std::as_writable_bytes(std::span(key.secret)));
  return key;
}

}  // namespace

TicketKeys::~TicketKeys() {
  for (Key& key : keys) {
    crypto::wipe(reinterpret_cast<char*>(key.secret.data()), key.secret.size());
  }
}

TicketKeys TicketKeys::generate() noexcept {
  TicketKeys made;
  made.keys = {fresh_key(), fresh_key()};
  return made;
}

TicketKeys TicketKeys::rotated() const noexcept {
  TicketKeys made;
  made.keys = {fresh_key(), keys[0]};
  return made;
}

int crypt_ticket(WOLFSSL*, unsigned char* key_name, unsigned char* iv, unsigned char* mac,
                 int encrypts, unsigned char* ticket, int length, int* length_out,
                 void* keys) noexcept {
  const auto& known = static_cast<const TicketKeys*>(keys)->keys;
  const std::span<unsigned char> text(ticket, static_cast<size_t>(length));
  *length_out = length;
  if (encrypts != 0) {
    std::memcpy(key_name, known[0].name.data(), known[0].name.size());
    std::memset(iv, 0, kIvRoom);
    std::memset(mac, 0, kMacRoom);
    crypto::fill_random(std::as_writable_bytes(std::span(iv, kIvBytes)));
    return crypt(known[0], iv, mac, true, text) ? kTicketOk : kTicketFailed;
  }
  for (size_t i = 0; i < known.size(); ++i) {
    if (!std::equal(known[i].name.begin(), known[i].name.end(), key_name)) continue;
    if (!crypt(known[i], iv, mac, false, text)) return kTicketRefused;
    return i == 0 ? kTicketOk : kTicketRenew;
  }
  return kTicketRefused;
}

}  // namespace sluice::net
