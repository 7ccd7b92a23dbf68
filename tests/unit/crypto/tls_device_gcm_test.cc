// AES-GCM of wolfCrypt with and without the device: what callers see is the same.
#include <wolfssl/options.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include <sluice/crypto/tls_device.h>

#include "libcrypto_memory.h"

namespace sluice::crypto {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// Bytes that differ with their place and with `seed`.
Bytes pattern(size_t size, unsigned seed) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>((i * 131 + seed * 29 + (i >> 8)) & 0xff);
  }
  return bytes;
}

// A key as wolfCrypt holds it.
class WolfAes {
 public:
  WolfAes(const Bytes& key, int device) {
    EXPECT_EQ(wc_AesInit(&aes_, nullptr, device), 0);
    set_key(key);
  }
  WolfAes(const WolfAes&) = delete;
  WolfAes& operator=(const WolfAes&) = delete;
  ~WolfAes() { wc_AesFree(&aes_); }

  void set_key(const Bytes& key) {
    EXPECT_EQ(wc_AesGcmSetKey(&aes_, key.data(), static_cast<word32>(key.size())), 0);
  }

  // The device alone sees this key; wolfCrypt's own code keeps the one that was set.
  void set_device_key_only(const Bytes& key) { std::memcpy(aes_.devKey, key.data(), key.size()); }

  // The text with the tag behind it.
  Bytes seal(const Bytes& nonce, const Bytes& associated, const Bytes& text,
             size_t tag_bytes = 16) {
    Bytes sealed(text.size() + tag_bytes);
    EXPECT_EQ(wc_AesGcmEncrypt(&aes_, sealed.data(), text.data(), size(text), nonce.data(),
                               size(nonce), sealed.data() + text.size(),
                               static_cast<word32>(tag_bytes), associated.data(), size(associated)),
              0);
    return sealed;
  }

  // wolfCrypt's answer; `text` has the size of what is opened.
  int open(const Bytes& nonce, const Bytes& associated, const Bytes& sealed, Bytes& text,
           size_t tag_bytes = 16) {
    return wc_AesGcmDecrypt(&aes_, text.data(), sealed.data(), size(text), nonce.data(),
                            size(nonce), sealed.data() + text.size(),
                            static_cast<word32>(tag_bytes), associated.data(), size(associated));
  }

  Bytes open_or_fail(const Bytes& nonce, const Bytes& associated, const Bytes& sealed) {
    Bytes text(sealed.size() - 16);
    EXPECT_EQ(open(nonce, associated, sealed, text), 0);
    return text;
  }

  Aes& aes() { return aes_; }

 private:
  static word32 size(const Bytes& bytes) { return static_cast<word32>(bytes.size()); }

  Aes aes_{};
};

const Bytes nonce = pattern(12, 7);
const Bytes associated = pattern(13, 8);

