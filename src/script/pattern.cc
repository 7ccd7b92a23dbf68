#include "pattern.h"

#include <bitset>
#include <vector>

namespace sluice::script {
namespace {

using ByteSet = std::bitset<256>;

constexpr int64_t kRegexMemoryMax = 256 << 10;  // Of one pattern's program and automata.

bool is_between(unsigned byte, char low, char high) {
  return byte >= static_cast<unsigned char>(low) && byte <= static_cast<unsigned char>(high);
}

// ASCII alone, whatever the process's locale is, as LuaJIT has it.
bool is_in_class(unsigned byte, char letter) {
  const bool is_lower = is_between(byte, 'a', 'z');
  const bool is_upper = is_between(byte, 'A', 'Z');
  const bool is_digit = is_between(byte, '0', '9');
  const bool is_graphic = is_between(byte, '!', '~');
  switch (letter) {
    case 'a': return is_lower || is_upper;
    case 'c': return byte < 0x20 || byte == 0x7f;
    case 'd': return is_digit;
    case 'g': return is_graphic;
    case 'l': return is_lower;
    case 'p': return is_graphic && !is_lower && !is_upper && !is_digit;
    case 's': return byte == ' ' || is_between(byte, '\t', '\r');
    case 'u': return is_upper;
    case 'w': return is_lower || is_upper || is_digit;
    case 'x': return is_digit || is_between(byte, 'a', 'f') || is_between(byte, 'A', 'F');
    default: return byte == 0;  // 'z'
  }
}

// What `%letter` stands for: a class, its complement in upper case, or the byte itself.
ByteSet escaped(char letter) {
  constexpr std::string_view kClasses = "acdglpsuwxz";
  const char lower = is_between(static_cast<unsigned char>(letter), 'A', 'Z')
                         ? static_cast<char>(letter + ('a' - 'A'))
                         : letter;
  ByteSet set;
  if (!kClasses.contains(lower)) {
    set.set(static_cast<unsigned char>(letter));
    return set;
  }
  for (unsigned byte = 0; byte < 256; ++byte) set[byte] = is_in_class(byte, lower);
  return lower == letter ? set : ~set;
}

void append_byte(std::string& out, unsigned byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

void append_set(std::string& out, const ByteSet& set) {
  if (set.none()) {
    out += "[^\\x00-\\xff]";
    return;
  }
  out += '[';
  for (unsigned low = 0; low < 256; ++low) {
    if (!set[low]) continue;
    unsigned high = low;
    while (high < 255 && set[high + 1]) ++high;
    append_byte(out, low);
    out += '-';
    append_byte(out, high);
    low = high;
  }
  out += ']';
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) noexcept : pattern_(pattern) {}

  std::expected<Translation, const char*> run(bool knows_anchor) {
    if (knows_anchor && pattern_.starts_with('^')) {
      result_.is_anchored = true;
      ++at_;
    }
    while (at_ < pattern_.size() && error_ == nullptr) step();
    if (error_ == nullptr && !open_.empty()) error_ = "unfinished capture";
    if (error_ != nullptr) return std::unexpected(error_);
    return std::move(result_);
  }

 private:
  void step() {
    switch (pattern_[at_]) {
      case '(': return open_capture();
      case ')': return close_capture();
      case '$':
        if (at_ + 1 == pattern_.size()) {
          result_.regex += "\\z";
          ++at_;
          return;
        }
        break;
      default: break;
    }
    const ByteSet set = take_single();
    if (error_ != nullptr) return;
    append_set(result_.regex, set);
    if (at_ == pattern_.size()) return;
    switch (pattern_[at_]) {
      case '*':
      case '+':
      case '?': result_.regex += pattern_[at_++]; break;
      case '-':
        result_.regex += "*?";
        ++at_;
        break;
      default: break;
    }
  }

  void open_capture() {
    if (result_.captures == kCapturesMax) {
      error_ = "too many captures";
      return;
    }
    ++at_;
    if (at_ < pattern_.size() && pattern_[at_] == ')') {
      result_.position_captures |= 1u << result_.captures;
      result_.regex += "()";
      ++at_;
    } else {
      open_.push_back(result_.captures);
      result_.regex += '(';
    }
    ++result_.captures;
  }

  void close_capture() {
    if (open_.empty()) {
      error_ = "invalid pattern capture";
      return;
    }
    open_.pop_back();
    result_.regex += ')';
    ++at_;
  }

  // One byte's set: `.`, `%x`, `[set]`, or the byte itself.
  ByteSet take_single() {
    const char first = pattern_[at_++];
    if (first == '.') return ByteSet().set();
    if (first == '[') return take_set();
    if (first != '%') return ByteSet().set(static_cast<unsigned char>(first));
    if (at_ == pattern_.size()) {
      error_ = "malformed pattern (ends with '%')";
      return {};
    }
    const char letter = pattern_[at_++];
    if (letter == 'b') error_ = "%b is not available in scripts; use string.find for each bracket";
    if (letter == 'f') error_ = "%f is not available in scripts; match the border's bytes";
    if (is_between(static_cast<unsigned char>(letter), '0', '9')) {
      error_ = "back references (%1) are not available in scripts; compare captures in Lua";
    }
    return escaped(letter);
  }

  // Where the set that begins at `at_` has its `]`; npos without.
  size_t end_of_set() const {
    size_t at = at_;
    if (at < pattern_.size() && pattern_[at] == '^') ++at;
    // The first byte is a member, whatever it is.
    do {
      if (at >= pattern_.size()) return std::string_view::npos;
      if (pattern_[at++] == '%') ++at;
    } while (at >= pattern_.size() || pattern_[at] != ']');
    return at;
  }

  ByteSet take_set() {
    const size_t end = end_of_set();
    if (end == std::string_view::npos) {
      error_ = "malformed pattern (missing ']')";
      return {};
    }
    const bool is_complement = pattern_[at_] == '^';
    if (is_complement) ++at_;
    ByteSet set;
    for (; at_ < end; ++at_) {
      const char byte = pattern_[at_];
      if (byte == '%') {
        set |= escaped(pattern_[++at_]);
      } else if (pattern_[at_ + 1] == '-' && at_ + 2 < end) {
        at_ += 2;
        const auto high = static_cast<unsigned char>(pattern_[at_]);
        for (unsigned low = static_cast<unsigned char>(byte); low <= high; ++low) set.set(low);
      } else {
        set.set(static_cast<unsigned char>(byte));
      }
    }
    at_ = end + 1;
    return is_complement ? ~set : set;
  }

  std::string_view pattern_;
  size_t at_ = 0;
  const char* error_ = nullptr;
  std::vector<uint32_t> open_;
  Translation result_;
};

RE2::Options regex_options() {
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemoryMax);
  return options;
}

}  // namespace

