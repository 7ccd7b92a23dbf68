#include "tls_session.h"

#include <wolfssl/options.h>
// The library's feature macros come first.
#include <wolfssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include <sluice/base/assert.h>
#include <sluice/crypto/certificate.h>
#include <sluice/crypto/tls_signing.h>
#include <sluice/net/address.h>

#include "tls_faults.h"
#include "tls_memory.h"

namespace sluice::net {
namespace {

// Records without a byte of plaintext, and what the library may read at once, stay far below.
constexpr size_t kFruitlessBytesMax = 64 * 1024;

// Giving memory back and taking it again costs as much as a tenth of a handshake, so it is for
// connections that last.
constexpr Duration kLastsFrom = std::chrono::seconds(1);

struct FreeCertificate {
  void operator()(WOLFSSL_X509* certificate) const noexcept { wolfSSL_X509_free(certificate); }
};

}  // namespace

void FreeSession::operator()(WOLFSSL* session) const noexcept { wolfSSL_free(session); }

void Stream::DropSession::operator()(TlsSession* session) const noexcept { delete session; }

CipherOutput& CipherOutput::operator=(CipherOutput&& other) noexcept {
  memory_ = std::move(other.memory_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

bool CipherOutput::reserve(size_t count) noexcept {
  if (size_ + count <= capacity_) return true;
  const size_t wanted = std::max(size_ + count, capacity_ * 2);
  std::unique_ptr<char[]> larger(new (std::nothrow) char[wanted]);
  if (larger == nullptr) return false;
  if (size_ > 0) std::memcpy(larger.get(), memory_.get(), size_);
  memory_ = std::move(larger);
  capacity_ = wanted;
  return true;
}

bool CipherOutput::append(const char* bytes, size_t count) noexcept {
  if (!reserve(count)) return false;
  std::memcpy(memory_.get() + size_, bytes, count);
  size_ += count;
  return true;
}

void CipherOutput::release() noexcept {
  memory_.reset();
  size_ = capacity_ = 0;
}

Stream::SessionPtr TlsSession::make(const TlsRef<TlsProfile>& profile,
                                    const TlsRef<PeerRules>& rules) noexcept {
  WOLFSSL* session = wolfSSL_new(profile->first().context.get());
  if (session == nullptr) return nullptr;
  auto made = Stream::SessionPtr(new (std::nothrow) TlsSession(profile, session, rules));
  if (made == nullptr) {
    wolfSSL_free(session);
    return nullptr;
  }
  if (profile->first().key) crypto::set_signing_key(session, *profile->first().key);
  std::string protocols(profile->offers_http2() ? "h2,http/1.1" : kHttp11Protocol);
  if (wolfSSL_UseALPN(session, protocols.data(), static_cast<unsigned int>(protocols.size()),
                      WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
    return nullptr;
  }
  if (!rules) return made;
  const std::string& name = rules->server_name;
  const bool is_name = !parse_address(name, 0).has_value();
  if (is_name && wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, name.data(),
                                static_cast<unsigned short>(name.size())) != WOLFSSL_SUCCESS) {
    return nullptr;
  }
  return made;
}

TlsSession::TlsSession(const TlsRef<TlsProfile>& profile, WOLFSSL* session,
                       const TlsRef<PeerRules>& rules) noexcept
    : profile_(profile), session_(session), rules_(rules) {
  wolfSSL_SSLSetIORecv(session, receive_bytes);
  wolfSSL_SSLSetIOSend(session, send_bytes);
  wolfSSL_SetIOReadCtx(session, this);
  wolfSSL_SetIOWriteCtx(session, this);
}

TlsSession::~TlsSession() {
  const crypto::CipherScope scope(ciphers_);
  session_.reset();
}

int TlsSession::receive_bytes(WOLFSSL*, char* to, int room, void* self) noexcept {
  io::Buffer& input = static_cast<TlsSession*>(self)->input_;
  if (input.is_empty()) return WOLFSSL_CBIO_ERR_WANT_READ;
  const size_t count = std::min(static_cast<size_t>(room), input.bytes().size());
  std::memcpy(to, input.bytes().data(), count);
  input.remove_prefix(count);
  if (input.is_empty()) input.release();
  return static_cast<int>(count);
}

int TlsSession::send_bytes(WOLFSSL*, char* bytes, int count, void* self) noexcept {
  CipherOutput& output = static_cast<TlsSession*>(self)->output_;
  return output.append(bytes, static_cast<size_t>(count)) ? count : WOLFSSL_CBIO_ERR_GENERAL;
}

std::string_view TlsSession::take_batch() noexcept {
  SLUICE_ASSERT(batch_.bytes().empty());
  batch_ = std::move(output_);
  return batch_.bytes();
}

void TlsSession::feed(io::Buffer ciphertext) noexcept {
  SLUICE_ASSERT(input_.is_empty());
  input_ = std::move(ciphertext);
}

void TlsSession::fail(std::string_view why) noexcept {
  if (failure_.empty()) failure_ = why;
}

TlsSession::Step TlsSession::step() noexcept {
  if (is_established_) return Step::kDone;
  if (!failure_.empty()) return Step::kFailed;
  const crypto::CipherScope scope(ciphers_);
  WOLFSSL* session = session_.get();
  const int done = is_client() ? wolfSSL_connect(session) : wolfSSL_accept(session);
  if (done == WOLFSSL_SUCCESS) {
    is_established_ = true;
    wolfSSL_FreeArrays(session);
    return examine_peer() ? Step::kDone : Step::kFailed;
  }
  const int code = wolfSSL_get_error(session, done);
  if (code == WOLFSSL_ERROR_WANT_READ) return Step::kWantsInput;
  fail(describe_tls_fault(code));
  return Step::kFailed;
}

bool TlsSession::examine_peer() noexcept {
  // A resumed session was examined when it was made, by the same rules.
  if (is_client() && is_resumed()) return true;
  const std::unique_ptr<WOLFSSL_X509, FreeCertificate> certificate(
      wolfSSL_get_peer_certificate(session_.get()));
  int length = 0;
  const unsigned char* der =
      certificate == nullptr ? nullptr : wolfSSL_X509_get_der(certificate.get(), &length);
  const std::span<const uint8_t> bytes(der, der == nullptr ? 0 : static_cast<size_t>(length));
  if (!is_client()) {
    if (der != nullptr) peer_subject_ = crypto::subject_of(bytes);
    return true;
  }
  if (rules_->verify && !crypto::certificate_is_for(bytes, rules_->server_name)) {
    fail("TLS: the certificate is for another name");
  }
  const auto& pins = rules_->pins;
  if (!pins.empty() && std::ranges::find(pins, crypto::spki_digest(bytes)) == pins.end()) {
    fail("TLS: the certificate's key is none of those pinned");
  }
  return failure_.empty();
}

TlsSession::Read TlsSession::read(char* to, size_t room, size_t* count) noexcept {
  *count = 0;
  if (!is_over()) {
    const crypto::CipherScope scope(ciphers_);
    fruitless_bytes_ += input_.bytes().size();
    while (*count < room) {
      const int got = wolfSSL_read(session_.get(), to + *count, static_cast<int>(room - *count));
      if (got > 0) {
        *count += static_cast<size_t>(got);
        continue;
      }
      const int code = wolfSSL_get_error(session_.get(), got);
      if (code == WOLFSSL_ERROR_WANT_READ) break;
      if (code == WOLFSSL_ERROR_ZERO_RETURN) {
        is_ended_ = true;
      } else {
        fail(describe_tls_fault(code));
      }
      break;
    }
  }
  if (*count > 0) {
    fruitless_bytes_ = 0;
    return Read::kBytes;
  }
  if (fruitless_bytes_ > kFruitlessBytesMax) fail("TLS: records without content");
  if (output_.bytes().size() > CipherOutput::kOwedMax) fail("TLS: too many key updates");
  if (!failure_.empty()) return Read::kFailed;
  return is_ended_ ? Read::kEnd : Read::kWantsInput;
}

bool TlsSession::has_more() const noexcept {
  return is_over() || has_input() || wolfSSL_pending(session_.get()) > 0;
}

bool TlsSession::write(std::string_view text) noexcept {
  SLUICE_ASSERT(!text.empty() && text.size() <= kRecordBytes);
  if (!failure_.empty()) return false;
  const crypto::CipherScope scope(ciphers_);
  const int written = wolfSSL_write(session_.get(), text.data(), static_cast<int>(text.size()));
  if (written == static_cast<int>(text.size())) return true;
  fail(describe_tls_fault(wolfSSL_get_error(session_.get(), written)));
  return false;
}

void TlsSession::lighten(MonoTime now) noexcept {
  if (is_light_) return;
  if (lightens_at_ == MonoTime{}) lightens_at_ = now + kLastsFrom;
  if (now < lightens_at_) return;
  is_light_ = true;
  release_zero_pages(wolfSSL_get_session(session_.get()));
}

void TlsSession::end() noexcept {
  if (!is_established_ || has_ended_ || !failure_.empty()) return;
  has_ended_ = true;
  const crypto::CipherScope scope(ciphers_);
  [[maybe_unused]] const int sent = wolfSSL_shutdown(session_.get());
}

bool TlsSession::is_http2() const noexcept {
  char* name = nullptr;
  unsigned short length = 0;
  return wolfSSL_ALPN_GetProtocol(session_.get(), &name, &length) == WOLFSSL_SUCCESS &&
         std::string_view(name, length) == kHttp2Protocol;
}

bool TlsSession::is_resumed() const noexcept { return wolfSSL_session_reused(session_.get()) == 1; }

}  // namespace sluice::net
