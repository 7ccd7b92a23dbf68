// The few fields of a request body that the gateway reads, found in one strict walk over all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include <sluice/base/error.h>

namespace sluice::json {

class Structurals;

// A part of the body, counted from its first byte.
struct ByteRange {
  size_t offset = 0;
  size_t length = 0;
};

enum class StreamOptions : uint8_t { kAbsent, kNull, kObject };
enum class IncludeUsage : uint8_t { kAbsent, kOff, kOn };  // kOff: false or null.

// The envelope of one body: what stands at its top level. Fields that are null count as absent.
//
// The views point into the body, or, where a name was spelled with escapes, into the reader, which
// overwrites it with the next read: resolve `model` before the next suspension.
struct Envelope {
  size_t members_begin = 0;  // Right after the opening brace; the object is never empty.
  std::string_view model;    // Without escapes.
  ByteRange model_token;     // As it stands in the body, with its quotes.
  bool stream = false;
  StreamOptions stream_options = StreamOptions::kAbsent;
  ByteRange stream_options_token;  // Meaningful unless absent.
  bool stream_options_empty = false;
  IncludeUsage include_usage = IncludeUsage::kAbsent;
  ByteRange include_usage_token;  // Meaningful unless absent.
  std::optional<uint64_t> max_tokens;
  std::optional<uint64_t> max_completion_tokens;
  std::optional<uint64_t> max_output_tokens;
  std::optional<uint64_t> n;
  std::string_view user;              // Raw, its escapes unresolved.
  std::string_view prompt_cache_key;  // The same.
  // The value of the first of `messages`, `prompt` and `input`, perhaps with white space behind it.
  ByteRange prompt;
  bool prompt_repeats = false;  // More than one of them is given, or one of them twice.

  // The largest of the three limits on output, when any was given.
  [[nodiscard]] std::optional<uint64_t> output_tokens_max() const noexcept;
};

// Why a body was refused. `param` names the field for the client, or is empty.
struct EnvelopeError {
  Error error;
  std::string_view param;  // Static storage.
  size_t offset = 0;       // Where in the body, as near as it is known.
};

// Reads envelopes; one per shard, reused from body to body. Allocates only for a body longer than
// any before it, four bytes for each of the body's.
class EnvelopeReader {
 public:
  static constexpr size_t kPadding = 64;         // Readable bytes that must follow a body.
  static constexpr size_t kModelBytesMax = 512;  // As spelled in the body; longer is refused.

  EnvelopeReader();
  ~EnvelopeReader();
  EnvelopeReader(const EnvelopeReader&) = delete;
  EnvelopeReader& operator=(const EnvelopeReader&) = delete;

  // Accepts exactly the bodies that are valid JSON (RFC 8259) and UTF-8, nest at most `depth_max`
  // deep (1,024 at most), are objects, name a model once, and give the fields above once and with
  // their right type. Fields that are not listed may hold anything and repeat.
  [[nodiscard]] std::expected<Envelope, EnvelopeError> read(std::string_view body,
                                                            uint32_t depth_max) noexcept;

  // For the byte budget: what reading a body of `body_bytes` needs, and what is held now.
  [[nodiscard]] static size_t memory_needed(size_t body_bytes) noexcept;
  [[nodiscard]] size_t memory_bytes() const noexcept;

  // Gives the memory back when it is more than `bytes`; the next read allocates anew.
  void release_above(size_t bytes) noexcept;

 private:
  std::unique_ptr<Structurals> structurals_;
  std::array<char, kModelBytesMax> model_;
};

}  // namespace sluice::json
