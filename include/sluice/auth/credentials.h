// The client's secret as the request carries it.
#pragma once

#include <cstddef>
#include <string_view>

#include <sluice/base/result.h>

namespace sluice::auth {

// Longer secrets are refused before they are hashed.
inline constexpr size_t kSecretBytesMax = 8192;  // A token may say much of its owner.

// The three headers that may carry a key; empty where the request has none. The views must live
// until the call returns.
struct Credentials {
  std::string_view authorization;
  std::string_view x_api_key;
  std::string_view api_key;
};

// The secret, as a view into `credentials`; otherwise kInvalidApiKey.
//
// The first header present decides, in the order of the fields: a request whose Authorization is
// unusable is refused even when another header holds a key, because which of two keys was meant
// must not be a guess. The scheme is Bearer, in any case, with exactly one token.
[[nodiscard]] Result<std::string_view> extract_secret(const Credentials& credentials) noexcept;

}  // namespace sluice::auth
