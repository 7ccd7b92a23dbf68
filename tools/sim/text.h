// The words that the simulated models say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sim {

// A text made of a seed once, of which every answer is a beginning: token i is the same in every
// answer. Immutable; shared by all shards.
class Tape {
 public:
  static constexpr uint32_t kTokens = 4096;
  static constexpr uint32_t kLetters = 512 * 1024;

  explicit Tape(uint64_t seed);

  // Token `i` as a word with its leading space; the tape starts over at its end.
  [[nodiscard]] std::string_view word(uint64_t i) const noexcept {
    const uint64_t at = i % kTokens;
    return std::string_view(words_).substr(ends_[at], ends_[at + 1] - ends_[at]);
  }
  // Tokens 0 to `count` - 1 in one; at most kTokens.
  [[nodiscard]] std::string_view words(uint64_t count) const noexcept {
    return std::string_view(words_).substr(0, ends_[count]);
  }
  // Token `i` when tokens are `bytes` long, at most kLetters / 2.
  [[nodiscard]] std::string_view letters(uint64_t i, uint32_t bytes) const noexcept {
    return std::string_view(letters_).substr(i * 61 % (kLetters / 2), bytes);
  }

 private:
  std::string words_;
  std::vector<uint32_t> ends_;  // ends_[i] is where token i begins.
  std::string letters_;
};

// The content of one answer, piece by piece, escaped as it stands between a JSON string's quotes.
class Text {
 public:
  // `count` tokens from the tape, which must outlive it.
  static Text generated(const Tape& tape, uint64_t count, uint32_t token_bytes);
  // `escaped`, which is valid between quotes, in pieces of about `piece_bytes`. No piece ends
  // within an escape, a surrogate pair or a UTF-8 sequence. At most `count_max` pieces are kept.
  static Text cut(std::string escaped, uint32_t piece_bytes, uint64_t count_max);

  [[nodiscard]] uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::string_view piece(uint64_t i) const noexcept;
  void append_all(std::string& out) const;

 private:
  Text() = default;

  const Tape* tape_ = nullptr;  // Null when the text is its own.
  uint64_t count_ = 0;
  uint32_t token_bytes_ = 0;
  std::string escaped_;
  std::vector<uint32_t> ends_;  // Behind each piece of escaped_.
};

}  // namespace sluice::sim
