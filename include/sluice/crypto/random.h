// Unpredictable bytes, and the ids made of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::crypto {

// Fills `out` from the kernel's generator. Ends the process when the kernel has none.
void fill_random(std::span<std::byte> out) noexcept;

// "req_" and 32 hexadecimal digits; a value, so that it can live in the exchange.
class RequestId {
 public:
  static constexpr size_t kLength = 36;
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), text_.size()}; }

 private:
  friend class RandomSource;
  std::array<char, kLength> text_{};
};

// Random bytes by the small portion, for one system call per 4 KiB.
//
// Bytes that were handed out are wiped from the store, so that a later leak of its memory tells
// no earlier id. Owned by one shard and used only on it.
class RandomSource {
 public:
  RandomSource() noexcept = default;
  RandomSource(const RandomSource&) = delete;
  RandomSource& operator=(const RandomSource&) = delete;
  ~RandomSource();

  // Any size; a request above the store's size goes to the kernel directly.
  void fill(std::span<std::byte> out) noexcept;
  [[nodiscard]] uint64_t next_u64() noexcept;
  [[nodiscard]] RequestId next_request_id() noexcept;

 private:
  static constexpr size_t kStoreBytes = 4096;
  std::array<std::byte, kStoreBytes> store_{};
  size_t used_ = kStoreBytes;  // Bytes of the store already handed out.
};

}  // namespace sluice::crypto
