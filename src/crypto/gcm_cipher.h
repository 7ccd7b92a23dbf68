// AES-GCM with one key in one direction, by libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct evp_cipher_ctx_st;

namespace sluice::crypto {

inline constexpr size_t kGcmNonceBytes = 12;
inline constexpr size_t kGcmTagBytes = 16;

// What is sealed or opened once. `in` and `out` are `bytes` long and are the same or do not
// overlap.
struct GcmText {
  std::span<const uint8_t> key;  // 16 or 32 bytes.
  std::span<const uint8_t, kGcmNonceBytes> nonce;
  std::span<const uint8_t> associated;
  const uint8_t* in;
  uint8_t* out;
  size_t bytes;
};

enum class GcmResult : uint8_t {
  kDone,
  kRefused,  // Nothing was read or written: a key or a length it does not take.
  kForged,   // The tag is wrong; `out` is wiped.
  kFailed,   // libcrypto failed; `out` is not to be used.
};

// Keeps its last key, so that texts of one key after another cost no key schedule and no
// allocation. An object either seals or opens.
class GcmCipher {
 public:
  GcmCipher() noexcept;
  GcmCipher(const GcmCipher&) = delete;
  GcmCipher& operator=(const GcmCipher&) = delete;
  ~GcmCipher();

  [[nodiscard]] GcmResult seal(const GcmText& text, std::span<uint8_t, kGcmTagBytes> tag) noexcept;
  [[nodiscard]] GcmResult open(const GcmText& text,
                               std::span<const uint8_t, kGcmTagBytes> tag) noexcept;

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* state) const noexcept;
  };

  [[nodiscard]] GcmResult begin(const GcmText& text, bool seals) noexcept;
  [[nodiscard]] bool set_key(std::span<const uint8_t> key, bool seals) noexcept;

  std::unique_ptr<evp_cipher_ctx_st, Free> state_;
  std::array<uint8_t, 32> key_;
  size_t key_bytes_ = 0;  // 0: none is set.
};

}  // namespace sluice::crypto
