// Bytes of a head that is not complete yet: one receive buffer, or a copy once there are several.
#pragma once

#include <cstring>
#include <string_view>

#include <sluice/io/block_pool.h>
#include <sluice/io/buffer.h>

namespace sluice::http {

// Nearly every head comes in one buffer and is never copied. One that comes in pieces is collected
// in a block, so that a client that dribbles pins no receive buffer.
class HeadBytes {
 public:
  [[nodiscard]] std::string_view bytes() const noexcept {
    return block_.is_held() ? std::string_view(block_.data() + begin_, end_ - begin_)
                            : buffer_.bytes();
  }
  [[nodiscard]] bool is_empty() const noexcept { return bytes().empty(); }

  // Adds what was received; all views into bytes() die. False without memory, or when more than
  // `bytes_max` would be held.
  [[nodiscard]] bool append(io::Buffer received, io::BlockPool& blocks, size_t bytes_max) noexcept {
    if (is_empty()) {
      release();
      buffer_ = std::move(received);
      return true;
    }
    return append_copy(received.bytes(), blocks, bytes_max);
  }
  // The same for bytes whose buffer the caller keeps.
  [[nodiscard]] bool append_copy(std::string_view more, io::BlockPool& blocks,
                                 size_t bytes_max) noexcept {
    const size_t held = bytes().size();
    if (held + more.size() > bytes_max) return false;
    if (!make_room(held + more.size(), blocks)) return false;
    std::memcpy(block_.data() + end_, more.data(), more.size());
    end_ += more.size();
    return true;
  }

  // Copies the bytes out of the receive buffer; false, changing nothing, without memory.
  [[nodiscard]] bool detach(io::BlockPool& blocks) noexcept {
    if (block_.is_held() || is_empty()) return true;
    return make_room(bytes().size(), blocks);
  }

  // Puts what `next` holds behind the bytes present, in `joined`, which is large enough for both.
  void join(io::Block joined, const HeadBytes& next) noexcept {
    const std::string_view present = bytes(), more = next.bytes();
    std::memcpy(joined.data(), present.data(), present.size());
    std::memcpy(joined.data() + present.size(), more.data(), more.size());
    const size_t count = present.size() + more.size();
    release();
    block_ = std::move(joined);
    end_ = count;
  }

  void remove_prefix(size_t count) noexcept {
    if (block_.is_held()) {
      begin_ += count;
      if (begin_ == end_) release();
    } else {
      buffer_.remove_prefix(count);
    }
  }

  void release() noexcept {
    buffer_.release();
    block_.release();
    begin_ = end_ = 0;
  }

 private:
  // Moves everything to the start of a block of at least `bytes`.
  [[nodiscard]] bool make_room(size_t wanted, io::BlockPool& blocks) noexcept {
    const std::string_view present = bytes();
    if (block_.is_held() && block_.capacity() - begin_ >= wanted) return true;
    io::Block larger = blocks.take(wanted);
    if (!larger.is_held()) return false;
    if (!present.empty()) std::memcpy(larger.data(), present.data(), present.size());
    const size_t count = present.size();
    release();
    block_ = std::move(larger);
    end_ = count;
    return true;
  }

  io::Buffer buffer_;
  io::Block block_;
  size_t begin_ = 0;  // Meaningful only while the block is held.
  size_t end_ = 0;
};

}  // namespace sluice::http
