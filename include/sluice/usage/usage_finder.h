// Finds the usage object in a body that passes in spans, whatever is around it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/json/field_reader.h>

namespace sluice::usage {

// Searches the bytes for the key `"usage"` with an object behind it. Within a JSON string the
// quotes would be escaped, so text that speaks of usage is not taken for it. The last object that
// holds a token count wins: servers that report as they go report sums. An object that is cut by
// the end of a span is carried; one above kObjectBytesMax is passed over.
//
// `reader` must live as long; a shard's finders share it.
class UsageFinder {
 public:
  static constexpr size_t kObjectBytesMax = 4096;

  explicit UsageFinder(json::FieldReader& reader) noexcept : reader_(&reader) {}

  void feed(std::string_view span) noexcept;
  [[nodiscard]] const std::optional<json::UsageFields>& found() const noexcept { return found_; }

 private:
  enum class Seeking : uint8_t { kKey, kColon, kBrace, kObjectEnd };

  // Each takes bytes of `span` from `at` on and returns where it stopped.
  size_t seek_key(std::string_view span, size_t at) noexcept;
  size_t seek_token(std::string_view span, size_t at, char token, Seeking next) noexcept;
  size_t seek_object_end(std::string_view span, size_t at) noexcept;
  void keep_tail(std::string_view span) noexcept;
  void finish_object() noexcept;

  json::FieldReader* reader_;
  std::optional<json::UsageFields> found_;
  Seeking seeking_ = Seeking::kKey;
  uint8_t tail_length_ = 0;
  bool in_string_ = false;  // These three are of the object being carried.
  bool is_escaped_ = false;
  uint32_t depth_ = 0;
  uint32_t object_length_ = 0;
  std::array<char, 6> tail_;  // The last bytes searched: the key may have begun in them.
  std::array<char, kObjectBytesMax> object_;
};

}  // namespace sluice::usage
