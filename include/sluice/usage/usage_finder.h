// Finds the usage object in a body that passes in spans, whatever is around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/json/field_reader.h>
#include <sluice/usage/carry.h>

namespace sluice::usage {

// Searches the bytes for the key `"usage"` with an object behind it. Within a JSON string the
// quotes would be escaped, so text that speaks of usage is not taken for it. The last object that
// holds a token count wins: servers that report as they go report sums. An object that is cut by
// the end of a span is carried in memory of `room`; one above kObjectBytesMax is passed over.
//
// `reader` and `room` must live as long; a shard's finders share the reader.
class UsageFinder {
 public:
  static constexpr uint32_t kObjectBytesMax = 4096;

  UsageFinder(json::FieldReader& reader, CarryRoom& room) noexcept
      : reader_(&reader), object_(room, kObjectBytesMax) {}

  void feed(std::string_view span) noexcept;
  // What comes next belongs to another body: an object that was cut is not finished by it.
  void begin_body() noexcept;
  [[nodiscard]] const std::optional<json::UsageFields>& found() const noexcept { return found_; }

  // Whether nothing has begun. Bytes without the key, whose last one cannot be in a key either, may
  // then be left out.
  [[nodiscard]] bool is_idle() const noexcept {
    return seeking_ == Seeking::kKey && key_matched_ == 0;
  }
  // Whether an object was lost because there was no memory to carry it.
  [[nodiscard]] bool has_lost() const noexcept { return has_lost_; }

 private:
  enum class Seeking : uint8_t { kKey, kColon, kBrace, kObjectEnd };

  // Each takes bytes of `span` from `at` on and returns where it stopped.
  size_t seek_key(std::string_view span, size_t at) noexcept;
  size_t seek_token(std::string_view span, size_t at, char token, Seeking next) noexcept;
  size_t seek_object_end(std::string_view span, size_t at) noexcept;
  // Reads on to the object's last byte and returns the offset behind it, or npos.
  size_t scan_object(std::string_view part) noexcept;
  void finish_object(std::string_view object) noexcept;

  json::FieldReader* reader_;
  std::optional<json::UsageFields> found_;
  Seeking seeking_ = Seeking::kKey;
  uint8_t key_matched_ = 0;  // Bytes of the key that the last span ended in.
  bool has_lost_ = false;
  bool in_string_ = false;  // These three are of the object begun.
  bool is_escaped_ = false;
  uint32_t depth_ = 0;
  Carry object_;
};

}  // namespace sluice::usage
