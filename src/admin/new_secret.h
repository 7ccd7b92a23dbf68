// The secrets of keys: made here, shown once, kept as their SHA-256.
#pragma once

#include <string>
#include <string_view>

#include <sluice/crypto/digest.h>
#include <sluice/crypto/secret.h>

namespace sluice::admin {

struct NewSecret {
  crypto::Secret text;  // "sk-" and 32 random bytes in base64url (RFC 4648, 5).
  crypto::Digest digest{};
  std::string prefix;  // For people to know it by.
};

[[nodiscard]] NewSecret make_secret();

// The first characters of a secret behind its "sk-".
[[nodiscard]] std::string prefix_of(std::string_view secret);

}  // namespace sluice::admin
