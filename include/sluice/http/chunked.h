// The chunked transfer coding, read and written without copying the payload.
#pragma once

#include <span>

#include <sluice/base/result.h>
#include <sluice/http/head.h>
#include <sluice/http/whole_chunk.h>

namespace sluice::http {

inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr size_t kChunkHeadBytesMax = 18;

// Writes "<hex>\r\n" for a chunk of `payload_bytes`, which must not be zero (that would end the
// body), into `out` and returns what was written. kChunkEnd follows the payload.
[[nodiscard]] std::string_view write_chunk_head(std::span<char, kChunkHeadBytesMax> out,
                                                uint64_t payload_bytes) noexcept;

enum class Trailers : uint8_t { kAccepted, kRefused };

// What a broken relay must still write so that an open chunk ends and an own one can follow.
struct ChunkClosing {
  bool possible = false;    // False once the last chunk has begun.
  std::string_view before;  // Completes the chunk's head.
  uint64_t fill_bytes = 0;  // Payload that the head has promised and that is missing.
  std::string_view after;   // Completes the chunk's end.
};

// Follows a chunked body that comes in any cuts. Strict: CRLF only, hexadecimal sizes below 2^63,
// extensions of at most 256 bytes a chunk, trailers of at most 8 KiB.
//
// A relay may send the raw bytes verbatim up to where `at` stands after each call, and show the
// returned spans to its readers.
class ChunkedDecoder {
 public:
  static constexpr uint32_t kExtensionBytesMax = 256;
  static constexpr uint32_t kTrailerBytesMax = 8 * 1024;

  // `side` is whom an error blames: kDownstream gives kMalformedRequest, else kUpstreamProtocol.
  explicit ChunkedDecoder(Side side, Trailers trailers = Trailers::kAccepted) noexcept
      : side_(side), trailers_(trailers) {}

  // Reads `bytes` on from `at` up to the end of the next run of payload, which it returns as a
  // view into `bytes`, and moves `at` there, or behind the CRLF that ends a whole chunk. An empty
  // view means that all bytes are read or the body is over; what then lies behind `at` is not of
  // this body. After an error nothing more may be asked.
  [[nodiscard]] Result<std::string_view> next(std::string_view bytes, size_t& at) noexcept;

  // The payload of the next chunk, with `at` moved behind it, if no chunk is open, the chunk lies
  // whole in `bytes` and is written as nearly all are; empty for any other, which next() reads.
  [[nodiscard]] std::string_view take_whole_chunk(std::string_view bytes,
                                                  size_t& at) const noexcept {
    return stage_ == Stage::kSizeStart ? find_whole_chunk(bytes, at) : std::string_view();
  }

  // The last chunk and its trailers have been read.
  [[nodiscard]] bool finished() const noexcept { return stage_ == Stage::kFinished; }
  // No chunk is open: a chunk of our own could stand here.
  [[nodiscard]] bool at_chunk_boundary() const noexcept { return stage_ == Stage::kSizeStart; }
  // Payload bytes missing in the open chunk, without the CRLF behind them.
  [[nodiscard]] uint64_t chunk_bytes_left() const noexcept {
    return stage_ == Stage::kPayload ? left_ : 0;
  }
  [[nodiscard]] ChunkClosing closing() const noexcept;

 private:
  enum class Stage : uint8_t {
    kSizeStart,
    kSize,
    kExtensionGap,  // White space behind the size: only an extension may follow.
    kExtension,
    kQuoted,
    kEscaped,
    kSizeLf,
    kPayload,
    kPayloadCr,
    kPayloadLf,
    kTrailers,
    kFinished,
  };

  Unexpected fail(std::string_view detail) const noexcept;
  // The following return a detail on failure, else an empty view.
  std::string_view read_framing_byte(char c) noexcept;
  std::string_view read_size_byte(char c) noexcept;
  std::string_view read_extension_byte(char c) noexcept;
  std::string_view read_trailers(std::string_view bytes, size_t& at) noexcept;

  FieldLines trailer_lines_;
  uint64_t left_ = 0;  // While reading a head, the size so far; in the payload what is missing.
  uint32_t extension_bytes_ = 0;
  uint32_t trailer_bytes_ = 0;
  uint8_t size_digits_ = 0;
  Stage stage_ = Stage::kSizeStart;
  Side side_;
  Trailers trailers_;
};

}  // namespace sluice::http
