#include <sluice/io/task.h>

#include <cstdint>
#include <new>

#include "poison.h"

namespace sluice::io {
namespace {

constexpr size_t kStep = 64;
constexpr size_t kLargest = 16 * 1024;
constexpr size_t kClasses = kLargest / kStep;

struct FreeFrame {
  FreeFrame* next;
};

// Frames of a thread go back to that thread: tasks never move between shards.
struct FreeLists {
  FreeFrame* heads[kClasses] = {};
  ~FreeLists() {
    for (FreeFrame* head : heads) {
      while (head != nullptr) {
        FreeFrame* next = head->next;
        allow_access(head, kStep);
        ::operator delete(head);
        head = next;
      }
    }
  }
};

thread_local FreeLists free_lists;

size_t class_of(size_t bytes) { return (bytes + kStep - 1) / kStep - 1; }

}  // namespace

void* FramePool::allocate(size_t bytes) {
  if (bytes > kLargest) return ::operator new(bytes);
  const size_t index = class_of(bytes);
  FreeFrame*& head = free_lists.heads[index];
  if (head == nullptr) return ::operator new((index + 1) * kStep);
  FreeFrame* frame = head;
  head = frame->next;
  allow_access(frame, (index + 1) * kStep);
  return frame;
}

void FramePool::release(void* frame, size_t bytes) noexcept {
  if (bytes > kLargest) {
    ::operator delete(frame);
    return;
  }
  const size_t index = class_of(bytes);
  FreeFrame*& head = free_lists.heads[index];
  head = new (frame) FreeFrame{head};
  forbid_access(head + 1, (index + 1) * kStep - sizeof(FreeFrame));
}

}  // namespace sluice::io
