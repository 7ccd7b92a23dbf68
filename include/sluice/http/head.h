// What the request and the response parser have in common: state, limits, versions, body framing.
#pragma once

#include <cstdint>

#include <sluice/http/headers.h>

namespace sluice::http {

enum class ParseState : uint8_t {
  kNeedMore,  // All bytes were read and are right so far.
  kDone,
  kError,
};

struct HeadLimits {
  uint32_t head_bytes_max = 16 * 1024 - 64;  // At most HeaderList::kOffsetMax counts.
  uint32_t header_count_max = 100;           // At most HeaderList::kCapacity counts.
};

// Of HTTP/2 only the message counts: its head is read as one of HTTP/1.1.
enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

// How the end of a body is known.
enum class BodyKind : uint8_t {
  kNone,
  kLength,
  kChunked,
  kUntilClose,  // Responses only.
};

struct BodyFraming {
  BodyKind kind = BodyKind::kNone;
  uint64_t length = 0;  // Meaningful for kLength only; may be zero.

  [[nodiscard]] bool is_empty() const noexcept {
    return kind == BodyKind::kNone || (kind == BodyKind::kLength && length == 0);
  }
};

// Why a head was refused.
struct HeadFault {
  uint16_t status;          // What a client is answered: 400, 417, 431, 501 or 505.
  std::string_view detail;  // For logs; static storage.
};

// Reads "name: value" lines up to and with the empty line that ends them, resumable at any byte.
// Shared by request heads, response heads and trailers.
class FieldLines {
 public:
  // Reads on in `bytes` at `at` and leaves `at` behind the last byte read. With a list, `bytes`
  // must start where the head starts in every call, and at most `count_max` fields go into it;
  // without one any cut will do.
  ParseState advance(std::string_view bytes, size_t& at, HeaderList* list,
                     uint32_t count_max) noexcept;

  // Non-null after kError.
  [[nodiscard]] const HeadFault* fault() const noexcept { return fault_; }

 private:
  enum class Stage : uint8_t { kLineStart, kName, kValueStart, kValue, kLineEnd, kLastLineEnd };

  ParseState fail(const HeadFault& fault) noexcept {
    fault_ = &fault;
    return ParseState::kError;
  }
  // Reads lines of a head for as long as they are whole and good.
  void read_good_lines(std::string_view bytes, size_t& at, HeaderList& list,
                       uint32_t count_max) noexcept;
  ParseState read_name_start(char first, size_t at) noexcept;
  ParseState read_name(std::string_view bytes, size_t& at) noexcept;
  ParseState read_value(std::string_view bytes, size_t& at) noexcept;

  const HeadFault* fault_ = nullptr;
  // Offsets into the head; meaningful only when there is a list.
  uint32_t name_at_ = 0;
  uint32_t colon_at_ = 0;
  uint32_t value_at_ = 0;
  Stage stage_ = Stage::kLineStart;
  bool is_first_line_ = true;
};

}  // namespace sluice::http
