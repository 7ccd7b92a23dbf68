// The front of something that the end of a span has cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/usage/carry_room.h>

namespace sluice::usage {

// Holds memory of its room only between the first append() and clear(), so that a stream that idles
// between its events costs none.
class Carry {
 public:
  Carry(CarryRoom& room, uint32_t bytes_max) noexcept : room_(&room), bytes_max_(bytes_max) {}

  // Keeps what fits below the bound. False when the room has no memory: what came so far and what
  // comes until clear() is lost then.
  bool append(std::string_view part) noexcept;
  void clear() noexcept;

  // Whether anything was appended since clear(), lost or not.
  [[nodiscard]] bool is_open() const noexcept { return bytes_ != nullptr || is_lost_; }
  [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }
  // Bytes that append() would still keep.
  [[nodiscard]] size_t room_left() const noexcept { return bytes_max_ - length_; }
  [[nodiscard]] std::string_view text() const noexcept { return {bytes_, length_}; }

 private:
  CarryRoom* room_;
  char* bytes_ = nullptr;
  uint32_t length_ = 0;
  uint32_t bytes_max_;
  bool is_lost_ = false;
};

}  // namespace sluice::usage
