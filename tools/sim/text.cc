#include "text.h"

#include <algorithm>
#include <array>

namespace sluice::sim {
namespace {

constexpr auto kWords = std::to_array<std::string_view>(
    {"water", "gate",    "river", "flows", "through", "the",   "open",   "lock",  "and",   "under",
     "stone", "bridge",  "where", "a",     "slow",    "boat",  "waits",  "for",   "its",   "turn",
     "while", "morning", "light", "moves", "over",    "quiet", "fields", "of",    "grass", "then",
     "wind",  "comes",   "from",  "north", "with",    "rain",  "that",   "fills", "each",  "basin",
     "until", "level",   "rises", "to",    "meet",    "canal", "above",  "once"});

// Splitmix64: the same numbers for the same seed everywhere.
uint64_t next_random(uint64_t& state) noexcept {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

size_t escape_bytes(std::string_view text, size_t at) noexcept {
  if (at + 1 >= text.size() || text[at + 1] != 'u') return 2;
  const bool is_high = at + 3 < text.size() && (text[at + 2] == 'd' || text[at + 2] == 'D') &&
                       (text[at + 3] == '8' || text[at + 3] == '9' ||
                        (text[at + 3] | 0x20) == 'a' || (text[at + 3] | 0x20) == 'b');
  const bool has_low = text.substr(std::min(at + 6, text.size())).starts_with("\\u");
  return is_high && has_low ? 12 : 6;
}

// The bytes of the character at `at`, which no cut may go through.
size_t character_bytes(std::string_view text, size_t at) noexcept {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first == '\\') return escape_bytes(text, at);
  if (first >= 0xF0) return 4;
  if (first >= 0xE0) return 3;
  return first >= 0xC0 ? 2 : 1;
}

}  // namespace

Tape::Tape(uint64_t seed) {
  uint64_t state = seed;
  ends_.reserve(kTokens + 1);
  ends_.push_back(0);
  for (uint32_t i = 0; i < kTokens; ++i) {
    if (i > 0) words_ += ' ';
    words_ += kWords[next_random(state) % kWords.size()];
    if (i % 16 == 15) words_ += i % 64 == 63 ? ".\\n" : ",";
    ends_.push_back(static_cast<uint32_t>(words_.size()));
  }
  letters_.reserve(kLetters);
  for (uint32_t i = 0; i < kLetters; ++i) {
    letters_ += static_cast<char>('a' + next_random(state) % 26);
  }
}

Text Text::generated(const Tape& tape, uint64_t count, uint32_t token_bytes) {
  Text text;
  text.tape_ = &tape;
  text.count_ = count;
  text.token_bytes_ = std::min(token_bytes, Tape::kLetters / 2);
  return text;
}

Text Text::cut(std::string escaped, uint32_t piece_bytes, uint64_t count_max) {
  Text text;
  text.escaped_ = std::move(escaped);
  size_t begin = 0, at = 0;
  const size_t size = text.escaped_.size();
  while (at < size && text.ends_.size() < count_max) {
    at = std::min(at + character_bytes(text.escaped_, at), size);
    if (at - begin < std::max(piece_bytes, 1u) && at < size) continue;
    text.ends_.push_back(static_cast<uint32_t>(at));
    begin = at;
  }
  text.escaped_.resize(begin);
  text.count_ = text.ends_.size();
  return text;
}

std::string_view Text::piece(uint64_t i) const noexcept {
  if (tape_ != nullptr) {
    return token_bytes_ == 0 ? tape_->word(i) : tape_->letters(i, token_bytes_);
  }
  const uint32_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(escaped_).substr(begin, ends_[i] - begin);
}

void Text::append_all(std::string& out) const {
  if (tape_ == nullptr) {
    out += escaped_;
  } else if (token_bytes_ == 0 && count_ <= Tape::kTokens) {
    out += tape_->words(count_);
  } else {
    for (uint64_t i = 0; i < count_; ++i) out += piece(i);
  }
}

}  // namespace sluice::sim
