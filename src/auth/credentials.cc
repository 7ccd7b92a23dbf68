#include <sluice/auth/credentials.h>

#include <algorithm>

namespace sluice::auth {
namespace {

constexpr std::string_view kScheme = "bearer";

Unexpected refuse(std::string_view detail) noexcept {
  return fail(ErrorCode::kInvalidApiKey, Side::kDownstream, detail);
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return std::ranges::equal(text, lower, [](char left, char right) {
    return (left >= 'A' && left <= 'Z' ? left - 'A' + 'a' : left) == right;
  });
}

bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }

Result<std::string_view> check_secret(std::string_view secret) noexcept {
  if (secret.empty()) return refuse("empty key");
  if (secret.size() > kSecretBytesMax) return refuse("key too long");
  if (!std::ranges::all_of(secret, is_visible)) return refuse("malformed key");
  return secret;
}

Result<std::string_view> extract_bearer(std::string_view header) noexcept {
  const size_t scheme_end = header.find(' ');
  if (!equals_ignoring_case(header.substr(0, scheme_end), kScheme)) {
    return refuse("authorization scheme is not bearer");
  }
  if (scheme_end == std::string_view::npos) return refuse("empty key");
  const size_t token_begin = header.find_first_not_of(' ', scheme_end);
  if (token_begin == std::string_view::npos) return refuse("empty key");
  return check_secret(header.substr(token_begin));
}

}  // namespace

Result<std::string_view> extract_secret(const Credentials& credentials) noexcept {
  if (!credentials.authorization.empty()) return extract_bearer(credentials.authorization);
  if (!credentials.x_api_key.empty()) return check_secret(credentials.x_api_key);
  if (!credentials.api_key.empty()) return check_secret(credentials.api_key);
  return refuse("no key");
}

}  // namespace sluice::auth
