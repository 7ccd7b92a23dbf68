// Keys and JSON Web Tokens made for a test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace sluice::support {

enum class TokenKeyKind : uint8_t { kRsa2048, kRsa1024, kP256, kP384, kEd25519 };

[[nodiscard]] std::string encode_base64url(std::string_view bytes);

class TokenKey {
 public:
  explicit TokenKey(TokenKeyKind kind);
  ~TokenKey();
  TokenKey(const TokenKey&) = delete;
  TokenKey& operator=(const TokenKey&) = delete;

  // Parameters of its JSON Web Key: "n" and "e" of RSA, "x" and "y" of a curve, in base64url.
  [[nodiscard]] std::string parameter(std::string_view name) const;
  // The whole key as JSON; `more` is put in as it is: R"(,"use":"sig")".
  [[nodiscard]] std::string jwk(std::string_view kid, std::string_view more = "") const;
  // As a token has it: raw bytes, with SHA-256 but of Ed25519.
  [[nodiscard]] std::string sign(std::string_view text) const;
  // All three parts; both arguments are JSON.
  [[nodiscard]] std::string token(std::string_view header, std::string_view claims) const;

 private:
  TokenKeyKind kind_;
  evp_pkey_st* key_;
};

}  // namespace sluice::support
