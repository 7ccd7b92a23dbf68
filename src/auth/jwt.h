// JSON Web Tokens (RFC 7519) in their compact form, and what must hold of one besides its
// signature.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/base/clock.h>
#include <sluice/config/auth.h>
#include <sluice/crypto/jwt_key.h>
#include <sluice/json/value.h>

namespace sluice::auth {

inline constexpr size_t kTokenBytesMax = 16 * 1024;

// A token taken apart; nothing of it is verified.
struct Jwt {
  std::string_view signed_text;  // Borrowed from the token.
  std::string signature;
  json::Value header;  // Both are objects.
  json::Value claims;

  // "" when it has none that is a text.
  [[nodiscard]] std::string_view issuer() const noexcept;
  [[nodiscard]] std::string_view key_id() const noexcept;
};

// Nothing when it is no such token, as any other key of a client is.
[[nodiscard]] std::optional<Jwt> parse_jwt(std::string_view token);

// The algorithm that its header names, of those in `settings`. The error is why the header may not
// be accepted; static storage.
[[nodiscard]] std::expected<crypto::JwtAlgorithm, std::string_view> check_jwt_header(
    const Jwt& jwt, const config::SourceSettings& settings);

// When it ends, leeway included. The error is why it is not accepted at `now`; static storage.
[[nodiscard]] std::expected<WallTime, std::string_view> check_jwt_claims(
    const Jwt& jwt, const config::SourceSettings& settings, WallTime now);

// The claim at `path`: its whole name, else objects along its dots. Null when there is none.
[[nodiscard]] const json::Value* find_claim(const json::Value& claims, std::string_view path);

}  // namespace sluice::auth
