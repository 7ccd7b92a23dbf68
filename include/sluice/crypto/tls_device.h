// Hardware-speed ciphers and public-key operations under wolfSSL, by libcrypto: Debian's wolfSSL is
// built without any.
#pragma once

#include <memory>

namespace sluice::crypto {

class GcmCipher;

// The id for wolfSSL_CTX_SetDevId, of the device that takes wolfCrypt's operations. Registers it
// the first time; any thread may call. It stays registered to the end of the process.
[[nodiscard]] int tls_device_id();

// The keyed ciphers of one TLS session, through handshake and key updates. They are freed here and
// nowhere else: wolfSSL 5.5.4 does not tell a device that a key is gone.
//
// Used by one thread at a time. Must outlive the calls into wolfSSL, not the WOLFSSL object.
class CipherContexts {
 public:
  CipherContexts() noexcept;
  CipherContexts(const CipherContexts&) = delete;
  CipherContexts& operator=(const CipherContexts&) = delete;
  ~CipherContexts();

  // Made at the first record of their direction.
  [[nodiscard]] GcmCipher& sealing();
  [[nodiscard]] GcmCipher& opening();

 private:
  std::unique_ptr<GcmCipher> sealing_;
  std::unique_ptr<GcmCipher> opening_;
};

// While it lives, sessions of the device that this thread calls use `contexts`. To stand around
// every call into wolfSSL; without one, wolfCrypt's own AES runs. Scopes of a thread do not
// overlap.
class [[nodiscard]] CipherScope {
 public:
  explicit CipherScope(CipherContexts& contexts) noexcept;
  CipherScope(const CipherScope&) = delete;
  CipherScope& operator=(const CipherScope&) = delete;
  ~CipherScope();
};

}  // namespace sluice::crypto
