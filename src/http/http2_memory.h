// Where nghttp2 takes its memory from: free lists by size, one set a thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include <nghttp2/nghttp2.h>

namespace sluice::http {

// What a warm stream needs is taken from what earlier ones gave back, so it costs no allocation.
// Each list keeps a bounded number of pieces; what is larger than the largest goes to the heap.
class Http2Memory {
 public:
  // Of this thread. Sessions made with it must be used, and die, on this thread.
  [[nodiscard]] static nghttp2_mem* of_thread() noexcept;
};

}  // namespace sluice::http
