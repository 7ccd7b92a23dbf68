#include <sluice/control/key_port.h>

#include <utility>

namespace sluice::control {

void KeyPort::send(auth::KeyCommand command) {
  // Whoever would look in the earlier one may as well look in this.
  if (std::holds_alternative<auth::AdoptDirectory>(command) && !waiting_.empty() &&
      std::holds_alternative<auth::AdoptDirectory>(waiting_.back())) {
    waiting_.pop_back();
  }
  waiting_.push_back(std::move(command));
  flush();
}

bool KeyPort::flush() {
  bool has_sent = false;
  while (!waiting_.empty() && commands_.push(std::move(waiting_.front()))) {
    waiting_.pop_front();
    has_sent = true;
  }
  if (has_sent && ring_ != nullptr) ring_->wake();
  return waiting_.empty();
}

}  // namespace sluice::control
