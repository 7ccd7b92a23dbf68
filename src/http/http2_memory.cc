#include "http2_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace sluice::http {
namespace {

constexpr size_t kSmallest = 32;
constexpr size_t kClasses = 11;  // Up to 32 KiB, which a header block's buffers need.
// Pieces kept of one size, and their bytes.
constexpr size_t kKeptMax = 4096;
constexpr size_t kKeptBytesMax = 256 * 1024;

constexpr size_t bytes_of(size_t index) noexcept { return kSmallest << index; }
constexpr size_t kept_max(size_t index) noexcept {
  return std::min(kKeptMax, kKeptBytesMax / bytes_of(index));
}

// Stands before each piece; keeps the alignment that the heap gives.
struct alignas(16) PieceHead {
  size_t bytes;  // That follow it.
  PieceHead* next;
};

class Lists {
 public:
  Lists() noexcept = default;
  Lists(const Lists&) = delete;
  Lists& operator=(const Lists&) = delete;
  ~Lists() {
    for (PieceHead* piece : free_) {
      while (piece != nullptr) ::operator delete(std::exchange(piece, piece->next));
    }
  }

  void* take(size_t bytes) noexcept {
    const size_t index = class_of(bytes);
    PieceHead* piece = nullptr;
    if (index < kClasses && free_[index] != nullptr) {
      piece = free_[index];
      free_[index] = piece->next;
      --kept_[index];
    } else {
      const size_t whole = index < kClasses ? bytes_of(index) : bytes;
      piece = static_cast<PieceHead*>(::operator new(sizeof(PieceHead) + whole, std::nothrow));
      if (piece == nullptr) return nullptr;
      piece->bytes = whole;
    }
    return piece + 1;
  }

  void give_back(void* address) noexcept {
    if (address == nullptr) return;
    PieceHead* const piece = static_cast<PieceHead*>(address) - 1;
    const size_t index = class_of(piece->bytes);
    if (index >= kClasses || kept_[index] >= kept_max(index)) return ::operator delete(piece);
    piece->next = free_[index];
    free_[index] = piece;
    ++kept_[index];
  }

  static size_t room_of(const void* address) noexcept {
    return (static_cast<const PieceHead*>(address) - 1)->bytes;
  }

 private:
  static size_t class_of(size_t bytes) noexcept {
    return bytes <= kSmallest ? 0 : static_cast<size_t>(std::bit_width((bytes - 1) / kSmallest));
  }

  std::array<PieceHead*, kClasses> free_{};
  std::array<size_t, kClasses> kept_{};
};

thread_local Lists lists;

void* take(size_t bytes, void*) noexcept { return lists.take(bytes); }
void give_back(void* address, void*) noexcept { lists.give_back(address); }
void* take_zeroed(size_t count, size_t bytes, void*) noexcept {
  if (bytes != 0 && count > SIZE_MAX / bytes) return nullptr;
  void* const address = lists.take(count * bytes);
  if (address != nullptr) std::memset(address, 0, count * bytes);
  return address;
}
void* take_again(void* address, size_t bytes, void*) noexcept {
  if (address == nullptr) return lists.take(bytes);
  const size_t room = Lists::room_of(address);
  if (bytes <= room) return address;
  void* const larger = lists.take(bytes);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, address, room);
  lists.give_back(address);
  return larger;
}

}  // namespace

nghttp2_mem* Http2Memory::of_thread() noexcept {
  static nghttp2_mem functions = {nullptr, take, give_back, take_zeroed, take_again};
  return &functions;
}

}  // namespace sluice::http
