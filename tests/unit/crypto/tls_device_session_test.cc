// Whole sessions of wolfSSL over the device, and of one side's signature outside of wolfSSL.
#include <sluice/crypto/tls_device.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "libcrypto_memory.h"
#include "tls_pair.h"

namespace sluice::crypto {
namespace {

std::string text_of(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

const TestIdentity& identity_of(TestKey key) {
  static const TestIdentity rsa = make_test_identity(TestKey::kRsa2048);
  static const TestIdentity p256 = make_test_identity(TestKey::kP256);
  static const TestIdentity p384 = make_test_identity(TestKey::kP384);
  static const TestIdentity ed25519 = make_test_identity(TestKey::kEd25519);
  switch (key) {
    case TestKey::kRsa2048: return rsa;
    case TestKey::kP384: return p384;
    case TestKey::kEd25519: return ed25519;
    default: return p256;
  }
}

void exchange_both_ways(TlsPair& pair) {
  for (const size_t size : {1, 200, 1'400, 16'384, 100'000}) {
    const std::string text = text_of(size);
    ASSERT_EQ(pair.send(true, text), text);
    ASSERT_EQ(pair.send(false, text), text);
  }
}

// Version, key, signed outside of wolfSSL.
class TlsSession : public testing::TestWithParam<std::tuple<int, TestKey, bool>> {
 protected:
  TlsPairOptions options() const {
    return {.version = std::get<0>(GetParam()), .outside = std::get<2>(GetParam())};
  }
  const TestIdentity& identity() const { return identity_of(std::get<1>(GetParam())); }
};

TEST_P(TlsSession, carries_data_both_ways) {
  const TlsPairSettings settings(identity(), options());
  TlsPair pair(settings);
  pair.handshake();
  exchange_both_ways(pair);
}

TEST_P(TlsSession, carries_data_without_the_device_too) {
  TlsPairOptions without = options();
  without.device = false;
  const TlsPairSettings settings(identity(), without);
  TlsPair pair(settings);
  pair.handshake();
  exchange_both_ways(pair);
}

INSTANTIATE_TEST_SUITE_P(VersionsAndKeys, TlsSession,
                         testing::Combine(testing::Values(12, 13),
                                          testing::Values(TestKey::kRsa2048, TestKey::kP256,
                                                          TestKey::kP384, TestKey::kEd25519),
                                          testing::Bool()));

TEST(TlsDeviceSession, agrees_over_every_group) {
  const struct {
    int group;
    const char* name;
  } groups[] = {{29, "X25519"}, {23, "SECP256R1"}, {24, "SECP384R1"}, {25, "SECP521R1"}};
  for (const int version : {12, 13}) {
    for (const auto& [group, name] : groups) {
      const TlsPairSettings settings(identity_of(TestKey::kP256),
                                     {.version = version, .group = group});
      TlsPair pair(settings);
      pair.handshake();
      EXPECT_EQ(pair.group(), name);
      exchange_both_ways(pair);
    }
  }
}

TEST(TlsDeviceSession, carries_every_cipher) {
  for (const char* cipher : {"TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384",
                             "TLS13-CHACHA20-POLY1305-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
                             "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    const int version = std::string_view(cipher).starts_with("TLS13") ? 13 : 12;
    const TlsPairSettings settings(identity_of(TestKey::kP256),
                                   {.version = version, .ciphers = cipher});
    TlsPair pair(settings);
    pair.handshake();
    exchange_both_ways(pair);
  }
}

TEST(TlsDeviceSession, goes_on_after_key_updates) {
  const TlsPairSettings settings(identity_of(TestKey::kP256), {});
  TlsPair pair(settings);
  pair.handshake();
  for (int round = 0; round < 5; ++round) {
    pair.update_keys(round % 2 == 0);
    exchange_both_ways(pair);
  }
}

TEST(TlsDeviceSession, resumes) {
  for (const int version : {12, 13}) {
    const TlsPairSettings settings(identity_of(TestKey::kP256), {.version = version});
    TlsPair first(settings);
    first.handshake();
    exchange_both_ways(first);  // A ticket of TLS 1.3 comes after the handshake.
    const std::unique_ptr<WOLFSSL_SESSION, decltype(&TlsPair::free_session)> session(
        first.session(), TlsPair::free_session);
    EXPECT_FALSE(first.is_resumed());
    TlsPair second(settings, session.get());
    second.handshake();
    EXPECT_TRUE(second.is_resumed());
    exchange_both_ways(second);
  }
}

// What wolfSSL says of a changed record is the same with and without the device.
TEST(TlsDeviceSession, a_changed_record_ends_it) {
  for (const int version : {12, 13}) {
    int errors[2];
    for (const bool device : {false, true}) {
      const TlsPairSettings settings(identity_of(TestKey::kP256),
                                     {.version = version, .device = device});
      TlsPair pair(settings);
      pair.handshake();
      exchange_both_ways(pair);
      pair.write(true, text_of(300));
      pair.to_server()[100] = static_cast<char>(pair.to_server()[100] ^ 1);
      std::string out(17'000, '\0');
      const int answer = pair.read(false, out.data(), static_cast<int>(out.size()));
      EXPECT_LE(answer, 0);
      errors[device] = pair.error(false, answer);
    }
    EXPECT_EQ(errors[true], errors[false]);
    EXPECT_LT(errors[true], -100) << "no plain wish for more";
  }
}

TEST(TlsDeviceSession, leaves_nothing_of_a_hundred_connections_behind) {
  ASSERT_TRUE(libcrypto_is_counted());
  for (const int version : {12, 13}) {
    for (const TestKey key : {TestKey::kP256, TestKey::kRsa2048}) {
      const TlsPairSettings settings(identity_of(key), {.version = version});
      const auto connect = [&settings] {
        TlsPair pair(settings);
        pair.handshake();
        pair.send(true, text_of(200));
        pair.send(false, text_of(200));
      };
      connect();
      const int64_t blocks = libcrypto_blocks();
      for (int i = 0; i < 100; ++i) connect();
      EXPECT_EQ(libcrypto_blocks(), blocks);
    }
  }
}

TEST(TlsDeviceSession, threads_share_the_device_and_one_key) {
  const TlsPairSettings settings(identity_of(TestKey::kP256), {});
  std::atomic<int> passed = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) {
          TlsPair pair(settings);
          pair.handshake();
          const std::string text = text_of(5'000);
          passed += pair.send(true, text) == text && pair.send(false, text) == text ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(passed, 40);
}

TEST(TlsDeviceSession, a_record_allocates_nothing_in_libcrypto) {
  ASSERT_TRUE(libcrypto_is_counted());
  const TlsPairSettings settings(identity_of(TestKey::kP256), {});
  TlsPair pair(settings);
  pair.handshake();
  exchange_both_ways(pair);
  const int64_t allocations = libcrypto_allocations();
  exchange_both_ways(pair);
  EXPECT_EQ(libcrypto_allocations(), allocations);
}

}  // namespace
}  // namespace sluice::crypto
