// Writes small JSON texts: error bodies, model lists, log lines, admin answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::json {

// Appends values in the order of the calls and puts the commas between them; that the calls nest
// rightly is the caller's duty. Strings are escaped, and what is not UTF-8 in them becomes U+FFFD,
// so that the text is valid whatever was put in.
//
// Into a std::string it grows; into a buffer it never allocates, and once a value does not fit it
// writes nothing more.
class Writer {
 public:
  explicit Writer(std::string& out) noexcept : out_(&out) {}
  explicit Writer(std::span<char> buffer) noexcept : buffer_(buffer) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& string(std::string_view value);
  Writer& integer(int64_t value);
  Writer& unsigned_integer(uint64_t value);
  Writer& number(double value);  // Shortest form that reads back equal; null when not finite.
  Writer& boolean(bool value);
  Writer& null();
  Writer& raw(std::string_view json);  // A value that is JSON already.

  // Only for writers into a buffer: whether something was left out, and what was written.
  [[nodiscard]] bool has_overflowed() const noexcept { return has_overflowed_; }
  [[nodiscard]] std::string_view text() const noexcept { return {buffer_.data(), used_}; }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  void separate();
  void append(std::string_view bytes);
  void append_quoted(std::string_view value);

  std::string* out_ = nullptr;
  std::span<char> buffer_;
  size_t used_ = 0;
  bool has_overflowed_ = false;
  bool needs_comma_ = false;  // The last thing written was a whole value.
};

// `value` as a JSON string with its quotes.
[[nodiscard]] std::string quote(std::string_view value);

}  // namespace sluice::json
