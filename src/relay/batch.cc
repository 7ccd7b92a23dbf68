#include "batch.h"

namespace sluice::relay {

void Batch::add(std::string_view piece) noexcept {
  if (piece.empty()) return;
  bytes_ += piece.size();
  if (count_ > 0) {
    std::string_view& last = slices_[count_ - 1];
    if (last.data() + last.size() == piece.data()) {
      last = {last.data(), last.size() + piece.size()};
      return;
    }
  }
  SLUICE_ASSERT(count_ < slices_.size());
  slices_[count_++] = piece;
}

bool Batch::add_copy(std::string_view piece) noexcept {
  if (piece.empty()) return true;
  if (!copied_.is_held() || copied_.capacity() - copied_bytes_ < piece.size()) {
    if (copied_.is_held()) {
      if (owned_count_ == owned_.size()) return false;
      hold(std::move(copied_));
    }
    copied_ = blocks_->take(piece.size() > kCopyBlockBytes ? piece.size() : kCopyBlockBytes);
    copied_bytes_ = 0;
    if (!copied_.is_held()) return false;
  }
  char* to = copied_.data() + copied_bytes_;
  std::memcpy(to, piece.data(), piece.size());
  copied_bytes_ += piece.size();
  add({to, piece.size()});
  return true;
}

size_t Batch::open_chunk() noexcept {
  SLUICE_ASSERT(count_ < slices_.size() && heads_used_ < heads_.size());
  bytes_before_chunk_ = bytes_;
  // Points at its own scratch, so that no neighbour is joined to it.
  slices_[count_] = {heads_[heads_used_].data(), 0};
  return count_++;
}

void Batch::close_chunk(size_t place) noexcept {
  const size_t payload = bytes_ - bytes_before_chunk_;
  if (payload == 0) {
    SLUICE_ASSERT(place + 1 == count_);
    --count_;
    return;
  }
  slices_[place] = http::write_chunk_head(heads_[heads_used_++], payload);
  bytes_ += slices_[place].size();
  add(http::kChunkEnd);
}

void Batch::hold(io::Buffer buffer) noexcept {
  if (!buffer.is_held()) return;
  SLUICE_ASSERT(buffer_count_ < buffers_.size());
  buffers_[buffer_count_++] = std::move(buffer);
}

void Batch::hold(io::Block block) noexcept {
  if (!block.is_held()) return;
  SLUICE_ASSERT(owned_count_ < owned_.size());
  owned_[owned_count_++] = std::move(block);
}

void Batch::clear() noexcept {
  for (size_t i = 0; i < buffer_count_; ++i) buffers_[i].release();
  for (size_t i = 0; i < owned_count_; ++i) owned_[i].release();
  copied_.release();
  count_ = buffer_count_ = owned_count_ = heads_used_ = copied_bytes_ = bytes_ = 0;
}

}  // namespace sluice::relay
