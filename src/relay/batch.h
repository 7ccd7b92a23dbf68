// What goes to the client in one send, with everything that its bytes live in.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include <sluice/base/assert.h>
#include <sluice/base/raw_array.h>
#include <sluice/http/chunked.h>
#include <sluice/http/response_sink.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/buffer.h>

namespace sluice::relay {

// Filled while the one before it is being sent. Its address must not change: slices point into it.
class Batch {
 public:
  // Pieces below this are copied: an iovec costs the kernel more than the copy of a token.
  static constexpr size_t kCopyBelow = 1024;

  explicit Batch(io::BlockPool& blocks) noexcept : blocks_(&blocks) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] bool is_empty() const noexcept { return count_ == 0; }
  [[nodiscard]] size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::span<const std::string_view> slices() const noexcept {
    return {slices_.data(), count_};
  }
  // Whether one more input can surely be added: a chunk head, a chunk end, and some pieces.
  [[nodiscard]] bool has_room() const noexcept {
    return count_ + kSlicesReserved <= slices_.size() && buffer_count_ < buffers_.size() &&
           owned_count_ < owned_.size() && heads_used_ < heads_.size();
  }
  [[nodiscard]] bool has_piece_room() const noexcept {
    return count_ + 4 <= slices_.size() && owned_count_ < owned_.size();
  }

  // Adds a slice of memory that lives until the batch has been sent; joins adjacent ones.
  void add(std::string_view piece) noexcept;
  // Adds a copy; false when no memory is left for it.
  [[nodiscard]] bool add_copy(std::string_view piece) noexcept;
  // Whether `piece` is better copied: it is small, or slices are running out.
  [[nodiscard]] bool prefers_copy(std::string_view piece) const noexcept {
    return piece.size() < kCopyBelow || count_ + 6 > slices_.size();
  }

  // Leaves a place for the head of a chunk whose size is known later.
  [[nodiscard]] size_t open_chunk() noexcept;
  // Fills the place and ends the chunk; an empty chunk disappears.
  void close_chunk(size_t place) noexcept;

  // Takes over what slices point into.
  void hold(io::Buffer buffer) noexcept;
  void hold(io::Block block) noexcept;

  // Gives everything back.
  void clear() noexcept;

 private:
  static constexpr size_t kSlicesReserved = 8;
  // Neighbours are joined, so that few are needed; an open stream holds two batches.
  static constexpr size_t kSlicesMax = 16;
  static_assert(kSlicesMax <= http::ResponseSink::kSlicesMax);
  static constexpr size_t kCopyBlockBytes = 16 * 1024;

  io::BlockPool* blocks_;
  RawArray<std::string_view, kSlicesMax> slices_;
  std::array<io::Buffer, 8> buffers_;
  std::array<io::Block, 4> owned_;
  std::array<std::array<char, http::kChunkHeadBytesMax>, 4> heads_;
  io::Block copied_;
  size_t count_ = 0;
  size_t buffer_count_ = 0;
  size_t owned_count_ = 0;
  size_t heads_used_ = 0;
  size_t copied_bytes_ = 0;
  size_t bytes_ = 0;
  size_t bytes_before_chunk_ = 0;
};

}  // namespace sluice::relay
