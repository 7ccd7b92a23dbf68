// Public-key operations of handshakes on plain bytes, by libcrypto. All numbers are big-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sluice/crypto/secret.h>

namespace sluice::crypto {

enum class EcCurve : uint8_t { kP256, kP384, kP521 };

inline constexpr size_t kEcBytesMax = 66;

// Of a coordinate and of a private key.
[[nodiscard]] constexpr size_t bytes_of(EcCurve curve) noexcept {
  return curve == EcCurve::kP256 ? 32 : curve == EcCurve::kP384 ? 48 : 66;
}

// The first bytes_of() of each are used.
struct EcPoint {
  std::array<uint8_t, kEcBytesMax> x;
  std::array<uint8_t, kEcBytesMax> y;
};

// Wiped on destruction.
template <size_t size>
struct SecretBytes {
  std::array<uint8_t, size> bytes{};

  SecretBytes() noexcept = default;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(reinterpret_cast<char*>(bytes.data()), size); }
};

using EcPrivateKey = SecretBytes<kEcBytesMax>;

// False only when libcrypto fails.
[[nodiscard]] bool make_ec_key(EcCurve curve, EcPrivateKey& key, EcPoint& point);

// The shared x coordinate into the first bytes_of() of `secret`. False when `point` is not on the
// curve.
[[nodiscard]] bool agree(EcCurve curve, const EcPrivateKey& key, const EcPoint& point,
                         std::span<uint8_t> secret);

// A signature in DER. False also when it, or `point`, is malformed.
[[nodiscard]] bool verify_ecdsa(EcCurve curve, const EcPoint& point,
                                std::span<const uint8_t> digest,
                                std::span<const uint8_t> signature);

inline constexpr size_t kX25519Bytes = 32;
// Little-endian, as in RFC 7748.
using X25519Point = std::array<uint8_t, kX25519Bytes>;
using X25519Secret = SecretBytes<kX25519Bytes>;

[[nodiscard]] bool make_x25519_key(X25519Secret& key, X25519Point& point);

// `own_point` belongs to `key`; without it libcrypto computes it first. False when the secret would
// be all zeros.
[[nodiscard]] bool agree_x25519(const X25519Secret& key, const X25519Point& own_point,
                                const X25519Point& point, X25519Secret& secret);

// RSA's public operation without padding. `in` and `out` are as long as the modulus and may be the
// same bytes.
[[nodiscard]] bool apply_rsa(std::span<const uint8_t> modulus, std::span<const uint8_t> exponent,
                             std::span<const uint8_t> in, std::span<uint8_t> out);

}  // namespace sluice::crypto
