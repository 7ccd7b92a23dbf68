#include "question_text.h"

#include <algorithm>

namespace sluice::auth {

std::string hex_of(const crypto::Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string fill_pattern(std::string_view pattern, const KeyQuestion& question) {
  constexpr std::string_view kPlain = "{api_key}";
  constexpr std::string_view kDigest = "{sha256}";
  std::string text;
  while (!pattern.empty()) {
    if (pattern.starts_with(kPlain)) {
      if (question.secret.empty()) return "";
      text += question.secret;
      pattern.remove_prefix(kPlain.size());
    } else if (pattern.starts_with(kDigest)) {
      text += hex_of(question.digest);
      pattern.remove_prefix(kDigest.size());
    } else {
      const size_t end = std::min(pattern.find('{', 1), pattern.size());
      text += pattern.substr(0, end);
      pattern.remove_prefix(end);
    }
  }
  return text;
}

KeyAnswer failed(std::string reason) {
  KeyAnswer answer;
  answer.reason = std::move(reason);
  return answer;
}

}  // namespace sluice::auth
