// Public-key operations of wolfCrypt with the device on one side and without it on the other.
#include <wolfssl/options.h>

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <sluice/crypto/tls_device.h>

#include "libcrypto_memory.h"

namespace sluice::crypto {
namespace {

using Bytes = std::vector<uint8_t>;

class Random {
 public:
  Random() { EXPECT_EQ(wc_InitRng(&random_), 0); }
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;
  ~Random() { wc_FreeRng(&random_); }
  operator WC_RNG*() { return &random_; }

 private:
  WC_RNG random_{};
};

// An operation that must reach libcrypto: one that wolfCrypt did alone allocates nothing there.
template <typename Operation>
auto by_device(Operation operation) {
  const int64_t before = libcrypto_allocations();
  auto result = operation();
  EXPECT_GT(libcrypto_allocations(), before);
  return result;
}

class Ecc {
 public:
  explicit Ecc(int device) { EXPECT_EQ(wc_ecc_init_ex(&key_, nullptr, device), 0); }
  Ecc(const Ecc&) = delete;
  Ecc& operator=(const Ecc&) = delete;
  ~Ecc() { wc_ecc_free(&key_); }

  int make(Random& random, int bytes, int curve) {
    const int answer = wc_ecc_make_key_ex(random, bytes, &key_, curve);
    wc_ecc_set_rng(&key_, random);
    return answer;
  }

  Bytes agree(Ecc& peer) {
    Bytes secret(80);
    auto size = static_cast<word32>(secret.size());
    EXPECT_EQ(wc_ecc_shared_secret(&key_, &peer.key_, secret.data(), &size), 0);
    secret.resize(size);
    return secret;
  }

  Bytes sign(Random& random, const Bytes& digest) {
    Bytes signature(150);
    auto size = static_cast<word32>(signature.size());
    EXPECT_EQ(wc_ecc_sign_hash(digest.data(), static_cast<word32>(digest.size()), signature.data(),
                               &size, random, &key_),
              0);
    signature.resize(size);
    return signature;
  }

  // 1 or 0, or wolfCrypt's error.
  int verify(const Bytes& signature, const Bytes& digest) {
    int good = -1;
    const int answer =
        wc_ecc_verify_hash(signature.data(), static_cast<word32>(signature.size()), digest.data(),
                           static_cast<word32>(digest.size()), &good, &key_);
    return answer == 0 ? good : answer;
  }

  ecc_key* get() { return &key_; }

