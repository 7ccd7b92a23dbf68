// Lends a block of the shard's pool to a tap.
#pragma once

#include <sluice/io/block_pool.h>
#include <sluice/usage/carry_room.h>

namespace sluice::exchange {

class BlockRoom final : public usage::CarryRoom {
 public:
  explicit BlockRoom(io::BlockPool& blocks) noexcept : blocks_(blocks) {}

  [[nodiscard]] char* take(size_t bytes) noexcept override {
    block_ = blocks_.take(bytes);
    return block_.data();
  }
  void give_back() noexcept override { block_.release(); }

 private:
  io::BlockPool& blocks_;
  io::Block block_;
};

}  // namespace sluice::exchange
