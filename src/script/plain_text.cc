#include "plain_text.h"

#include <algorithm>

namespace sluice::script {

std::string plain_text(std::string_view text, size_t bytes_max) {
  size_t size = text.size();
  if (size > bytes_max) {
    constexpr size_t kContinuationMax = 3;
    size = bytes_max;
    for (size_t i = 0; i < kContinuationMax && size > 0; ++i) {
      if ((static_cast<unsigned char>(text[size]) & 0xc0u) != 0x80u) break;
      --size;
    }
  }
  std::string plain(text.substr(0, size));
  std::ranges::replace_if(
      plain, [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; },
      '?');
  return plain;
}

}  // namespace sluice::script
