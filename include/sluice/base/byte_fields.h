// Numbers and short texts as bytes, little endian: for files of our own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

template <class Unsigned>
void append_number(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) {
    out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

// With its length in front; at most 255 bytes, the rest is cut.
inline void append_short_text(std::string& out, std::string_view text) {
  text = text.substr(0, UINT8_MAX);
  out.push_back(static_cast<char>(text.size()));
  out += text;
}

// Reads in the order of appending. A read beyond the end gives zero or "" and makes is_good()
// false for good, so that it is asked once, at the end.
class ByteFields {
 public:
  explicit ByteFields(std::string_view bytes) noexcept : rest_(bytes) {}

  template <class Unsigned>
  [[nodiscard]] Unsigned number() noexcept {
    const std::string_view bytes = take(sizeof(Unsigned));
    Unsigned value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      value |=
          static_cast<Unsigned>(static_cast<Unsigned>(static_cast<uint8_t>(bytes[i])) << (8 * i));
    }
    return value;
  }
  [[nodiscard]] std::string_view short_text() noexcept { return take(number<uint8_t>()); }

  [[nodiscard]] bool is_good() const noexcept { return is_good_; }
  [[nodiscard]] bool is_at_end() const noexcept { return rest_.empty(); }

 private:
  std::string_view take(size_t count) noexcept {
    if (count > rest_.size()) {
      is_good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace sluice
