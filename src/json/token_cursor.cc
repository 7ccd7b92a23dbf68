#include "token_cursor.h"

#include <charconv>
#include <cstring>

namespace sluice::json {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// True where a bare scalar may end: whatever stands here next is a token of its own.
bool is_boundary(const char* at, const char* end) noexcept {
  return at == end || is_space(*at) || *at == ',' || *at == '}' || *at == ']' || *at == ':' ||
         *at == '{' || *at == '[';
}

const char* skip_digits(const char* at, const char* end) noexcept {
  while (at != end && is_digit(*at)) ++at;
  return at;
}

// One past the number that begins at `at`; null when there is none by RFC 8259.
const char* number_end(const char* at, const char* end) noexcept {
  if (at != end && *at == '-') ++at;
  if (at == end || !is_digit(*at)) return nullptr;
  at = *at == '0' ? at + 1 : skip_digits(at, end);
  if (at != end && *at == '.') {
    const char* const fraction = at + 1;
    at = skip_digits(fraction, end);
    if (at == fraction) return nullptr;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    const char* const exponent = at;
    at = skip_digits(exponent, end);
    if (at == exponent) return nullptr;
  }
  return at;
}

const char* word_end(const char* at, const char* end, std::string_view word) noexcept {
  if (static_cast<size_t>(end - at) < word.size()) return nullptr;
  return std::memcmp(at, word.data(), word.size()) == 0 ? at + word.size() : nullptr;
}

const char* scalar_end(const char* at, const char* end) noexcept {
  switch (*at) {
    case 't': return word_end(at, end, "true");
    case 'f': return word_end(at, end, "false");
    case 'n': return word_end(at, end, "null");
    default: return number_end(at, end);
  }
}

}  // namespace

bool TokenCursor::enter(char open, bool is_object) noexcept {
  if (peek() != open) return false;
  if (depth_ >= depth_max_) {
    is_too_deep_ = true;
    return false;
  }
  ++next_;
  ++depth_;
  const uint64_t bit = uint64_t{1} << (depth_ % 64);
  uint64_t& word = objects_[depth_ / 64];
  word = is_object ? word | bit : word & ~bit;
  return true;
}

bool TokenCursor::take_key(std::string_view& key) noexcept {
  if (peek() != '"') return false;
  const size_t begin = positions_[next_] + 1;
  // Between two tokens stands only white space, so the closing quote is found from behind.
  size_t end = next_ + 1 < count_ ? positions_[next_ + 1] : text_.size();
  while (end > begin && is_space(text_[end - 1])) --end;
  if (end <= begin || text_[end - 1] != '"') return false;
  key = text_.substr(begin, end - 1 - begin);
  ++next_;
  return take(':');
}

bool TokenCursor::skip_key() noexcept {
  return take('"') && take(':');
}

TokenCursor::Step TokenCursor::next_member(bool& is_first, std::string_view& key) noexcept {
  if (peek() == '}') {
    leave();
    return Step::kEnd;
  }
  if (!is_first && !take(',')) return Step::kFault;
  is_first = false;
  return take_key(key) ? Step::kMember : Step::kFault;
}

TokenCursor::Step TokenCursor::next_element(bool& is_first) noexcept {
  if (peek() == ']') {
    leave();
    return Step::kEnd;
  }
  if (!is_first && !take(',')) return Step::kFault;
  is_first = false;
  return Step::kMember;
}

bool TokenCursor::skip_scalar() noexcept {
  if (at_end()) return false;
  const char* const end = text_.data() + text_.size();
  const char* const after = scalar_end(text_.data() + positions_[next_], end);
  if (after == nullptr || !is_boundary(after, end)) return false;
  ++next_;
  return true;
}

// Takes a scalar or an empty container whole; otherwise steps into the container and past its
// first key, so that a value is expected next.
bool TokenCursor::open_or_skip(bool& opened) noexcept {
  opened = false;
  switch (peek()) {
    case '"': ++next_; return true;
    case '{':
      if (!enter_object()) return false;
      if (peek() == '}') return leave(), true;
      opened = true;
      return skip_key();
    case '[':
      if (!enter_array()) return false;
      if (peek() == ']') return leave(), true;
      opened = true;
      return true;
    default: return skip_scalar();
  }
}

bool TokenCursor::skip_value() noexcept {
  const uint32_t base = depth_;
  while (true) {
    bool opened = false;
    if (!open_or_skip(opened)) return false;
    if (opened) continue;
    // A value is complete: close what ends with it, or go on to the next one beside it.
    while (true) {
      if (depth_ == base) return true;
      const bool is_object = in_object();
      const char token = peek();
      if (token == ',') {
        ++next_;
        if (is_object && !skip_key()) return false;
        break;
      }
      if (token != (is_object ? '}' : ']')) return false;
      leave();
    }
  }
}

bool TokenCursor::take_value(std::string_view& token) noexcept {
  const size_t begin = offset();
  if (!skip_value()) return false;
  size_t end = offset();
  while (end > begin && is_space(text_[end - 1])) --end;
  token = text_.substr(begin, end - begin);
  return true;
}

std::optional<uint64_t> unsigned_value(std::string_view token) noexcept {
  if (token.empty() || !is_digit(token.front())) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc{} || end != token.data() + token.size()) return std::nullopt;
  return value;
}

}  // namespace sluice::json
