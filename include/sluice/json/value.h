// A whole JSON text as a tree, for the control path: admin requests, answers of key sources.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::json {

class Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  // In the order of the text; each name once.

// Owns all that it holds. Integers that fit are kept exactly.
class Value {
 public:
  using Content =
      std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object>;

  Value() = default;  // null
  explicit Value(Content content);

  [[nodiscard]] bool is_null() const noexcept;
  // Null when it is of another kind. Numbers: as_integer() also of a double that is whole.
  [[nodiscard]] const bool* as_boolean() const noexcept;
  [[nodiscard]] const std::string* as_string() const noexcept;
  [[nodiscard]] const Array* as_array() const noexcept;
  [[nodiscard]] const Object* as_object() const noexcept;
  [[nodiscard]] bool as_number(double& out) const noexcept;
  [[nodiscard]] bool as_integer(int64_t& out) const noexcept;
  // Of an object; null when it is none, or has no such member.
  [[nodiscard]] const Value* find(std::string_view name) const noexcept;
  // "null", "a boolean", "a number", "a string", "an array", "an object": for messages.
  [[nodiscard]] std::string_view kind_name() const noexcept;

  void write(std::string& out) const;
  [[nodiscard]] const Content& content() const noexcept { return content_; }

 private:
  Content content_;
};

struct Member {
  std::string name;
  Value value;
};

struct ValueLimits {
  size_t bytes_max = 1u << 20;
  uint32_t depth_max = 32;
  size_t values_max = 1u << 18;
};

// Strict (RFC 8259): one value and nothing behind it, UTF-8, no member twice. The error is what is
// wrong with the text, static storage; it never quotes the text.
[[nodiscard]] std::expected<Value, std::string_view> parse_value(std::string_view text,
                                                                 const ValueLimits& limits = {});

}  // namespace sluice::json
