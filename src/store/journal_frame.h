// Frames of a journal: length, checksum, payload; and the head of a segment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::store {

inline constexpr size_t kPayloadBytesMax = 4096;
inline constexpr size_t kFrameHeadBytes = 8;  // Length and CRC32C, four bytes each.
inline constexpr size_t kSegmentHeadBytes = 16;
inline constexpr uint32_t kJournalVersion = 1;

// Castagnoli's polynomial, reflected.
[[nodiscard]] uint32_t crc32c(std::string_view bytes, uint32_t before = 0) noexcept;

// Magic, version, and a checksum of both.
void append_segment_head(std::string& out);
[[nodiscard]] bool is_segment_head(std::string_view bytes) noexcept;

// `payload` has 1 to kPayloadBytesMax bytes.
void append_frame(std::string& out, std::string_view payload);

// Finds one frame after another in bytes that may end within one.
class FrameReader {
 public:
  enum class Found : uint8_t { kFrame, kMore, kBad };

  // `bytes` must outlive the reader and the payloads.
  explicit FrameReader(std::string_view bytes) noexcept : bytes_(bytes) {}

  // kMore: the rest is the beginning of a frame, or nothing. kBad: what follows is no frame; asked
  // again, the answer is the same.
  [[nodiscard]] Found next(std::string_view* payload) noexcept;
  // Bytes that whole frames took so far.
  [[nodiscard]] size_t taken() const noexcept { return taken_; }

 private:
  std::string_view bytes_;
  size_t taken_ = 0;
};

}  // namespace sluice::store
