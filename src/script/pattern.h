// Lua's patterns on RE2: the same language less %b, %f and back references, and an end that comes
// in time linear in the text. The originals backtrack, and nothing can interrupt them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <re2/re2.h>

namespace sluice::script {

inline constexpr size_t kPatternBytesMax = 256;
inline constexpr size_t kCapturesMax = 32;            // As Lua has it.
inline constexpr size_t kSubjectBytesMax = 32 << 10;  // One match is not interrupted.
inline constexpr size_t kPatternsMax = 256;           // Kept, and in one call.

struct Translation {
  std::string regex;         // RE2's syntax, Latin-1, without `^`.
  bool is_anchored = false;  // It began with `^`.
  uint32_t captures = 0;
  uint32_t position_captures = 0;  // Bit i: capture i is `()`.
};

// The error is what is wrong, static storage. gmatch knows no anchor: its `^` is a character.
[[nodiscard]] std::expected<Translation, const char*> translate(std::string_view pattern,
                                                                bool knows_anchor);

// What one match found: [0] is the whole, then the captures.
using Spans = std::array<re2::StringPiece, kCapturesMax + 1>;

class Pattern {
 public:
  // Null when RE2 does not take it.
  [[nodiscard]] static std::unique_ptr<Pattern> make(const Translation& translation);

  // The leftmost match at or behind `from`, which is at most the length of `text`.
  [[nodiscard]] bool match(std::string_view text, size_t from, Spans& spans) const;
  [[nodiscard]] bool is_anchored() const noexcept { return is_anchored_; }
  [[nodiscard]] uint32_t captures() const noexcept { return captures_; }
  [[nodiscard]] bool is_position(uint32_t capture) const noexcept {
    return (position_captures_ >> capture & 1u) != 0;
  }

 private:
  explicit Pattern(const Translation& translation);

  RE2 regex_;
  bool is_anchored_;
  uint32_t captures_;
  uint32_t position_captures_;
};

// The patterns of one shard's scripts, compiled once. What find() gave lives until begin_call().
class PatternCache {
 public:
  struct Found {
    const Pattern* pattern = nullptr;
    const char* error = "";  // When there is none.
    bool is_new = false;     // It was compiled just now, which takes some 10 us.
  };

  void begin_call();
  [[nodiscard]] Found find(std::string_view pattern, bool knows_anchor);
  [[nodiscard]] size_t size() const noexcept { return patterns_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  // The key is '^' or ' ' for knows_anchor, then the pattern.
  std::unordered_map<std::string, std::unique_ptr<Pattern>, Hash, std::equal_to<>> patterns_;
};

}  // namespace sluice::script
