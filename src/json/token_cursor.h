// A strict walk over the tokens of one JSON text, member by member.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "structurals.h"

namespace sluice::json {

inline constexpr uint32_t kBodyDepthMax = 128;  // Of requests and answers.

// Checks the whole grammar as it goes; nothing is skipped unseen. Whoever reaches at_end() after
// the top-level value without a fault has read a valid JSON text, provided that index() and
// find_bad_escape() passed it too. Every function that returns false, or kFault, has met a syntax
// error at offset(); the cursor must not be moved after that.
//
// Borrows the text and the structurals. Never recurses: open containers are one bit each.
class TokenCursor {
 public:
  static constexpr uint32_t kDepthMax = 1024;  // What the bits can hold; larger limits act as this.
  enum class Step : uint8_t { kMember, kEnd, kFault };

  TokenCursor(std::string_view text, const Structurals& structurals, uint32_t depth_max) noexcept
      : text_(text),
        positions_(structurals.positions()),
        count_(structurals.count()),
        depth_max_(depth_max < kDepthMax ? depth_max : kDepthMax) {}

  [[nodiscard]] bool at_end() const noexcept { return next_ == count_; }
  [[nodiscard]] size_t offset() const noexcept {
    return at_end() ? text_.size() : positions_[next_];
  }
  // First byte of the next token; 0, which begins no token, at the end.
  [[nodiscard]] char peek() const noexcept { return at_end() ? '\0' : text_[positions_[next_]]; }
  [[nodiscard]] bool is_too_deep() const noexcept { return is_too_deep_; }

  // Steps into the object or array that begins here; false also when it is nested too deeply.
  [[nodiscard]] bool enter_object() noexcept { return enter('{', true); }
  [[nodiscard]] bool enter_array() noexcept { return enter('[', false); }

  // Next member of the object entered last: takes its key and colon, or the closing brace. `key`
  // is the raw text between the quotes. `is_first` is true until a member was seen.
  [[nodiscard]] Step next_member(bool& is_first, std::string_view& key) noexcept;

  // Next element of the array entered last, or its closing bracket.
  [[nodiscard]] Step next_element(bool& is_first) noexcept;

  // Takes a whole value of any kind.
  [[nodiscard]] bool skip_value() noexcept;

  // The same, and tells what it was: the raw text from its first to its last byte.
  [[nodiscard]] bool take_value(std::string_view& token) noexcept;

 private:
  [[nodiscard]] bool enter(char open, bool is_object) noexcept;
  void leave() noexcept {
    ++next_;
    --depth_;
  }
  [[nodiscard]] bool take(char token) noexcept {
    if (peek() != token) return false;
    ++next_;
    return true;
  }
  [[nodiscard]] bool take_key(std::string_view& key) noexcept;
  [[nodiscard]] bool skip_key() noexcept;
  [[nodiscard]] bool skip_scalar() noexcept;
  [[nodiscard]] bool open_or_skip(bool& opened) noexcept;
  [[nodiscard]] bool in_object() const noexcept {
    return (objects_[depth_ / 64] >> (depth_ % 64) & 1) != 0;
  }

  std::string_view text_;
  const uint32_t* positions_;
  uint32_t count_;
  uint32_t next_ = 0;
  uint32_t depth_ = 0;
  uint32_t depth_max_;
  bool is_too_deep_ = false;
  std::array<uint64_t, kDepthMax / 64 + 1>
      objects_;  // Bit d: the container at depth d is an object.
};

// Removes the quotes; empty when `token` is not a string.
[[nodiscard]] inline std::optional<std::string_view> string_inside(
    std::string_view token) noexcept {
  if (token.size() < 2 || token.front() != '"') return std::nullopt;
  return token.substr(1, token.size() - 2);
}

// The value of a token that is a plain unsigned integer of at most 64 bits.
[[nodiscard]] std::optional<uint64_t> unsigned_value(std::string_view token) noexcept;

}  // namespace sluice::json
