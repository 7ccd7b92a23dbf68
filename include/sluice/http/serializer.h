// Writes heads of requests and responses into a buffer of fixed size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::http {

// The standard phrase for a status; "Unknown" for one without.
[[nodiscard]] std::string_view reason_phrase(uint16_t status) noexcept;

// A field name that was found to be a token when it was compiled.
class FieldName {
 public:
  // Does not compile for a text that is none.
  consteval FieldName(const char* text) noexcept : text_(text) {  // NOLINT: reads as a literal.
    if (text_.empty()) name_is_not_in_lower_case_letters_digits_and_dashes();
    for (const char c : text_) {
      const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      if (!is_plain) name_is_not_in_lower_case_letters_digits_and_dashes();
    }
  }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
  static void name_is_not_in_lower_case_letters_digits_and_dashes();  // Only ever called by error.
  std::string_view text_;
};

// Appends one head to `out`, which must outlive it. What does not fit, and what would break the
// head (a name that is no token, a value or target with a line break or another control byte), is
// refused, and then the whole head is: ok() stays false and text() empty.
class HeadWriter {
 public:
  enum class State : uint8_t { kOk, kOverflow, kInvalid };

  explicit HeadWriter(std::span<char> out) noexcept : out_(out) {}

  // First one of these two. `status` is 100 to 999.
  HeadWriter& status_line(uint16_t status) noexcept;
  HeadWriter& request_line(std::string_view method, std::string_view target) noexcept;

  HeadWriter& header(FieldName name, std::string_view value) noexcept;
  HeadWriter& header(FieldName name, uint64_t value) noexcept;
  // For a name that is known at run time only.
  HeadWriter& any_header(std::string_view name, std::string_view value) noexcept;
  // Whole field lines that are right already: out of a head that was parsed, or written by another
  // writer. They are not looked at.
  HeadWriter& lines(std::string_view lines) noexcept { return append(lines); }
  HeadWriter& content_length(uint64_t bytes) noexcept { return header("content-length", bytes); }
  HeadWriter& chunked() noexcept { return header("transfer-encoding", "chunked"); }

  // The empty line. Nothing may follow.
  HeadWriter& end() noexcept { return append("\r\n"); }

  [[nodiscard]] bool ok() const noexcept { return state_ == State::kOk; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::string_view text() const noexcept { return {out_.data(), ok() ? bytes_ : 0}; }

 private:
  HeadWriter& append(std::string_view text) noexcept;
  HeadWriter& append_field(std::string_view name, std::string_view value) noexcept;
  HeadWriter& refuse() noexcept;

  std::span<char> out_;
  size_t bytes_ = 0;
  State state_ = State::kOk;
};

}  // namespace sluice::http
