// Writes heads of requests and responses into a buffer of fixed size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::http {

// The standard phrase for a status; "Unknown" for one without.
[[nodiscard]] std::string_view reason_phrase(uint16_t status) noexcept;

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

  HeadWriter& header(std::string_view name, std::string_view value) noexcept;
  HeadWriter& header(std::string_view name, uint64_t value) noexcept;
  HeadWriter& content_length(uint64_t bytes) noexcept { return header("content-length", bytes); }
  HeadWriter& chunked() noexcept { return header("transfer-encoding", "chunked"); }

  // The empty line. Nothing may follow.
  HeadWriter& end() noexcept { return append("\r\n"); }

  [[nodiscard]] bool ok() const noexcept { return state_ == State::kOk; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::string_view text() const noexcept { return {out_.data(), ok() ? bytes_ : 0}; }

 private:
  HeadWriter& append(std::string_view text) noexcept;
  HeadWriter& refuse() noexcept;

  std::span<char> out_;
  size_t bytes_ = 0;
  State state_ = State::kOk;
};

}  // namespace sluice::http
