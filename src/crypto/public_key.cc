// The functions on EC_KEY and RSA are deprecated since OpenSSL 3.0 in favour of EVP_PKEY, which is
// made of bytes by a provider's import at several times the cost of what is then done with it.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "public_key.h"

#include <memory>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdh.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <sluice/base/assert.h>

#include "freed_by.h"

namespace sluice::crypto {
namespace {

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using SecretNumber = std::unique_ptr<BIGNUM, FreedBy<BN_clear_free>>;
using Point = std::unique_ptr<EC_POINT, FreedBy<EC_POINT_free>>;
using EcKey = std::unique_ptr<EC_KEY, FreedBy<EC_KEY_free>>;
using Rsa = std::unique_ptr<RSA, FreedBy<RSA_free>>;

// Made once and only read after; never freed, since libcrypto's own end of the process may come
// first.
const EC_GROUP* group_of(EcCurve curve) {
  static const EC_GROUP* const p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  static const EC_GROUP* const p384 = EC_GROUP_new_by_curve_name(NID_secp384r1);
  static const EC_GROUP* const p521 = EC_GROUP_new_by_curve_name(NID_secp521r1);
  const EC_GROUP* group = curve == EcCurve::kP256 ? p256 : curve == EcCurve::kP384 ? p384 : p521;
  SLUICE_ASSERT(group != nullptr);
  return group;
}

EcKey empty_key(EcCurve curve) {
  EcKey key(EC_KEY_new());
  SLUICE_ASSERT(key != nullptr && EC_KEY_set_group(key.get(), group_of(curve)) == 1);
  return key;
}

template <typename Kind>
Kind number_of(std::span<const uint8_t> bytes) {
  Kind number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  SLUICE_ASSERT(number != nullptr);
  return number;
}

// Nothing when it is not on the curve.
Point point_of(EcCurve curve, const EcPoint& bytes) {
  const EC_GROUP* group = group_of(curve);
  const size_t size = bytes_of(curve);
  const auto x = number_of<Number>(std::span(bytes.x).first(size));
  const auto y = number_of<Number>(std::span(bytes.y).first(size));
  Point point(EC_POINT_new(group));
  SLUICE_ASSERT(point != nullptr);
  return EC_POINT_set_affine_coordinates(group, point.get(), x.get(), y.get(), nullptr) == 1
             ? std::move(point)
             : nullptr;
}

bool write(const BIGNUM* number, std::span<uint8_t> out) {
  return BN_bn2binpad(number, out.data(), static_cast<int>(out.size())) ==
         static_cast<int>(out.size());
}

// Leaves no error behind in the thread's queue, where a later caller would take it for its own.
bool settled(bool ok) {
  if (!ok) {
    ERR_clear_error();
  }
  return ok;
}

// Both parts are given: of a private key alone libcrypto computes the point anew.
KeyPtr x25519_key(const X25519Secret& key, const X25519Point& point) {
  // Only read, but the structure takes no constants.
  auto* key_bytes = const_cast<uint8_t*>(key.bytes.data());
  auto* point_bytes = const_cast<uint8_t*>(point.data());
  const std::array<OSSL_PARAM, 3> parts = {
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, key_bytes, kX25519Bytes),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point_bytes, kX25519Bytes),
      OSSL_PARAM_construct_end()};
  const KeyOperationPtr operation(EVP_PKEY_CTX_new_from_name(nullptr, "X25519", nullptr));
  EVP_PKEY* made = nullptr;
  const bool ok = operation != nullptr && EVP_PKEY_fromdata_init(operation.get()) == 1 &&
                  EVP_PKEY_fromdata(operation.get(), &made, EVP_PKEY_KEYPAIR,
                                    const_cast<OSSL_PARAM*>(parts.data())) == 1;
  return KeyPtr(ok ? made : nullptr);
}

