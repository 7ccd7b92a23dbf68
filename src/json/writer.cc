#include <sluice/json/writer.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace sluice::json {

namespace {

bool is_plain(char c) noexcept {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

bool is_continuation(char c) noexcept { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Length of the well-formed character at the front of `text`, which begins with a byte above 0x7F;
// 0 when there is none (Unicode table 3-7).
size_t utf8_length(std::string_view text) noexcept {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  return length;
}

// What stands for a byte below 0x80 that may not stand for itself; `scratch` is used for \u00XX.
std::string_view escape_of(char c, std::array<char, 6>& scratch) noexcept {
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  scratch = {'\\', 'u', '0', '0', kHex[c >> 4 & 15], kHex[c & 15]};
  return {scratch.data(), scratch.size()};
}

}  // namespace

void Writer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (out_ != nullptr) {
    out_->append(bytes);
    return;
  }
  if (has_overflowed_ || bytes.size() > buffer_.size() - used_) {
    has_overflowed_ = true;
    return;
  }
  std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

void Writer::separate() {
  if (needs_comma_) append(",");
  needs_comma_ = true;
}

Writer& Writer::open(char bracket) {
  separate();
  needs_comma_ = false;
  append({&bracket, 1});
  return *this;
}

Writer& Writer::close(char bracket) {
  append({&bracket, 1});
  needs_comma_ = true;
  return *this;
}

void Writer::append_quoted(std::string_view value) {
  append("\"");
  while (!value.empty()) {
    size_t run = 0;
    while (run < value.size() && is_plain(value[run])) ++run;
    append(value.substr(0, run));
    value.remove_prefix(run);
    if (value.empty()) break;
    if (static_cast<uint8_t>(value.front()) < 0x80) {
      std::array<char, 6> scratch;
      append(escape_of(value.front(), scratch));
      value.remove_prefix(1);
      continue;
    }
    const size_t length = utf8_length(value);
    append(length == 0 ? "\xEF\xBF\xBD" : value.substr(0, length));
    value.remove_prefix(length == 0 ? 1 : length);
  }
  append("\"");
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_quoted(name);
  append(":");
  needs_comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view value) {
  separate();
  append_quoted(value);
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  append(json);
  return *this;
}

Writer& Writer::integer(int64_t value) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return raw({digits.data(), static_cast<size_t>(end - digits.data())});
}

Writer& Writer::unsigned_integer(uint64_t value) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return raw({digits.data(), static_cast<size_t>(end - digits.data())});
}

Writer& Writer::number(double value) {
  if (!std::isfinite(value)) return null();
  std::array<char, 40> digits;
  // Without an exponent it would look like an integer, and readers refuse those beyond 64 bits.
  constexpr double kIntegerMost = 9223372036854775808.0;
  char* const most = digits.data() + digits.size();
  const auto [end, error] =
      std::abs(value) < kIntegerMost
          ? std::to_chars(digits.data(), most, value)
          : std::to_chars(digits.data(), most, value, std::chars_format::scientific);
  return raw({digits.data(), static_cast<size_t>(end - digits.data())});
}

Writer& Writer::boolean(bool value) { return raw(value ? "true" : "false"); }

Writer& Writer::null() { return raw("null"); }

std::string quote(std::string_view value) {
  std::string text;
  Writer(text).string(value);
  return text;
}

}  // namespace sluice::json