 private:
  ecc_key key_{};
};

const struct {
  int bytes;
  int curve;
} kCurves[] = {{32, ECC_SECP256R1}, {48, ECC_SECP384R1}, {66, ECC_SECP521R1}};

TEST(TlsDeviceKeys, ec_keys_and_secrets_agree_with_wolfcrypt) {
  Random random;
  for (const auto& [bytes, curve] : kCurves) {
    for (int round = 0; round < 5; ++round) {
      Ecc device(tls_device_id());
      Ecc software(INVALID_DEVID);
      ASSERT_EQ(device.make(random, bytes, curve), 0);
      ASSERT_EQ(software.make(random, bytes, curve), 0);
      EXPECT_EQ(wc_ecc_check_key(device.get()), 0);
      const Bytes secret = by_device([&] { return device.agree(software); });
      EXPECT_EQ(secret, software.agree(device));
      EXPECT_EQ(secret.size(), static_cast<size_t>(bytes));
    }
  }
}

TEST(TlsDeviceKeys, ec_keys_are_made_and_signatures_verified_where_that_is_faster) {
  Random random;
  for (const auto& [bytes, curve] : kCurves) {
    Ecc key(tls_device_id());
    const int64_t before_making = libcrypto_allocations();
    ASSERT_EQ(key.make(random, bytes, curve), 0);
    EXPECT_EQ(libcrypto_allocations() > before_making, curve != ECC_SECP384R1);
    const Bytes digest(32, 7);
    const Bytes signature = key.sign(random, digest);
    const int64_t before_verifying = libcrypto_allocations();
    EXPECT_EQ(key.verify(signature, digest), 1);
    EXPECT_EQ(libcrypto_allocations() > before_verifying, curve != ECC_SECP384R1);
  }
}

TEST(TlsDeviceKeys, ec_curves_of_other_kinds_are_left_to_wolfcrypt) {
  Random random;
  Ecc device(tls_device_id());
  Ecc software(INVALID_DEVID);
  ASSERT_EQ(device.make(random, 32, ECC_SECP256K1), 0);
  ASSERT_EQ(software.make(random, 32, ECC_SECP256K1), 0);
  EXPECT_EQ(device.agree(software), software.agree(device));
}

// The key of one who sends a point of a weaker curve would leak bit by bit.
TEST(TlsDeviceKeys, a_point_beside_the_curve_gives_no_secret) {
  Random random;
  for (const auto& [bytes, curve] : kCurves) {
    Ecc mine(tls_device_id());
    Ecc peer(INVALID_DEVID);
    ASSERT_EQ(mine.make(random, bytes, curve), 0);
    ASSERT_EQ(peer.make(random, bytes, curve), 0);
    ASSERT_EQ(mp_add_d(peer.get()->pubkey.y, 1, peer.get()->pubkey.y), 0);
    Bytes secret(80);
    auto size = static_cast<word32>(secret.size());
    EXPECT_NE(wc_ecc_shared_secret(mine.get(), peer.get(), secret.data(), &size), 0);
  }
}

TEST(TlsDeviceKeys, ecdsa_is_verified_as_by_wolfcrypt) {
  Random random;
  for (const auto& [bytes, curve] : kCurves) {
    Ecc key(tls_device_id());
    ASSERT_EQ(key.make(random, bytes, curve), 0);
    for (const size_t digest_bytes : {32, 48, 64}) {
      Bytes digest(digest_bytes, 7);
      const Bytes signature = key.sign(random, digest);
      EXPECT_EQ(key.verify(signature, digest), 1);
      for (size_t i = 0; i < signature.size(); i += 5) {
        Bytes changed = signature;
        changed[i] ^= 1;
        EXPECT_NE(key.verify(changed, digest), 1) << i;
      }
      EXPECT_NE(key.verify(Bytes(signature.begin(), signature.end() - 1), digest), 1);
      digest[0] ^= 1;
      EXPECT_EQ(key.verify(signature, digest), 0);
    }
  }
}

class X25519 {
 public:
  explicit X25519(int device) { EXPECT_EQ(wc_curve25519_init_ex(&key_, nullptr, device), 0); }
  X25519(const X25519&) = delete;
  X25519& operator=(const X25519&) = delete;
  ~X25519() { wc_curve25519_free(&key_); }

  int make(Random& random) { return wc_curve25519_make_key(random, 32, &key_); }

  Bytes agree(X25519& peer, int order) {
    Bytes secret(32);
    word32 size = 32;
    EXPECT_EQ(wc_curve25519_shared_secret_ex(&key_, &peer.key_, secret.data(), &size, order), 0);
    secret.resize(size);
    return secret;
  }

  curve25519_key* get() { return &key_; }