bool derive(EVP_PKEY* mine, EVP_PKEY* peer, X25519Secret& secret) {
  const KeyOperationPtr operation(EVP_PKEY_CTX_new_from_pkey(nullptr, mine, nullptr));
  size_t written = secret.bytes.size();
  return operation != nullptr && EVP_PKEY_derive_init(operation.get()) == 1 &&
         EVP_PKEY_derive_set_peer_ex(operation.get(), peer, 0) == 1 &&
         EVP_PKEY_derive(operation.get(), secret.bytes.data(), &written) == 1 &&
         written == secret.bytes.size();
}

}  // namespace

bool make_ec_key(EcCurve curve, EcPrivateKey& key, EcPoint& point) {
  const EcKey made = empty_key(curve);
  const Number x(BN_new());
  const Number y(BN_new());
  const size_t size = bytes_of(curve);
  const bool ok =
      EC_KEY_generate_key(made.get()) == 1 &&
      EC_POINT_get_affine_coordinates(group_of(curve), EC_KEY_get0_public_key(made.get()), x.get(),
                                      y.get(), nullptr) == 1 &&
      write(EC_KEY_get0_private_key(made.get()), std::span(key.bytes).first(size)) &&
      write(x.get(), std::span(point.x).first(size)) &&
      write(y.get(), std::span(point.y).first(size));
  return settled(ok);
}

bool agree(EcCurve curve, const EcPrivateKey& key, const EcPoint& point,
           std::span<uint8_t> secret) {
  const size_t size = bytes_of(curve);
  const Point peer = point_of(curve, point);
  const auto number = number_of<SecretNumber>(std::span(key.bytes).first(size));
  const EcKey mine = empty_key(curve);
  const bool ok = peer != nullptr && secret.size() >= size &&
                  EC_KEY_set_private_key(mine.get(), number.get()) == 1 &&
                  ECDH_compute_key(secret.data(), size, peer.get(), mine.get(), nullptr) ==
                      static_cast<int>(size);
  return settled(ok);
}

bool verify_ecdsa(EcCurve curve, const EcPoint& point, std::span<const uint8_t> digest,
                  std::span<const uint8_t> signature) {
  const Point peer = point_of(curve, point);
  const EcKey key = empty_key(curve);
  const bool ok = peer != nullptr && EC_KEY_set_public_key(key.get(), peer.get()) == 1 &&
                  ECDSA_verify(0, digest.data(), static_cast<int>(digest.size()), signature.data(),
                               static_cast<int>(signature.size()), key.get()) == 1;
  return settled(ok);
}

bool make_x25519_key(X25519Secret& key, X25519Point& point) {
  const KeyPtr made(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  size_t key_bytes = key.bytes.size();
  size_t point_bytes = point.size();
  const bool ok = made != nullptr &&
                  EVP_PKEY_get_raw_private_key(made.get(), key.bytes.data(), &key_bytes) == 1 &&
                  EVP_PKEY_get_raw_public_key(made.get(), point.data(), &point_bytes) == 1;
  return settled(ok);
}

bool agree_x25519(const X25519Secret& key, const X25519Point& own_point, const X25519Point& point,
                  X25519Secret& secret) {
  const KeyPtr mine = x25519_key(key, own_point);
  const KeyPtr peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, point.data(), point.size()));
  return settled(mine != nullptr && peer != nullptr && derive(mine.get(), peer.get(), secret));
}

bool apply_rsa(std::span<const uint8_t> modulus, std::span<const uint8_t> exponent,
               std::span<const uint8_t> in, std::span<uint8_t> out) {
  const Rsa key(RSA_new());
  auto n = number_of<Number>(modulus);
  auto e = number_of<Number>(exponent);
  SLUICE_ASSERT(key != nullptr && RSA_set0_key(key.get(), n.release(), e.release(), nullptr) == 1);
  const bool ok = static_cast<size_t>(RSA_size(key.get())) == in.size() &&
                  in.size() == out.size() &&
                  RSA_public_decrypt(static_cast<int>(in.size()), in.data(), out.data(), key.get(),
                                     RSA_NO_PADDING) == static_cast<int>(out.size());
  return settled(ok);
}

}  // namespace sluice::crypto
