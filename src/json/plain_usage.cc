#include <sluice/json/plain_usage.h>

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice::json {
namespace {

constexpr int kPlainDepthMax = 4;
constexpr int kDigitsMax = 18;  // As many always fit into 64 bits.

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// What may stand in a plain string: ASCII, without the control bytes.
bool is_plain(char c) noexcept {
  return static_cast<signed char>(c) >= ' ' && c != '"' && c != '\\';
}

// The lowest bit set lies in the first of eight bytes that is not plain; zero when all are.
uint64_t not_plain(const char* bytes) noexcept {
  static_assert(std::endian::native == std::endian::little);
  constexpr uint64_t kEach = 0x0101010101010101;
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  const uint64_t quote = (word ^ '"' * kEach) - kEach;
  const uint64_t backslash = (word ^ '\\' * kEach) - kEach;
  return ((((word - ' ' * kEach) | quote | backslash) & ~word) | word) & 0x80 * kEach;
}

// Takes the text from the front; each function is false at the first byte that is not plain.
class Walk {
 public:
  explicit Walk(std::string_view text) noexcept
      : at_(text.data()), end_(text.data() + text.size()) {}

  [[nodiscard]] const char* at() const noexcept { return at_; }

  // The next byte that is no white space; 0 at the end.
  [[nodiscard]] char peek() noexcept {
    skip_space();
    return at_ == end_ ? '\0' : *at_;
  }
  [[nodiscard]] bool take(char token) noexcept {
    if (peek() != token) return false;
    ++at_;
    return true;
  }

  // Calls `member` with each key of the object that begins here; it takes the value.
  template <class Member>
  bool for_each_member(Member&& member) noexcept {
    if (depth_ == kPlainDepthMax || !take('{')) return false;
    if (take('}')) return true;
    ++depth_;
    do {
      std::string_view key;
      if (!take_string(key) || !take(':') || !member(key)) return false;
    } while (take(','));
    --depth_;
    return take('}');
  }

  // `out` becomes empty for what is not a number.
  bool take_count(std::optional<uint64_t>& out) noexcept {
    if (!is_digit(peek())) {
      out.reset();
      return skip_value();
    }
    uint64_t number = 0;
    const char* const begin = at_;
    for (; at_ != end_ && is_digit(*at_); ++at_) {
      number = number * 10 + static_cast<uint64_t>(*at_ - '0');
    }
    // A longer one is not read, so that it does not matter what became of it above.
    if (at_ - begin > kDigitsMax || (*begin == '0' && at_ - begin > 1)) return false;
    out = number;
    return true;
  }

  bool skip_value() noexcept {
    std::string_view text;
    std::optional<uint64_t> count;
    switch (const char first = peek()) {
      case '"': return take_string(text);
      case '{': return for_each_member([this](std::string_view) { return skip_value(); });
      case '[': return take('[') && take(']');
      case 'n': return take_word("null");
      case 't': return take_word("true");
      case 'f': return take_word("false");
      default: return is_digit(first) && take_count(count);
    }
  }

  // Takes the counts named `name` out of the object that begins here, if one does.
  bool take_detail(std::string_view name, std::optional<uint64_t>& out) noexcept {
    if (peek() != '{') return skip_value();
    return for_each_member(
        [&](std::string_view key) { return key == name ? take_count(out) : skip_value(); });
  }

 private:
  void skip_space() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool take_word(std::string_view word) noexcept {
    if (static_cast<size_t>(end_ - at_) < word.size()) return false;
    if (std::memcmp(at_, word.data(), word.size()) != 0) return false;
    at_ += word.size();
    return true;
  }
  bool take_string(std::string_view& text) noexcept {
    if (!take('"')) return false;
    const char* at = at_;
    while (end_ - at >= 8) {
      const uint64_t ends = not_plain(at);
      if (ends != 0) {
        at += std::countr_zero(ends) / 8;
        break;
      }
      at += 8;
    }
    while (at != end_ && is_plain(*at)) ++at;
    if (at == end_ || *at != '"') return false;
    text = {at_, static_cast<size_t>(at - at_)};
    at_ = at + 1;
    return true;
  }

  const char* at_;
  const char* end_;
  int depth_ = 0;
};

bool take_usage(Walk& walk, UsageFields& usage) noexcept {
  return walk.for_each_member([&](std::string_view key) {
    if (key == "prompt_tokens" || key == "input_tokens") return walk.take_count(usage.input);
    if (key == "completion_tokens" || key == "output_tokens") {
      return walk.take_count(usage.output);
    }
    if (key == "prompt_tokens_details" || key == "input_tokens_details") {
      return walk.take_detail("cached_tokens", usage.cached);
    }
    if (key == "completion_tokens_details" || key == "output_tokens_details") {
      return walk.take_detail("reasoning_tokens", usage.reasoning);
    }
    return walk.skip_value();
  });
}

bool take_event(Walk& walk, EventFields& event) noexcept {
  return walk.for_each_member([&](std::string_view key) {
    if (key == "choices" && walk.peek() == '[') event.has_choices = event.choices_empty = true;
    if (key == "usage" && walk.peek() == '{') {
      event.has_usage = true;
      return take_usage(walk, event.usage);
    }
    if (key == "error") event.has_error = walk.peek() != 'n';
    return key != "response" && walk.skip_value();
  });
}

}  // namespace

std::optional<PlainUsage> read_plain_usage(std::string_view text) noexcept {
  Walk walk(text.substr(0, FieldReader::kTextBytesMax));
  PlainUsage usage{};
  if (text.empty() || text.front() != '{' || !take_usage(walk, usage.fields)) return std::nullopt;
  usage.bytes = static_cast<size_t>(walk.at() - text.data());
  return usage;
}

std::optional<EventFields> read_plain_event(std::string_view text) noexcept {
  if (text.size() > FieldReader::kTextBytesMax) return std::nullopt;
  Walk walk(text);
  EventFields event;
  if (!take_event(walk, event) || walk.peek() != '\0' || walk.at() != text.data() + text.size()) {
    return std::nullopt;
  }
  return event;
}

}  // namespace sluice::json
