// Steps through JSON that is known to be valid, without building anything.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::sim {

// The members of an object, or the elements of an array. Values are views of their text as it
// stands. On anything else there is nothing to visit; broken JSON ends the walk and never leaves
// the text.
class JsonWalk {
 public:
  explicit JsonWalk(std::string_view container) noexcept;

  // The next member or element; false at the end. `name` is raw, without its quotes; an element
  // has none.
  [[nodiscard]] bool next() noexcept;
  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] std::string_view value() const noexcept { return value_; }

 private:
  void skip_space() noexcept;
  [[nodiscard]] std::string_view take_value() noexcept;

  std::string_view text_;
  size_t at_ = 0;
  char close_ = 0;  // '}' or ']'; 0 once there is nothing more.
  std::string_view name_;
  std::string_view value_;
};

// The value of the first member `name` of `object`; empty when there is none.
[[nodiscard]] std::string_view find_member(std::string_view object, std::string_view name) noexcept;

// What stands between the quotes of a JSON string, escapes and all; empty for any other value.
[[nodiscard]] std::string_view string_body(std::string_view value) noexcept;

// The offset behind the string that begins with the quote at `at`.
[[nodiscard]] size_t string_end(std::string_view text, size_t at) noexcept;

}  // namespace sluice::sim
