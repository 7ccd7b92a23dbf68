#include <sluice/control/shard_port.h>

namespace sluice::control {

void ShardPort::send(upstream::ShardCommand command) {
  // One look finds all that was handed before it.
  if (std::holds_alternative<upstream::LookForPlaces>(command) && !waiting_.empty() &&
      std::holds_alternative<upstream::LookForPlaces>(waiting_.back())) {
    return;
  }
  waiting_.push_back(std::move(command));
  flush();
}

bool ShardPort::flush() {
  bool has_sent = false;
  while (!waiting_.empty() && commands_.push(std::move(waiting_.front()))) {
    waiting_.pop_front();
    has_sent = true;
  }
  if (has_sent && ring_ != nullptr) ring_->wake();
  return waiting_.empty();
}

}  // namespace sluice::control
