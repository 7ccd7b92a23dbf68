#include "new_secret.h"

#include <algorithm>
#include <array>
#include <span>

#include <sluice/crypto/random.h>

namespace sluice::admin {
namespace {

constexpr std::string_view kFront = "sk-";
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kBytes = 32;
constexpr size_t kLettersNeeded = (kBytes * 8 + 5) / 6;
constexpr size_t kPrefixLetters = 8;

}  // namespace

NewSecret make_secret() {
  std::array<std::byte, kBytes> bytes;
  crypto::fill_random(bytes);
  std::array<char, kFront.size() + kLettersNeeded> text;
  char* out = std::copy(kFront.begin(), kFront.end(), text.begin());
  for (size_t i = 0; i < kLettersNeeded; ++i) {
    unsigned letter = 0;
    for (size_t bit = 6 * i; bit < 6 * i + 6; ++bit) {
      const bool is_set =
          bit < 8 * kBytes && (std::to_integer<unsigned>(bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0;
      letter = letter << 1 | (is_set ? 1 : 0);
    }
    *out++ = kLetters[letter];
  }
  const std::string_view secret(text.data(), text.size());
  NewSecret made{.text = crypto::Secret(secret),
                 .digest = crypto::sha256(secret),
                 .prefix = prefix_of(secret)};
  crypto::wipe(text.data(), text.size());
  crypto::wipe(reinterpret_cast<char*>(bytes.data()), bytes.size());
  return made;
}

std::string prefix_of(std::string_view secret) {
  if (secret.starts_with(kFront)) secret.remove_prefix(kFront.size());
  // Of a short one that was given not so much that the rest could be guessed.
  return std::string(secret.substr(0, std::min(kPrefixLetters, secret.size() / 4)));
}

}  // namespace sluice::admin
