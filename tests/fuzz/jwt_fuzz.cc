// A token has one text only; what is accepted names our issuer and audience and has not ended; and
// nothing that was not signed with a key is taken for it.
#include <algorithm>
#include <string>
#include <string_view>

#include <sluice/crypto/jwt_key.h>

#include "fuzz_pieces.h"
#include "jwt.h"  // tidy: allow(private-header) a source is asked with a ring, a token only judged
#include "key_set.h"  // tidy: allow(private-header) an issuer has no other way in for bytes

namespace {

using namespace sluice;
using fuzz::expect;

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr WallTime kNow{1'800'000'000'000'000};

std::string encode(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(bytes.size() - i, 3);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k <= count; ++k) text += kDigits[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

config::SourceSettings settings_of() {
  config::SourceSettings settings;
  settings.issuer = "https://i.example";
  settings.audiences = {"a"};
  return settings;
}

// Of RFC 8037, appendix A.2; its private half is none of ours, and the fuzzer's even less.
const auth::KeySet& known_keys() {
  static const auth::KeySet keys =
      *auth::KeySet::parse(R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k",)"
                           R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIuhZZ-_Zs"}]})");
  return keys;
}

void check_token(std::string_view token) {
  const auto jwt = auth::parse_jwt(token);
  if (!jwt) return;
  expect(token.size() <= auth::kTokenBytesMax, "it is bounded");
  expect(std::string(jwt->signed_text) + "." + encode(jwt->signature) == token, "it has one text");
  static const config::SourceSettings settings = settings_of();
  const auto algorithm = auth::check_jwt_header(*jwt, settings);
  if (const auto end = auth::check_jwt_claims(*jwt, settings, kNow)) {
    expect(*end > kNow, "it has not ended");
    expect(jwt->issuer() == settings.issuer, "it is of the issuer");
    expect(jwt->claims.find("aud") != nullptr && jwt->claims.find("sub") != nullptr,
           "it has audience and subject");
  }
  if (algorithm) {
    expect(!known_keys().has_signed(jwt->key_id(), *algorithm, jwt->signed_text, jwt->signature),
           "nobody signed it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_token(text);
  // Lines as header, claims and signature, so that the fuzzer sees through the encoding.
  const size_t first = std::min(text.find('\n'), size);
  const std::string_view rest = text.substr(std::min(first + 1, size));
  const size_t second = std::min(rest.find('\n'), rest.size());
  check_token(encode(text.substr(0, first)) + "." + encode(rest.substr(0, second)) + "." +
              encode(rest.substr(std::min(second + 1, rest.size()))));
  if (const auto decoded = crypto::decode_base64url(text)) {
    expect(encode(*decoded) == text, "bytes have one text");
  }
  if (const auto keys = auth::KeySet::parse(text)) {
    expect(keys->size() > 0 && keys->size() <= auth::KeySet::kKeysMost, "a set has keys");
    for (const auto algorithm : {crypto::JwtAlgorithm::kRs256, crypto::JwtAlgorithm::kEs256}) {
      expect(!keys->has_signed("", algorithm, "t", ""), "nothing is no signature");
    }
  }
  return 0;
}
