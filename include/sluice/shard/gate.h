// Counts work inside, and tells when the last of it has left.
#pragma once

#include <cstdint>
#include <utility>

#include <sluice/base/assert.h>
#include <sluice/io/event.h>

namespace sluice::shard {

// Whoever starts detached work holds a Pass for it. One shard.
class Gate {
 public:
  explicit Gate(io::ReadyQueue& ready) noexcept : emptied_(ready) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  // Work that outlives its gate is a shutdown bug; it shows here, at the right line.
  ~Gate() { SLUICE_ASSERT(inside_ == 0); }

  class Pass {
   public:
    explicit Pass(Gate& gate) noexcept : gate_(&gate) { ++gate.inside_; }
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr && --gate_->inside_ == 0) gate_->emptied_.trigger();
    }

   private:
    Gate* gate_;
  };

  [[nodiscard]] Pass enter() noexcept { return Pass(*this); }
  [[nodiscard]] uint32_t inside() const noexcept { return inside_; }
  // Becomes ready each time the last pass is given back.
  [[nodiscard]] io::Event& emptied() noexcept { return emptied_; }

 private:
  io::Event emptied_;
  uint32_t inside_ = 0;
};

}  // namespace sluice::shard
