#include "sim_fiber.h"

#include <cstdint>
#include <utility>

#include <sluice/base/assert.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_KNOWS_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_KNOWS_FIBERS 1
#endif
#endif

#ifdef SLUICE_KNOWS_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

namespace sluice::support {
namespace {

// Without the address sanitizer a change of stacks concerns nobody.
void begin_switch([[maybe_unused]] void** left, [[maybe_unused]] const void* stack,
                  [[maybe_unused]] size_t bytes) {
#ifdef SLUICE_KNOWS_FIBERS
  __sanitizer_start_switch_fiber(left, stack, bytes);
#endif
}

void end_switch([[maybe_unused]] void* entered, [[maybe_unused]] const void** stack,
                [[maybe_unused]] size_t* bytes) {
#ifdef SLUICE_KNOWS_FIBERS
  __sanitizer_finish_switch_fiber(entered, stack, bytes);
#endif
}

}  // namespace

SimFiber::SimFiber(std::function<void()> body)
    : body_(std::move(body)), stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {}

SimFiber::~SimFiber() { SLUICE_ASSERT(!has_begun_ || has_ended_); }

// makecontext() passes numbers of 32 bits only.
void SimFiber::enter(unsigned int high, unsigned int low) {
  auto* const self = reinterpret_cast<SimFiber*>(uintptr_t{high} << 32 | low);
  self->run();
}

void SimFiber::run() {
  end_switch(nullptr, &outside_stack_, &outside_bytes_);
  body_();
  has_ended_ = true;
  is_running_ = false;
  begin_switch(nullptr, outside_stack_, outside_bytes_);
  // Returns to `outside_` by uc_link.
}

void SimFiber::resume() {
  SLUICE_ASSERT(!has_ended_ && !is_running_);
  if (!std::exchange(has_begun_, true)) {
    SLUICE_ASSERT(getcontext(&own_) == 0);
    own_.uc_stack.ss_sp = stack_.get();
    own_.uc_stack.ss_size = kStackBytes;
    own_.uc_link = &outside_;
    const auto address = reinterpret_cast<uintptr_t>(this);
    makecontext(&own_, reinterpret_cast<void (*)()>(&SimFiber::enter), 2,
                static_cast<unsigned int>(address >> 32), static_cast<unsigned int>(address));
  }
  is_running_ = true;
  begin_switch(&outside_shadow_, stack_.get(), kStackBytes);
  SLUICE_ASSERT(swapcontext(&outside_, &own_) == 0);
  end_switch(outside_shadow_, nullptr, nullptr);
}

void SimFiber::pause() {
  SLUICE_ASSERT(is_running_);
  is_running_ = false;
  begin_switch(&own_shadow_, outside_stack_, outside_bytes_);
  SLUICE_ASSERT(swapcontext(&own_, &outside_) == 0);
  end_switch(own_shadow_, &outside_stack_, &outside_bytes_);
}

}  // namespace sluice::support
