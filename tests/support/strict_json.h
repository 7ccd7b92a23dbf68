// A JSON validator by RFC 8259 and Unicode table 3-7, written as plainly as possible: the oracle
// that the fast reader is compared with. Shares no code with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::support {

class StrictJson {
 public:
  StrictJson(std::string_view text, int depth_max) : text_(text), depth_max_(depth_max) {}

  [[nodiscard]] bool is_valid() {
    if (!is_utf8()) return false;
    space();
    if (!value(0)) return false;
    space();
    return at_ == text_.size();
  }

 private:
  [[nodiscard]] int at(size_t i) const {
    return i < text_.size() ? static_cast<uint8_t>(text_[i]) : -1;
  }
  [[nodiscard]] int peek() const { return at(at_); }
  bool take(int c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  bool word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool digits() {
    const size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > begin;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    while (true) {
      const int c = peek();
      ++at_;
      if (c < 0x20) return false;
      if (c == '"') return true;
      if (c != '\\') continue;
      const int letter = peek();
      ++at_;
      if (letter == 'u') {
        for (int i = 0; i < 4; ++i, ++at_) {
          const int d = peek();
          const bool is_hex =
              (d >= '0' && d <= '9') || (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F');
          if (!is_hex) return false;
        }
      } else if (letter < 0 ||
                 std::string_view("\"\\/bfnrt").find(static_cast<char>(letter)) ==
                     std::string_view::npos) {
        return false;
      }
    }
  }
  bool array(int depth) {
    if (!take('[') || depth >= depth_max_) return false;
    space();
    if (take(']')) return true;
    while (true) {
      space();
      if (!value(depth + 1)) return false;
      space();
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }
  bool object(int depth) {
    if (!take('{') || depth >= depth_max_) return false;
    space();
    if (take('}')) return true;
    while (true) {
      space();
      if (!string()) return false;
      space();
      if (!take(':')) return false;
      space();
      if (!value(depth + 1)) return false;
      space();
      if (take('}')) return true;
      if (!take(',')) return false;
    }
  }
  bool value(int depth) {
    switch (peek()) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }
  [[nodiscard]] bool is_utf8() const {
    for (size_t i = 0; i < text_.size();) {
      const int lead = at(i);
      size_t length = 0;
      uint32_t code = 0;
      if (lead < 0x80) length = 1, code = static_cast<uint32_t>(lead);
      else if ((lead & 0xE0) == 0xC0) length = 2, code = static_cast<uint32_t>(lead & 0x1F);
      else if ((lead & 0xF0) == 0xE0) length = 3, code = static_cast<uint32_t>(lead & 0x0F);
      else if ((lead & 0xF8) == 0xF0) length = 4, code = static_cast<uint32_t>(lead & 0x07);
      else return false;
      for (size_t j = 1; j < length; ++j) {
        const int next = at(i + j);
        if (next < 0 || (next & 0xC0) != 0x80) return false;
        code = code << 6 | static_cast<uint32_t>(next & 0x3F);
      }
      static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
      if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return false;
      }
      i += length;
    }
    return true;
  }

  std::string_view text_;
  int depth_max_;
  size_t at_ = 0;
};

// True when `text` is one JSON value nested at most `depth_max` deep.
[[nodiscard]] inline bool is_strict_json(std::string_view text, int depth_max) {
  return StrictJson(text, depth_max).is_valid();
}

}  // namespace sluice::support
