// A stack of its own for one simulated thread.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace sluice::support {

// Runs `body` on its own stack, from resume() to the next pause(). One real thread for all fibers,
// so that what one of them does between two pauses nobody else sees half done.
class SimFiber {
 public:
  explicit SimFiber(std::function<void()> body);
  // The body has ended, or never began.
  ~SimFiber();
  SimFiber(const SimFiber&) = delete;
  SimFiber& operator=(const SimFiber&) = delete;

  // From outside of all fibers; returns at the next pause, or at the end of the body.
  void resume();
  // From within this fiber.
  void pause();
  [[nodiscard]] bool has_begun() const noexcept { return has_begun_; }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }
  [[nodiscard]] bool is_running() const noexcept { return is_running_; }

 private:
  // Peers and failing expectations run on it, too.
  static constexpr size_t kStackBytes = 1u << 20;

  static void enter(unsigned int high, unsigned int low);
  void run();

  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t own_{};
  ucontext_t outside_{};
  void* own_shadow_ = nullptr;  // What the address sanitizer keeps of a stack that is left.
  void* outside_shadow_ = nullptr;
  const void* outside_stack_ = nullptr;
  size_t outside_bytes_ = 0;
  bool has_begun_ = false;
  bool has_ended_ = false;
  bool is_running_ = false;
};

}  // namespace sluice::support
