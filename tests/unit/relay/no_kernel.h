// Hands out receive buffers without a kernel behind them.
#pragma once

#include <deque>

#include <sluice/io/kernel.h>

namespace sluice::relay {

class NoKernel final : public io::Kernel {
 public:
  void submit(const io::Submission&) override {}
  size_t wait(std::optional<Duration>, std::span<io::KernelCompletion>) override { return 0; }
  void provide_buffer(uint16_t id, char*, uint32_t) override { free_.push_back(id); }
  void commit_buffers() override {}
  io::KernelFigures figures() const override { return {}; }
  uint16_t next() {
    const uint16_t id = free_.front();
    free_.pop_front();
    return id;
  }

 private:
  std::deque<uint16_t> free_;
};

}  // namespace sluice::relay
