// A short text by value, for records that outlive what owns their names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

  // Its length and the bytes that mean something, to and from memory of kPackedMost bytes; both
  // return where they ended.
  static constexpr size_t kPackedMost = sizeof(Length) + kMax;
  std::byte* pack(std::byte* to) const noexcept {
    std::memcpy(to, &length_, sizeof(Length));
    if (length_ > 0) std::memcpy(to + sizeof(Length), text_.data(), length_);
    return to + sizeof(Length) + length_;
  }
  const std::byte* unpack(const std::byte* from) noexcept {
    std::memcpy(&length_, from, sizeof(Length));
    if (length_ > 0) std::memcpy(text_.data(), from + sizeof(Length), length_);
    return from + sizeof(Length) + length_;
  }

 private:
  Length length_ = 0;
  std::array<char, kMax> text_;  // Only the first `length_` bytes mean anything.
};

}  // namespace sluice
