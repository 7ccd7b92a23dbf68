// What certificates say, those of files and those of peers, and what is wrong with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/crypto/digest.h>

namespace sluice::crypto {

// What is wrong with a file; its name is the caller's. Never repeats a byte of a key.
struct Finding {
  bool is_error = false;  // Otherwise it works, but not for everyone or not for long.
  std::string cause;
  std::string remedy;
};

enum class KeyKind : uint8_t { kRsa, kEc, kEdwards, kOther };

struct CertificateFacts {
  std::string subject;                 // Of the leaf, as RFC 2253 text; so is all below.
  std::vector<std::string> dns_names;  // Lower case, "*.example.org" included.
  std::vector<std::string> addresses;  // Numeric.
  WallTime not_before;
  WallTime not_after;  // The last second of its life.
  KeyKind key_kind = KeyKind::kOther;
  uint32_t key_bits = 0;
  Digest spki_digest{};     // SHA-256 of the subject public key, what pins are made of.
  size_t chain_length = 0;  // The leaf included.
};

enum class CertificateUse : uint8_t { kServer, kClient };

struct ChainReading {
  std::optional<CertificateFacts> facts;  // None when there is no leaf.
  std::string pem;                        // The certificates without what else the file holds.
  std::vector<Finding> findings;
};

// A certificate this near its end is warned of.
inline constexpr int64_t kExpiryWarningDays = 14;

// Whole days until `not_after`, rounded down; negative once it has passed.
[[nodiscard]] int64_t days_left(WallTime not_after, WallTime now) noexcept;

// "2030-01-31".
[[nodiscard]] std::string date_text(WallTime time);

// A PEM file of a leaf and its intermediates, in that order.
[[nodiscard]] ChainReading read_chain(std::string_view pem, CertificateUse use, WallTime now);

// The private key of the leaf of `chain_pem`; whether they match is skipped without a leaf.
// `chain_file` is for the cause.
[[nodiscard]] std::vector<Finding> check_key(std::string_view key_pem, std::string_view chain_pem,
                                             std::string_view chain_file);

// A PEM file of authorities whose certificates are trusted.
[[nodiscard]] std::vector<Finding> check_authorities(std::string_view pem, WallTime now);

struct OcspReading {
  bool may_be_stapled = false;  // False for one that is out of date, too, which is no error.
  std::vector<Finding> findings;
};

// An OCSP response in DER for the leaf of `chain_pem`, which has one. Its signature is left to
// those it is stapled for.
[[nodiscard]] OcspReading read_ocsp(std::string_view der, std::string_view chain_pem, WallTime now);

// --- One certificate in DER, as a peer sent it ---

// Whether a subjectAltName is `host`, a DNS name or a numeric address without brackets. Wildcards
// count for one whole label; the common name never counts. False when it cannot be read.
[[nodiscard]] bool certificate_is_for(std::span<const uint8_t> der, std::string_view host);

// SHA-256 of the subject public key. Zeros, which are no pin, when it cannot be read.
[[nodiscard]] Digest spki_digest(std::span<const uint8_t> der);

// RFC 2253 text, as `openssl x509 -subject -nameopt RFC2253` prints it. "" when it cannot be read.
[[nodiscard]] std::string subject_of(std::span<const uint8_t> der);

}  // namespace sluice::crypto
