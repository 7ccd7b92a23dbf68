// Public keys of JSON Web Keys (RFC 7517), and signatures of JSON Web Tokens made with them.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace sluice::crypto {

// The algorithms there are; all are asymmetric, so that a key that is public signs nothing.
enum class JwtAlgorithm : uint8_t { kRs256, kEs256, kEdDsa };

// "RS256", "ES256" and "EdDSA"; nothing for all else, "none" and "HS256" among it.
[[nodiscard]] std::optional<JwtAlgorithm> jwt_algorithm_of(std::string_view name) noexcept;

// Members of a JSON Web Key; "" where it has none.
struct JwkMembers {
  std::string_view kty;
  std::string_view crv;
  std::string_view n;
  std::string_view e;
  std::string_view x;
  std::string_view y;
};

// One key for one algorithm: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
class JwtKey {
 public:
  // Of an RSA modulus.
  static constexpr int kRsaBitsMin = 2048;
  static constexpr int kRsaBitsMax = 8192;

  // The error is what is wrong with it, as the end of a sentence; static storage.
  [[nodiscard]] static std::expected<JwtKey, std::string_view> make(const JwkMembers& members);

  JwtKey(JwtKey&&) noexcept;
  JwtKey& operator=(JwtKey&&) noexcept;
  ~JwtKey();

  [[nodiscard]] JwtAlgorithm algorithm() const noexcept { return algorithm_; }
  // Whether `signature` (raw bytes, as a token has them: of ES256 both numbers of 32 bytes) is this
  // key's of `text`. Costs up to some hundred microseconds.
  [[nodiscard]] bool has_signed(std::string_view text, std::string_view signature) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  using Key = std::unique_ptr<evp_pkey_st, Free>;

  JwtKey(Key key, JwtAlgorithm algorithm) noexcept;

  Key key_;
  JwtAlgorithm algorithm_;
};

// RFC 4648 section 5 without padding, and strictly: nothing for any other byte, an impossible
// length, or bits left over that are not zero, so that each value has one text.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace sluice::crypto
