// The private key of a certificate: it signs handshakes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace sluice::crypto {

// Any number of threads may sign with one key. Every signature is made by libcrypto, which checks
// an RSA signature before it gives it out.
class SigningKey {
 public:
  enum class Kind : uint8_t { kRsa, kEcdsa, kEd25519 };

  // Of the first private key in `pem`. Otherwise what is wrong, as the end of a sentence:
  // "holds no private key".
  [[nodiscard]] static std::expected<SigningKey, std::string> load(std::string_view pem);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // Of the modulus, or of the curve.
  [[nodiscard]] int bits() const noexcept;
  // Enough for any signature of this key.
  [[nodiscard]] size_t signature_bytes_max() const noexcept;
  // Whether this is the key of the first certificate in `pem`.
  [[nodiscard]] bool matches(std::string_view pem) const;

  // Each writes a signature to `out` and gives its size. Nothing when the key is of another kind,
  // the digest of no known size, or `out` too small.

  // In DER.
  [[nodiscard]] std::optional<size_t> sign_ecdsa(std::span<const uint8_t> digest,
                                                 std::span<uint8_t> out) const;
  // With a salt of the digest's size and the hash, SHA-256, 384 or 512, that its size tells.
  [[nodiscard]] std::optional<size_t> sign_rsa_pss(std::span<const uint8_t> digest,
                                                   std::span<uint8_t> out) const;
  // `digest_info` is signed as it is: the digest with its algorithm in front, in DER.
  [[nodiscard]] std::optional<size_t> sign_rsa_pkcs1(std::span<const uint8_t> digest_info,
                                                     std::span<uint8_t> out) const;
  [[nodiscard]] std::optional<size_t> sign_ed25519(std::span<const uint8_t> message,
                                                   std::span<uint8_t> out) const;

  // What a signature of this key holds; it is overwritten, and the answer lies within it. Nothing
  // when its padding is wrong.

  // The digest with its algorithm in front.
  [[nodiscard]] std::optional<std::span<uint8_t>> recover_rsa_pkcs1(
      std::span<uint8_t> signature) const;
  // The salt, then the hash over it and the digest, each `digest_bytes` long.
  [[nodiscard]] std::optional<std::span<uint8_t>> recover_rsa_pss(std::span<uint8_t> signature,
                                                                  size_t digest_bytes) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  using Key = std::unique_ptr<evp_pkey_st, Free>;

  SigningKey(Key key, Kind kind) noexcept;

  [[nodiscard]] bool recover_rsa(std::span<uint8_t> signature) const;

  Key key_;
  Kind kind_;
};

}  // namespace sluice::crypto
