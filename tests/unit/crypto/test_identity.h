// Certificates and keys for tests, made anew by libcrypto in each run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::crypto {

enum class TestKey : uint8_t { kRsa2048, kRsa2049, kP256, kP384, kP521, kEd25519, kSecp256k1 };

struct TestIdentity {
  std::string certificate_pem;  // Signed by itself, for "localhost", good for a month.
  std::string key_pem;
};

[[nodiscard]] TestIdentity make_test_identity(TestKey key);

// The key of `identity`, encrypted with a passphrase.
[[nodiscard]] std::string encrypt_test_key(const TestIdentity& identity);

// Whether `signature` over `digest` is good for the certificate: ECDSA, or RSA with that padding.
[[nodiscard]] bool verify_test_signature(const TestIdentity& identity, std::string_view digest,
                                         std::string_view signature, bool pss = false);
[[nodiscard]] bool verify_test_message(const TestIdentity& identity, std::string_view message,
                                       std::string_view signature);

}  // namespace sluice::crypto
