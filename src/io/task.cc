#include <sluice/io/task.h>

#include <array>
#include <cstddef>
#include <new>
#include <utility>
#include <vector>

#include "poison.h"

namespace sluice::io {
namespace {

constexpr size_t kStep = 64;
constexpr size_t kLargest = 16 * 1024;
constexpr size_t kClasses = kLargest / kStep;

// Frames of a class are cut from one piece of memory: the heap would round each of them up, by a
// twelfth on average. What was not cut yet has not been touched, so it takes no memory.
constexpr size_t kChunkBytes = 4 * kLargest;

// With AddressSanitizer each frame is an allocation, so that one that leaks is reported.
#ifdef SLUICE_HAS_ASAN
constexpr bool kApart = true;
#else
constexpr bool kApart = false;
#endif

struct FreeFrame {
  FreeFrame* next;
};

// Frames of a thread go back to that thread: tasks never move between shards.
class Frames {
 public:
  ~Frames() {
    for (char* const chunk : chunks_) ::operator delete(chunk, std::align_val_t{kStep});
    if constexpr (kApart) {
      for (const Class& each : classes_) free_all(each.free);
    }
  }

  [[nodiscard]] void* take(size_t index) {
    Class& from = classes_[index];
    const size_t bytes = (index + 1) * kStep;
    if (from.free == nullptr) return cut(from, bytes);
    FreeFrame* const frame = from.free;
    from.free = frame->next;
    allow_access(frame, bytes);
    return frame;
  }
  void give_back(void* frame, size_t index) noexcept {
    FreeFrame*& free = classes_[index].free;
    free = new (frame) FreeFrame{free};
    forbid_access(free + 1, (index + 1) * kStep - sizeof(FreeFrame));
  }

 private:
  struct Class {
    FreeFrame* free = nullptr;
    char* uncut = nullptr;  // What is left of its newest chunk.
    size_t uncut_bytes = 0;
  };

  [[nodiscard]] static char* take_memory(size_t bytes) {
    return static_cast<char*>(::operator new(bytes, std::align_val_t{kStep}));
  }
  static void free_all(FreeFrame* frame) noexcept {
    while (frame != nullptr) {
      allow_access(frame, kStep);
      FreeFrame* const next = frame->next;
      ::operator delete(frame, std::align_val_t{kStep});
      frame = next;
    }
  }

  [[nodiscard, gnu::noinline]] void* cut(Class& from, size_t bytes) {
    if constexpr (kApart) return take_memory(bytes);
    if (from.uncut_bytes < bytes) {
      chunks_.push_back(from.uncut = take_memory(kChunkBytes));
      from.uncut_bytes = kChunkBytes;
    }
    from.uncut_bytes -= bytes;
    return std::exchange(from.uncut, from.uncut + bytes);
  }

  std::array<Class, kClasses> classes_;
  std::vector<char*> chunks_;
};

thread_local Frames frames;

size_t class_of(size_t bytes) { return (bytes + kStep - 1) / kStep - 1; }

}  // namespace

void* FramePool::allocate(size_t bytes) {
  return bytes > kLargest ? ::operator new(bytes) : frames.take(class_of(bytes));
}

void FramePool::release(void* frame, size_t bytes) noexcept {
  if (bytes > kLargest) {
    ::operator delete(frame);
  } else {
    frames.give_back(frame, class_of(bytes));
  }
}

}  // namespace sluice::io