TEST(TlsDeviceGcm, agrees_with_the_published_vectors) {
  struct Vector {
    std::string_view key, nonce, associated, text, sealed;
  };
  constexpr std::string_view kText =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525"
      "b16aedf5aa0de657ba637b39";
  constexpr std::string_view kAssociated = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
  const Vector vectors[] = {
      {"00000000000000000000000000000000", "000000000000000000000000", "", "",
       "58e2fccefa7e3061367f1d57a4e7455a"},
      {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", kAssociated, kText,
       "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac8"
       "4aa05"
       "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
      {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
       "cafebabefacedbaddecaf888", kAssociated, kText,
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10568"
       "28838"
       "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
  };
  CipherContexts contexts;
  for (const Vector& vector : vectors) {
    WolfAes aes(from_hex(vector.key), tls_device_id());
    const CipherScope scope(contexts);
    EXPECT_EQ(aes.seal(from_hex(vector.nonce), from_hex(vector.associated), from_hex(vector.text)),
              from_hex(vector.sealed));
    EXPECT_EQ(aes.open_or_fail(from_hex(vector.nonce), from_hex(vector.associated),
                               from_hex(vector.sealed)),
              from_hex(vector.text));
  }
}

TEST(TlsDeviceGcm, agrees_with_wolfcrypt_at_every_size) {
  for (const size_t key_bytes : {16, 32}) {
    WolfAes software(pattern(key_bytes, 1), INVALID_DEVID);
    WolfAes device(pattern(key_bytes, 1), tls_device_id());
    CipherContexts contexts;
    const CipherScope scope(contexts);
    std::vector<size_t> sizes = {200, 255, 256, 1'400, 4'096, 16'383, 16'384, 16'640};
    for (size_t i = 0; i <= 130; ++i) {
      sizes.push_back(i);
    }
    for (const size_t size : sizes) {
      const Bytes text = pattern(size, static_cast<unsigned>(size));
      const Bytes sealed = software.seal(nonce, associated, text);
      EXPECT_EQ(device.seal(nonce, associated, text), sealed) << size;
      EXPECT_EQ(device.open_or_fail(nonce, associated, sealed), text) << size;
    }
  }
}

TEST(TlsDeviceGcm, seals_and_opens_in_place) {
  CipherContexts contexts;
  WolfAes aes(pattern(16, 1), tls_device_id());
  const CipherScope scope(contexts);
  const Bytes text = pattern(16'384, 3);
  const Bytes sealed = aes.seal(nonce, associated, text);
  Bytes buffer = text;
  Bytes tag(16);
  ASSERT_EQ(wc_AesGcmEncrypt(&aes.aes(), buffer.data(), buffer.data(), 16'384, nonce.data(), 12,
                             tag.data(), 16, associated.data(), 13),
            0);
  EXPECT_TRUE(std::equal(buffer.begin(), buffer.end(), sealed.begin()));
  EXPECT_TRUE(std::equal(tag.begin(), tag.end(), sealed.end() - 16));
  ASSERT_EQ(wc_AesGcmDecrypt(&aes.aes(), buffer.data(), buffer.data(), 16'384, nonce.data(), 12,
                             tag.data(), 16, associated.data(), 13),
            0);
  EXPECT_EQ(buffer, text);
}

TEST(TlsDeviceGcm, runs_in_a_scope_and_wolfcrypt_runs_outside_of_one) {
  const Bytes text = pattern(100, 3);
  const Bytes by_one = WolfAes(pattern(16, 1), INVALID_DEVID).seal(nonce, associated, text);
  const Bytes by_two = WolfAes(pattern(16, 2), INVALID_DEVID).seal(nonce, associated, text);
  CipherContexts contexts;
  WolfAes aes(pattern(16, 1), tls_device_id());
  aes.set_device_key_only(pattern(16, 2));
  EXPECT_EQ(aes.seal(nonce, associated, text), by_one);
  {
    const CipherScope scope(contexts);
    EXPECT_EQ(aes.seal(nonce, associated, text), by_two);
    EXPECT_EQ(aes.open_or_fail(nonce, associated, by_two), text);
    Bytes elsewhere;
    std::thread([&] { elsewhere = aes.seal(nonce, associated, text); }).join();
    EXPECT_EQ(elsewhere, by_one) << "another thread's scope is not this thread's";
  }
  EXPECT_EQ(aes.seal(nonce, associated, text), by_one);
}

TEST(TlsDeviceGcm, a_new_key_of_the_same_aes_is_used) {
  CipherContexts contexts;
  WolfAes device(pattern(16, 1), tls_device_id());
  WolfAes software(pattern(16, 1), INVALID_DEVID);
  const Bytes text = pattern(500, 3);
  const CipherScope scope(contexts);
  for (unsigned round = 0; round < 20; ++round) {
    const Bytes key = pattern(round % 3 == 0 ? 32 : 16, round);
    device.set_key(key);
    software.set_key(key);
    const Bytes sealed = software.seal(nonce, associated, text);
    EXPECT_EQ(device.seal(nonce, associated, text), sealed);
    EXPECT_EQ(device.open_or_fail(nonce, associated, sealed), text);
  }
}

TEST(TlsDeviceGcm, two_keys_of_one_direction_do_not_mix) {
  CipherContexts contexts;
  WolfAes one(pattern(16, 1), tls_device_id());
  WolfAes two(pattern(16, 2), tls_device_id());
  const Bytes text = pattern(64, 3);
  const CipherScope scope(contexts);
  const Bytes by_one = one.seal(nonce, associated, text);
  const Bytes by_two = two.seal(nonce, associated, text);
  EXPECT_NE(by_one, by_two);
  EXPECT_EQ(one.seal(nonce, associated, text), by_one);
  EXPECT_EQ(two.seal(nonce, associated, text), by_two);
}

TEST(TlsDeviceGcm, a_changed_byte_anywhere_is_an_authentication_error) {
  for (const bool in_scope : {true, false}) {
    CipherContexts contexts;
    WolfAes aes(pattern(32, 1), tls_device_id());
    std::optional<CipherScope> scope;
    if (in_scope) {
      scope.emplace(contexts);
    }
    const Bytes text = pattern(48, 3);
    const Bytes sealed = aes.seal(nonce, associated, text);
    Bytes opened(text.size());
    for (size_t i = 0; i < sealed.size(); ++i) {
      Bytes changed = sealed;
      changed[i] ^= 1;
      EXPECT_EQ(aes.open(nonce, associated, changed, opened), AES_GCM_AUTH_E) << i;
    }
    Bytes other = associated;
    other[0] ^= 0x80;
    EXPECT_EQ(aes.open(nonce, other, sealed, opened), AES_GCM_AUTH_E);
    ASSERT_EQ(aes.open(nonce, associated, sealed, opened), 0) << "a forgery spoils nothing";
    EXPECT_EQ(opened, text);
  }
}

TEST(TlsDeviceGcm, a_forged_text_is_not_left_behind) {
  CipherContexts contexts;
  WolfAes aes(pattern(16, 1), tls_device_id());
  const CipherScope scope(contexts);
  Bytes sealed = aes.seal(nonce, associated, pattern(48, 3));
  sealed.back() ^= 1;
  Bytes opened = pattern(48, 9);
  EXPECT_EQ(aes.open(nonce, associated, sealed, opened), AES_GCM_AUTH_E);
  EXPECT_EQ(opened, Bytes(48, 0));
}

TEST(TlsDeviceGcm, leaves_unusual_nonces_tags_and_keys_to_wolfcrypt) {
  CipherContexts contexts;
  const Bytes text = pattern(48, 3);
  const Bytes long_nonce = pattern(16, 4);
  WolfAes software(pattern(16, 1), INVALID_DEVID);
  WolfAes device(pattern(16, 1), tls_device_id());
  WolfAes software24(pattern(24, 1), INVALID_DEVID);
  WolfAes device24(pattern(24, 1), tls_device_id());
  const CipherScope scope(contexts);
  EXPECT_EQ(device.seal(long_nonce, associated, text), software.seal(long_nonce, associated, text));
  EXPECT_EQ(device.seal(nonce, associated, text, 12), software.seal(nonce, associated, text, 12));
  EXPECT_EQ(device24.seal(nonce, associated, text), software24.seal(nonce, associated, text));
}

TEST(TlsDeviceGcm, allocates_nothing_for_a_record_and_frees_all_with_the_session) {
  ASSERT_TRUE(libcrypto_is_counted());
  WolfAes aes(pattern(16, 1), tls_device_id());
  const Bytes text = pattern(1'000, 3);
  const auto both_ways = [&](CipherContexts& contexts) {
    const CipherScope scope(contexts);
    return aes.open_or_fail(nonce, associated, aes.seal(nonce, associated, text));
  };
  {
    CipherContexts warm;
    EXPECT_EQ(both_ways(warm), text);
  }
  const int64_t blocks = libcrypto_blocks();
  for (int session = 0; session < 100; ++session) {
    CipherContexts contexts;
    EXPECT_EQ(both_ways(contexts), text);
    EXPECT_GT(libcrypto_blocks(), blocks) << "the test sees what a session holds";
    const int64_t allocations = libcrypto_allocations();
    for (int record = 0; record < 10; ++record) {
      EXPECT_EQ(both_ways(contexts), text);
    }
    EXPECT_EQ(libcrypto_allocations(), allocations);
  }
  EXPECT_EQ(libcrypto_blocks(), blocks);
}

}  // namespace
}  // namespace sluice::crypto
