// A text that must not outlive its use, nor reach a log.
#pragma once

#include <memory>
#include <string_view>

namespace sluice::crypto {

// Overwrites the bytes in a way that the compiler keeps.
void wipe(char* bytes, size_t length) noexcept;

// Owns a copy of a secret and wipes it on destruction.
//
// Never printable: no stream operator, no formatter, no conversion; the bytes leave only through
// reveal(), which is easy to find in review. It holds its own block rather than a std::string,
// whose small buffer would leave copies behind on every move.
class Secret {
 public:
  Secret() noexcept = default;
  explicit Secret(std::string_view text);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  // The view is good until this object is moved from, assigned to or destroyed.
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.get(), length_}; }
  [[nodiscard]] bool is_empty() const noexcept { return length_ == 0; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t length_ = 0;
};

}  // namespace sluice::crypto
