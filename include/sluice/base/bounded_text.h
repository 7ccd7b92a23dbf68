// A short text by value, for records that outlive what owns their names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace sluice {

// A copy of at most `kMax` bytes of a text. Names are copied rather than referred to, because the
// snapshot that owns them may be gone before the record is written.
template <size_t kMax>
class BoundedText {
  static_assert(kMax <= UINT16_MAX);
  using Length = std::conditional_t<kMax <= UINT8_MAX, uint8_t, uint16_t>;

 public:
  static constexpr size_t kBytesMax = kMax;

  // Cuts what is too long. A cut UTF-8 character is mended when the record is printed.
  void assign(std::string_view text) noexcept {
    length_ = static_cast<Length>(std::min(text.size(), kMax));
    std::copy_n(text.data(), length_, text_.data());
  }
  BoundedText& operator=(std::string_view text) noexcept {
    assign(text);
    return *this;
  }
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), length_}; }
  [[nodiscard]] bool empty() const noexcept { return length_ == 0; }

 private:
  Length length_ = 0;
  std::array<char, kMax> text_;  // Only the first `length_` bytes mean anything.
};

}  // namespace sluice