 private:
  curve25519_key key_{};
};

TEST(TlsDeviceKeys, x25519_agrees_with_wolfcrypt) {
  Random random;
  for (int round = 0; round < 20; ++round) {
    X25519 device(tls_device_id());
    X25519 software(INVALID_DEVID);
    EXPECT_EQ(by_device([&] { return device.make(random); }), 0);
    ASSERT_EQ(software.make(random), 0);
    for (const int order : {EC25519_LITTLE_ENDIAN, EC25519_BIG_ENDIAN}) {
      EXPECT_EQ(by_device([&] { return device.agree(software, order); }),
                software.agree(device, order));
    }
  }
}

TEST(TlsDeviceKeys, x25519_without_a_contribution_of_the_peer_is_refused) {
  Random random;
  X25519 mine(tls_device_id());
  X25519 peer(INVALID_DEVID);
  ASSERT_EQ(mine.make(random), 0);
  ASSERT_EQ(peer.make(random), 0);
  std::fill(std::begin(peer.get()->p.point), std::end(peer.get()->p.point), byte{0});
  std::array<byte, 32> secret;
  word32 size = 32;
  EXPECT_NE(wc_curve25519_shared_secret_ex(mine.get(), peer.get(), secret.data(), &size,
                                           EC25519_LITTLE_ENDIAN),
            0);
}

class Rsa {
 public:
  explicit Rsa(Random& random) {
    EXPECT_EQ(wc_InitRsaKey_ex(&key_, nullptr, INVALID_DEVID), 0);
    EXPECT_EQ(wc_MakeRsaKey(&key_, 2'048, 65'537, random), 0);
    EXPECT_EQ(wc_RsaSetRNG(&key_, random), 0);
  }
  Rsa(const Rsa&) = delete;
  Rsa& operator=(const Rsa&) = delete;
  ~Rsa() { wc_FreeRsaKey(&key_); }

  RsaKey* get() { return &key_; }
  // The device takes its next operations, or no more.
  void use_device(bool use) { key_.devId = use ? tls_device_id() : INVALID_DEVID; }

 private:
  RsaKey key_{};
};

TEST(TlsDeviceKeys, rsa_is_verified_as_by_wolfcrypt) {
  Random random;
  Rsa key(random);
  const Bytes digest(32, 7);
  Bytes pkcs1(256);
  Bytes pss(256);
  ASSERT_EQ(wc_RsaSSL_Sign(digest.data(), 32, pkcs1.data(), 256, key.get(), random), 256);
  ASSERT_EQ(wc_RsaPSS_Sign(digest.data(), 32, pss.data(), 256, WC_HASH_TYPE_SHA256, WC_MGF1SHA256,
                           key.get(), random),
            256);
  key.use_device(true);
  Bytes plain(256);
  EXPECT_EQ(
      by_device([&] { return wc_RsaSSL_Verify(pkcs1.data(), 256, plain.data(), 256, key.get()); }),
      32);
  EXPECT_TRUE(std::equal(digest.begin(), digest.end(), plain.begin()));
  byte* inside = nullptr;
  Bytes copy = pss;
  EXPECT_GT(by_device([&] {
              return wc_RsaPSS_VerifyCheckInline(copy.data(), 256, &inside, digest.data(), 32,
                                                 WC_HASH_TYPE_SHA256, WC_MGF1SHA256, key.get());
            }),
            0);
  pkcs1[100] ^= 1;
  EXPECT_LT(wc_RsaSSL_Verify(pkcs1.data(), 256, plain.data(), 256, key.get()), 0);
  copy = pss;
  copy[100] ^= 1;
  EXPECT_LT(wc_RsaPSS_VerifyCheckInline(copy.data(), 256, &inside, digest.data(), 32,
                                        WC_HASH_TYPE_SHA256, WC_MGF1SHA256, key.get()),
            0);
}

TEST(TlsDeviceKeys, rsa_private_operations_are_left_to_wolfcrypt) {
  Random random;
  Rsa key(random);
  key.use_device(true);
  const Bytes secret(48, 9);
  Bytes sealed(256);
  ASSERT_EQ(by_device([&] {
              return wc_RsaPublicEncrypt(secret.data(), 48, sealed.data(), 256, key.get(), random);
            }),
            256);
  Bytes opened(256);
  ASSERT_EQ(wc_RsaPrivateDecrypt(sealed.data(), 256, opened.data(), 256, key.get()), 48);
  EXPECT_TRUE(std::equal(secret.begin(), secret.end(), opened.begin()));
}

}  // namespace
}  // namespace sluice::crypto
