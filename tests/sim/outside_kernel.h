// The simulated kernel behind functions of its own, so that what it does can be left out of a
// count.
#pragma once

#include <optional>
#include <span>

#include <sluice/io/kernel.h>

namespace sluice::sim {

// `Pause` lives as long as each call into the kernel.
template <typename Pause>
class OutsideKernel final : public io::Kernel {
 public:
  explicit OutsideKernel(io::Kernel& kernel) noexcept : kernel_(kernel) {}

  void submit(const io::Submission& submission) override {
    const Pause pause;
    kernel_.submit(submission);
  }
  [[nodiscard]] size_t wait(std::optional<Duration> timeout,
                            std::span<io::KernelCompletion> completions) override {
    const Pause pause;
    return kernel_.wait(timeout, completions);
  }
  void provide_buffer(uint16_t id, char* address, uint32_t length) override {
    const Pause pause;
    kernel_.provide_buffer(id, address, length);
  }
  void commit_buffers() override {
    const Pause pause;
    kernel_.commit_buffers();
  }
  [[nodiscard]] io::KernelFigures figures() const override { return kernel_.figures(); }

 private:
  io::Kernel& kernel_;
};

}  // namespace sluice::sim
