#include "tls_device_keys.h"

#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <algorithm>
#include <array>
#include <optional>

#include "public_key.h"

namespace sluice::crypto {
namespace {

std::optional<EcCurve> curve_of(const ecc_key* key) {
  if (key == nullptr || key->dp == nullptr) {
    return std::nullopt;
  }
  switch (key->dp->id) {
    case ECC_SECP256R1: return EcCurve::kP256;
    case ECC_SECP384R1: return EcCurve::kP384;
    case ECC_SECP521R1: return EcCurve::kP521;
    default: return std::nullopt;
  }
}

// Whether libcrypto is faster at making keys and at verifying. On P-384 it has no code of its own,
// and wolfCrypt keeps tables of the base point and of keys that it saw before: 113 us against 746 a
// key, 150 to 610 against 634 a signature (tls_device_bench, ec_make and ec_verify).
bool pays(EcCurve curve) { return curve != EcCurve::kP384; }

// False for a key that holds no public part.
bool read_point(ecc_key* key, EcCurve curve, EcPoint& point) {
  auto x_bytes = static_cast<word32>(bytes_of(curve));
  word32 y_bytes = x_bytes;
  return wc_ecc_export_public_raw(key, point.x.data(), &x_bytes, point.y.data(), &y_bytes) == 0 &&
         x_bytes == bytes_of(curve) && y_bytes == x_bytes;
}

int take_ec_key_making(ecc_key* key) {
  const auto curve = curve_of(key);
  EcPrivateKey made;
  EcPoint point;
  if (!curve || !pays(*curve) || !make_ec_key(*curve, made, point)) {
    return CRYPTOCB_UNAVAILABLE;
  }
  return wc_ecc_import_unsigned(key, point.x.data(), point.y.data(), made.bytes.data(),
                                key->dp->id);
}

int take_agreement(ecc_key* mine, ecc_key* peer, byte* secret, word32* secret_bytes) {
  const auto curve = curve_of(mine);
  if (!curve || curve_of(peer) != curve || secret == nullptr || secret_bytes == nullptr) {
    return CRYPTOCB_UNAVAILABLE;
  }
  const size_t size = bytes_of(*curve);
  if (*secret_bytes < size) {
    return BUFFER_E;
  }
  EcPrivateKey key;
  EcPoint point;
  auto key_bytes = static_cast<word32>(size);
  if (wc_ecc_export_private_only(mine, key.bytes.data(), &key_bytes) != 0 || key_bytes != size ||
      !read_point(peer, *curve, point)) {
    return CRYPTOCB_UNAVAILABLE;
  }
  if (!agree(*curve, key, point, {secret, size})) {
    return ECC_BAD_ARG_E;
  }
  *secret_bytes = static_cast<word32>(size);
  return 0;
}

template <typename Call>
int take_ecdsa_check(const Call& call) {
  const auto curve = curve_of(call.key);
  EcPoint point;
  if (!curve || !pays(*curve) || call.sig == nullptr || call.hash == nullptr ||
      call.res == nullptr || !read_point(call.key, *curve, point)) {
    return CRYPTOCB_UNAVAILABLE;
  }
  *call.res =
      verify_ecdsa(*curve, point, {call.hash, call.hashlen}, {call.sig, call.siglen}) ? 1 : 0;
  return 0;
}

int take_x25519_key_making(curve25519_key* key) {
  X25519Secret made;
  X25519Point point;
  if (key == nullptr || !make_x25519_key(made, point)) {
    return CRYPTOCB_UNAVAILABLE;
  }
  return wc_curve25519_import_private_raw_ex(made.bytes.data(), kX25519Bytes, point.data(),
                                             kX25519Bytes, key, EC25519_LITTLE_ENDIAN);
}

template <typename Call>
int take_x25519_agreement(const Call& call) {
  if (call.private_key == nullptr || call.public_key == nullptr || call.out == nullptr ||
      call.outlen == nullptr || *call.outlen < kX25519Bytes) {
    return CRYPTOCB_UNAVAILABLE;
  }
  X25519Secret key;
  X25519Secret secret;
  X25519Point own_point;
  X25519Point point;
  word32 key_bytes = kX25519Bytes;
  word32 own_point_bytes = kX25519Bytes;
  word32 point_bytes = kX25519Bytes;
  if (wc_curve25519_export_private_raw_ex(call.private_key, key.bytes.data(), &key_bytes,
                                          EC25519_LITTLE_ENDIAN) != 0 ||
      wc_curve25519_export_public_ex(call.private_key, own_point.data(), &own_point_bytes,
                                     EC25519_LITTLE_ENDIAN) != 0 ||
      wc_curve25519_export_public_ex(call.public_key, point.data(), &point_bytes,
                                     EC25519_LITTLE_ENDIAN) != 0) {
    return CRYPTOCB_UNAVAILABLE;
  }
  if (!agree_x25519(key, own_point, point, secret)) {
    return ECC_OUT_OF_RANGE_E;
  }
  if (call.endian == EC25519_BIG_ENDIAN) {
    std::ranges::reverse(secret.bytes);
  }
  std::ranges::copy(secret.bytes, call.out);
  *call.outlen = kX25519Bytes;
  return 0;
}

// wolfCrypt pads before and strips after, so that this is the bare operation.
template <typename Call>
int take_rsa(const Call& call) {
  constexpr size_t kBytesMax = RSA_MAX_SIZE / 8;
  std::array<byte, kBytesMax> modulus;
  std::array<byte, kBytesMax> exponent;
  word32 modulus_bytes = kBytesMax;
  word32 exponent_bytes = kBytesMax;
  const bool is_public = call.type == RSA_PUBLIC_DECRYPT || call.type == RSA_PUBLIC_ENCRYPT;
  if (!is_public || call.key == nullptr || call.in == nullptr || call.out == nullptr ||
      call.outLen == nullptr ||
      wc_RsaFlattenPublicKey(call.key, exponent.data(), &exponent_bytes, modulus.data(),
                             &modulus_bytes) != 0 ||
      call.inLen != modulus_bytes || *call.outLen < modulus_bytes) {
    return CRYPTOCB_UNAVAILABLE;
  }
  if (!apply_rsa({modulus.data(), modulus_bytes}, {exponent.data(), exponent_bytes},
                 {call.in, call.inLen}, {call.out, modulus_bytes})) {
    return CRYPTOCB_UNAVAILABLE;
  }
  *call.outLen = modulus_bytes;
  return 0;
}

}  // namespace

int run_public_key(const wc_CryptoInfo& call) {
  switch (call.pk.type) {
    case WC_PK_TYPE_RSA: return take_rsa(call.pk.rsa);
    case WC_PK_TYPE_EC_KEYGEN: return take_ec_key_making(call.pk.eckg.key);
    case WC_PK_TYPE_ECDH:
      return take_agreement(call.pk.ecdh.private_key, call.pk.ecdh.public_key, call.pk.ecdh.out,
                            call.pk.ecdh.outlen);
    case WC_PK_TYPE_ECDSA_VERIFY: return take_ecdsa_check(call.pk.eccverify);
    case WC_PK_TYPE_CURVE25519_KEYGEN: return take_x25519_key_making(call.pk.curve25519kg.key);
    case WC_PK_TYPE_CURVE25519: return take_x25519_agreement(call.pk.curve25519);
    default: return CRYPTOCB_UNAVAILABLE;
  }
}

}  // namespace sluice::crypto
