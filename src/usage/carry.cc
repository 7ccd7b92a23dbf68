#include <sluice/usage/carry.h>

#include <algorithm>
#include <cstring>

namespace sluice::usage {

bool Carry::append(std::string_view part) noexcept {
  if (part.empty()) return !is_lost_;
  if (bytes_ == nullptr && !is_lost_) {
    bytes_ = room_->take(bytes_max_);
    is_lost_ = bytes_ == nullptr;
  }
  if (is_lost_) return false;
  const size_t length = std::min(part.size(), room_left());
  std::memcpy(bytes_ + length_, part.data(), length);
  length_ += static_cast<uint32_t>(length);
  return true;
}

void Carry::clear() noexcept {
  if (bytes_ != nullptr) room_->give_back();
  bytes_ = nullptr;
  length_ = 0;
  is_lost_ = false;
}

}  // namespace sluice::usage
