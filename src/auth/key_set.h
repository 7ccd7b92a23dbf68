// A set of public keys as issuers publish it (RFC 7517, "JWKS").
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/crypto/jwt_key.h>

namespace sluice::auth {

class KeySet {
 public:
  static constexpr size_t kKeysMost = 64;
  static constexpr size_t kBytesMax = size_t{256} << 10;

  // Keys that verify no token here are passed over: of encryption, of other kinds, weak ones. The
  // error is what is wrong with the whole, or that none is left; static storage.
  [[nodiscard]] static std::expected<KeySet, std::string_view> parse(std::string_view text);

  // Whether there is a key that a token of this key id must be signed with. A token that names none
  // needs the set to have exactly one of its algorithm.
  [[nodiscard]] bool knows(std::string_view key_id, crypto::JwtAlgorithm algorithm) const noexcept;
  // Whether one of these keys, a few at the most, has signed `text`.
  [[nodiscard]] bool has_signed(std::string_view key_id, crypto::JwtAlgorithm algorithm,
                                std::string_view text, std::string_view signature) const;
  [[nodiscard]] size_t size() const noexcept { return keys_.size(); }

 private:
  struct Entry {
    std::string id;
    crypto::JwtKey key;
  };
  std::vector<Entry> keys_;
};

}  // namespace sluice::auth
