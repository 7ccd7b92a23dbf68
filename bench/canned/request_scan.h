// Finds in a request what a canned answer depends on, and nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::canned {

// A body is searched up to here; what it asks for stands at its beginning.
constexpr size_t kSearchBytesMax = 4096;
constexpr size_t kHeadBytesMax = 16 * 1024;

struct Request {
  enum class State : uint8_t { kPartial, kComplete, kRefused };

  State state = State::kPartial;
  bool is_post = false;
  bool is_stats = false;  // GET /stats
  bool wants_stream = false;
  bool wants_usage = false;
  uint64_t bytes = 0;  // Head and body.
};

// Complete once the head and the searched part of the body are in `bytes`; the rest of the body may
// be still to come. A chunked body, two lengths, or a head without end is refused.
[[nodiscard]] Request scan_request(std::string_view bytes) noexcept;

}  // namespace sluice::canned
