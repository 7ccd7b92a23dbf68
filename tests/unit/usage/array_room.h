// A carry room of its own fixed memory that counts its loans and can refuse them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sluice/usage/carry_room.h>

namespace sluice::usage {

class ArrayRoom final : public CarryRoom {
 public:
  [[nodiscard]] char* take(size_t bytes) noexcept override {
    if (refuses || is_lent || bytes > bytes_.size()) return nullptr;
    is_lent = true;
    ++loans;
    return bytes_.data();
  }
  void give_back() noexcept override { is_lent = false; }

  bool refuses = false;
  bool is_lent = false;
  uint64_t loans = 0;

 private:
  std::array<char, 4096> bytes_;
};

}  // namespace sluice::usage
