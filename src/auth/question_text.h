// Parts of what sources are asked and say that all of them share.
#pragma once

#include <string>
#include <string_view>

#include <sluice/auth/key_source.h>

namespace sluice::auth {

// Answers hold at least so long, whatever a source says: a request must be able to use what it has
// waited for.
inline constexpr Duration kTtlMin = seconds(1);

// 64 lower-case digits.
[[nodiscard]] std::string hex_of(const crypto::Digest& digest);

// `pattern` with `{api_key}` and `{sha256}` replaced; "" when it wants a secret that is not there.
[[nodiscard]] std::string fill_pattern(std::string_view pattern, const KeyQuestion& question);

[[nodiscard]] KeyAnswer failed(std::string reason);

}  // namespace sluice::auth
