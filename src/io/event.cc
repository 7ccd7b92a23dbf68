#include <sluice/io/event.h>

namespace sluice::io {

bool ReadyQueue::run(uint32_t budget) {
  while (budget-- > 0) {
    Waiter* waiter = waiters_.pop_front();
    if (waiter == nullptr) return false;
    waiter->handle.resume();
  }
  return !waiters_.empty();
}

}  // namespace sluice::io
