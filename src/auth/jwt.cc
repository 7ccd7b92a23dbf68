#include "jwt.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "field_values.h"

namespace sluice::auth {
namespace {

using json::Value;

constexpr int kClaimDepthMax = 8;
constexpr size_t kAudiencesMost = 64;  // Of one token.
constexpr size_t kSubjectBytesMax = 1024;

std::string_view text_of(const Value* value) noexcept {
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string_view() : *text;
}

std::optional<Value> read_object(std::string_view segment) {
  const auto bytes = crypto::decode_base64url(segment);
  if (!bytes) return std::nullopt;
  auto value = json::parse_value(*bytes, {.bytes_max = kTokenBytesMax});
  if (!value || value->as_object() == nullptr) return std::nullopt;
  return *std::move(value);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Those of access tokens and ID tokens; a token that was made for something else is none for us.
bool is_usable_type(const Value& type) noexcept {
  static constexpr std::array<std::string_view, 4> kTypes = {"JWT", "application/jwt", "at+jwt",
                                                             "application/at+jwt"};
  const std::string* text = type.as_string();
  return text != nullptr && std::ranges::any_of(kTypes, [&](std::string_view known) {
           return equals_ignoring_case(known, *text);
         });
}

// A NumericDate; may have a fraction.
std::optional<WallTime> time_of(const Value& value) noexcept {
  double seconds_since = 0;
  if (!value.as_number(seconds_since) || !std::isfinite(seconds_since)) return std::nullopt;
  if (seconds_since < 0 || seconds_since > kUnixSecondsMost) return std::nullopt;
  return WallTime{static_cast<int64_t>(seconds_since * kMicrosOfSecond)};
}

bool is_one_of(const std::vector<std::string>& names, const Value& value) noexcept {
  const std::string* text = value.as_string();
  return text != nullptr && std::ranges::find(names, *text) != names.end();
}

bool has_audience(const Value* audience, const std::vector<std::string>& ours) noexcept {
  if (audience == nullptr) return false;
  if (is_one_of(ours, *audience)) return true;
  const json::Array* list = audience->as_array();
  return list != nullptr && list->size() <= kAudiencesMost &&
         std::ranges::any_of(*list, [&](const Value& one) { return is_one_of(ours, one); });
}

const Value* find_at(const Value& object, std::string_view path, int depth) {
  if (const Value* whole = object.find(path)) return whole;
  if (depth == kClaimDepthMax) return nullptr;
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const Value* inner = object.find(path.substr(0, dot));
    if (inner == nullptr || inner->as_object() == nullptr) continue;
    if (const Value* found = find_at(*inner, path.substr(dot + 1), depth + 1)) return found;
  }
  return nullptr;
}

WallTime plus(WallTime time, Duration more) noexcept {
  return {time.unix_us + more / microseconds(1)};
}

}  // namespace

std::string_view Jwt::issuer() const noexcept { return text_of(claims.find("iss")); }
std::string_view Jwt::key_id() const noexcept { return text_of(header.find("kid")); }

std::optional<Jwt> parse_jwt(std::string_view token) {
  if (token.size() > kTokenBytesMax) return std::nullopt;
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  auto header = read_object(token.substr(0, first));
  if (!header) return std::nullopt;
  auto claims = read_object(token.substr(first + 1, second - first - 1));
  // A further dot, of an encrypted token, is no digit of the signature.
  auto signature = crypto::decode_base64url(token.substr(second + 1));
  if (!claims || !signature) return std::nullopt;
  return Jwt{.signed_text = token.substr(0, second),
             .signature = *std::move(signature),
             .header = *std::move(header),
             .claims = *std::move(claims)};
}

std::expected<crypto::JwtAlgorithm, std::string_view> check_jwt_header(
    const Jwt& jwt, const config::SourceSettings& settings) {
  const std::string_view name = text_of(jwt.header.find("alg"));
  const auto algorithm = crypto::jwt_algorithm_of(name);
  if (!algorithm || std::ranges::find(settings.algorithms, name) == settings.algorithms.end()) {
    return std::unexpected("its algorithm is not allowed");
  }
  if (jwt.header.find("crit") != nullptr) {
    return std::unexpected("its header demands what is not understood");
  }
  if (const Value* type = jwt.header.find("typ"); type != nullptr && !is_usable_type(*type)) {
    return std::unexpected("its type is not that of an access or ID token");
  }
  if (const Value* kid = jwt.header.find("kid"); kid != nullptr && text_of(kid).empty()) {
    return std::unexpected("its key id is no text");
  }
  return *algorithm;
}

std::expected<WallTime, std::string_view> check_jwt_claims(const Jwt& jwt,
                                                           const config::SourceSettings& settings,
                                                           WallTime now) {
  if (jwt.issuer() != settings.issuer) return std::unexpected("it is of another issuer");
  if (!has_audience(jwt.claims.find("aud"), settings.audiences)) {
    return std::unexpected("it is for another audience");
  }
  const std::string_view subject = text_of(jwt.claims.find("sub"));
  if (subject.empty() || subject.size() > kSubjectBytesMax) {
    return std::unexpected("it has no usable subject");
  }
  const Value* expires = jwt.claims.find("exp");
  const auto end = expires == nullptr ? std::nullopt : time_of(*expires);
  if (!end) return std::unexpected("it has no usable exp");
  const WallTime end_with_leeway = plus(*end, settings.leeway);
  if (now >= end_with_leeway) return std::unexpected("it has expired");
  if (const Value* begins = jwt.claims.find("nbf")) {
    const auto begin = time_of(*begins);
    if (!begin) return std::unexpected("it has no usable nbf");
    if (*begin > plus(now, settings.leeway)) return std::unexpected("it is not good yet");
  }
  if (const Value* issued = jwt.claims.find("iat")) {
    const auto made = time_of(*issued);
    if (!made) return std::unexpected("it has no usable iat");
    if (*made > plus(now, settings.leeway)) {
      return std::unexpected("it was issued in the future");
    }
  }
  return end_with_leeway;
}

const Value* find_claim(const Value& claims, std::string_view path) {
  return find_at(claims, path, 0);
}

}  // namespace sluice::auth
