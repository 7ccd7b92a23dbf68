#include <sluice/route/affinity_key.h>

#include <cstring>

#include <sluice/base/product.h>

namespace sluice::route {
namespace {

constexpr uint64_t kMultiplier = 0xd1342543de82ef95;

uint64_t fold(uint64_t hash, uint64_t word) noexcept {
  const Product product = multiply(hash ^ word ^ 0x2545f4914f6cdd1d, kMultiplier);
  return product.low ^ product.high;
}

}  // namespace

uint64_t stable_hash(std::string_view text) noexcept {
  uint64_t hash = fold(kMultiplier, text.size());
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t taken = text.size() < sizeof(word) ? text.size() : sizeof(word);
    std::memcpy(&word, text.data(), taken);
    hash = fold(hash, word);
    text.remove_prefix(taken);
  }
  return hash == 0 ? 1 : hash;
}

uint64_t affinity_key(std::string_view header, std::string_view prompt_cache_key,
                      std::string_view user, std::string_view prompt_beginning) noexcept {
  for (const std::string_view text : {header, prompt_cache_key, user, prompt_beginning}) {
    if (!text.empty()) return stable_hash(text);
  }
  return 0;
}

}  // namespace sluice::route
