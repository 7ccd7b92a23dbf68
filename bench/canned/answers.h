// The bytes that are answered, made once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::canned {

constexpr size_t kAnswerBytes = 540;  // Of the body of a unary answer.
constexpr size_t kEventBytes = 240;   // Of an event, with "data: " and its blank line.

// Whole answers, head included.
[[nodiscard]] std::string render_unary();
[[nodiscard]] std::string render_small(std::string_view status, std::string_view body);
[[nodiscard]] std::string render_burst(uint32_t events, bool with_usage);

// What a stream begins and ends with. The end holds the usage event where that was asked for,
// [DONE] and the last chunk.
[[nodiscard]] std::string render_stream_head();
[[nodiscard]] std::string render_stream_end(bool with_usage);

// One event as a chunk, ending in its `t_ns` as sluice-sim writes it.
class StampedEvent {
 public:
  static constexpr size_t kChunkBytes = kEventBytes + 6;  // "f0", two line ends.
  using Chunk = std::array<char, kChunkBytes>;

  // The longer the stamp, the shorter the text before it: the length never changes.
  void render(uint64_t t_ns, Chunk& out);

 private:
  std::string text_;  // Of a stamp of zeros.
  size_t digits_ = 0;
};

}  // namespace sluice::canned
