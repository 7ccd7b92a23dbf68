// What a connection knows of its client's identity: its certificate, and its last good key.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <sluice/auth/credentials.h>
#include <sluice/crypto/digest.h>

namespace sluice::auth {

// Spares a connection the digest of the key that it sends with every request. Remembers no verdict:
// the chain asks its sources about the digest each time, so a key that has expired, or that a new
// snapshot has not, is refused at once.
//
// One connection's. Keeps the credentials themselves, compares them in constant time, and wipes
// them when others follow and when it dies.
class KeyMemory {
 public:
  KeyMemory() noexcept = default;
  KeyMemory(const KeyMemory&) = delete;
  KeyMemory& operator=(const KeyMemory&) = delete;
  ~KeyMemory() { forget(); }

  // Null unless `credentials` are those remembered. Good until the next call of another member.
  [[nodiscard]] const crypto::Digest* recall(const Credentials& credentials) const noexcept;
  // Instead of what was remembered. `credentials` must have an extractable secret; of too long ones
  // nothing is remembered.
  void remember(const Credentials& credentials, const crypto::Digest& digest) noexcept;
  void forget() noexcept;

  // RFC 2253 subject of the client's verified certificate, "" without one. The view must live as
  // long as this.
  void set_certificate_subject(std::string_view subject) noexcept { subject_ = subject; }
  [[nodiscard]] std::string_view certificate_subject() const noexcept { return subject_; }

 private:
  static constexpr size_t kTextBytesMax = 128;

  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), length_}; }

  uint32_t length_ = 0;  // Zero while nothing is remembered.
  bool is_bearer_ = false;
  std::array<char, kTextBytesMax> text_;
  crypto::Digest digest_;
  std::string_view subject_;
};

}  // namespace sluice::auth
