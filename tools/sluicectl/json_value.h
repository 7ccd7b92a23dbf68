// A JSON text as a tree: for the small answers of the admin socket only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

struct JsonMember;

// Numbers keep their spelling, so that nothing is rounded on the way to the terminal.
struct JsonValue {
  enum class Kind : unsigned char { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string text;  // Of a string, a number, "true" or "false".
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;  // In the order of the text.

  // The member called `name`; a null value when there is none.
  [[nodiscard]] const JsonValue& operator[](std::string_view name) const noexcept;
  // For a table's cell: the text, "-" for null, "" for what has parts.
  [[nodiscard]] std::string cell() const;
  [[nodiscard]] bool is_true() const noexcept { return kind == Kind::kBool && text == "true"; }
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// Empty when `text` is not one JSON value, or nested deeper than 16 levels.
[[nodiscard]] std::optional<JsonValue> parse_json(std::string_view text);

}  // namespace sluice::sluicectl