std::expected<Translation, const char*> translate(std::string_view pattern, bool knows_anchor) {
  if (pattern.size() > kPatternBytesMax) {
    return std::unexpected("the pattern is too long (at most 256 bytes)");
  }
  return Translator(pattern).run(knows_anchor);
}

Pattern::Pattern(const Translation& translation)
    : regex_(translation.regex, regex_options()),
      is_anchored_(translation.is_anchored),
      captures_(translation.captures),
      position_captures_(translation.position_captures) {}

std::unique_ptr<Pattern> Pattern::make(const Translation& translation) {
  std::unique_ptr<Pattern> pattern(new Pattern(translation));
  if (!pattern->regex_.ok()) return nullptr;
  return pattern;
}

bool Pattern::match(std::string_view text, size_t from, Spans& spans) const {
  // Without a `^` in it the regex never looks behind, so the text may begin at `from`.
  const re2::StringPiece rest(text.data() + from, text.size() - from);
  return regex_.Match(rest, 0, rest.size(), is_anchored_ ? RE2::ANCHOR_START : RE2::UNANCHORED,
                      spans.data(), static_cast<int>(captures_ + 1));
}

void PatternCache::begin_call() {
  if (patterns_.size() >= kPatternsMax / 2) patterns_.clear();
}

PatternCache::Found PatternCache::find(std::string_view pattern, bool knows_anchor) {
  if (pattern.size() > kPatternBytesMax) {
    return {.error = "the pattern is too long (at most 256 bytes)"};
  }
  std::array<char, kPatternBytesMax + 1> key;
  key[0] = knows_anchor ? '^' : ' ';
  pattern.copy(key.data() + 1, pattern.size());
  const std::string_view whole(key.data(), pattern.size() + 1);
  if (const auto found = patterns_.find(whole); found != patterns_.end()) {
    return {.pattern = found->second.get()};
  }
  if (patterns_.size() >= kPatternsMax) return {.error = "too many different patterns in one call"};
  const auto translation = translate(pattern, knows_anchor);
  if (!translation) return {.error = translation.error()};
  std::unique_ptr<Pattern> made = Pattern::make(*translation);
  if (made == nullptr) return {.error = "the pattern is too complex"};
  const Pattern* const found = made.get();
  patterns_.emplace(std::string(whole), std::move(made));
  return {.pattern = found, .is_new = true};
}

}  // namespace sluice::script
