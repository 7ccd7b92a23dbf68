#include "json_value.h"

#include <cstdint>

namespace sluice::sluicectl {
namespace {

constexpr int kDepthMost = 16;

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

// Recursive descent; every function returns false at the first thing that is not JSON.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool read_whole(JsonValue& value) {
    if (!read_value(value, 0)) return false;
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() {
    while (!rest_.empty() && std::string_view(" \t\r\n").contains(rest_.front())) {
      rest_.remove_prefix(1);
    }
  }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  // The next token that is not white space.
  bool take_next(std::string_view token) {
    skip_space();
    return take(token);
  }

  bool read_value(JsonValue& value, int depth) {
    using Kind = JsonValue::Kind;
    if (depth > kDepthMost) return false;
    if (take_next("{")) return read_object(value, depth);
    if (take("[")) return read_array(value, depth);
    if (rest_.starts_with('"')) {
      value.kind = Kind::kString;
      return read_string(value.text);
    }
    if (take("null")) return true;
    for (const std::string_view word : {"true", "false"}) {
      if (!take(word)) continue;
      value.kind = Kind::kBool;
      value.text = word;
      return true;
    }
    value.kind = Kind::kNumber;
    const size_t end = rest_.find_first_not_of("+-.0123456789eE");
    value.text = rest_.substr(0, end);
    rest_.remove_prefix(value.text.size());
    return !value.text.empty();
  }

  bool read_object(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kObject;
    if (take_next("}")) return true;
    do {
      skip_space();
      auto& [name, member] = value.members.emplace_back();
      if (!read_string(name) || !take_next(":") || !read_value(member, depth + 1)) return false;
    } while (take_next(","));
    return take_next("}");
  }

  bool read_array(JsonValue& value, int depth) {
    value.kind = JsonValue::Kind::kArray;
    if (take_next("]")) return true;
    do {
      if (!read_value(value.items.emplace_back(), depth + 1)) return false;
    } while (take_next(","));
    return take_next("]");
  }

  bool read_string(std::string& out) {
    if (!take("\"")) return false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c != '\\') {
        out += c;
      } else if (!read_escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool read_escape(std::string& out) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    constexpr std::string_view kShort = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    if (const size_t at = kShort.find(c); at != std::string_view::npos) {
      out += kMeaning[at];
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !read_hex(code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      if (!take("\\u") || !read_hex(low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
    return true;
  }

  bool read_hex(uint32_t& code) {
    if (rest_.size() < 4) return false;
    for (const char c : rest_.substr(0, 4)) {
      const size_t digit = std::string_view("0123456789abcdef").find(static_cast<char>(c | 0x20));
      if (digit == std::string_view::npos) return false;
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    rest_.remove_prefix(4);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

const JsonValue& JsonValue::operator[](std::string_view name) const noexcept {
  static const JsonValue kNothing;
  for (const auto& [member, value] : members) {
    if (member == name) return value;
  }
  return kNothing;
}

std::string JsonValue::cell() const { return kind == Kind::kNull ? "-" : text; }

std::optional<JsonValue> parse_json(std::string_view text) {
  JsonValue value;
  if (!Reader(text).read_whole(value)) return std::nullopt;
  return value;
}

}  // namespace sluice::sluicectl
