#include "sim_peer.h"

#include <algorithm>
#include <utility>

#include "sim_world.h"

namespace sluice::support {

void SimPeer::attach(End& end, uint32_t window) {
  end_ = &end;
  end.window = window;
  end.watcher = this;
  if (layer_ != nullptr) wire_ += layer_->begin();
  on_connected();
  on_change();
}

void SimPeer::refuse() {
  was_refused_ = true;
  on_refused();
}

void SimPeer::schedule(Duration delay, std::function<void()> step) {
  if (delay <= Duration::zero() && steps_scheduled_ == 0) {
    step();
    write_some();
    return;
  }
  ++steps_scheduled_;
  scheduled_until_ = std::max(scheduled_until_, world_.clock().now() + delay);
  world_.at(scheduled_until_, [this, step = std::move(step)] {
    --steps_scheduled_;
    step();
    write_some();
  });
}

void SimPeer::send(std::string bytes, Duration delay) {
  schedule(delay, [this, bytes = std::move(bytes)] { outbox_ += bytes; });
}

void SimPeer::finish(Duration delay) {
  schedule(delay, [this] { finishes_ = true; });
}

void SimPeer::close(Duration delay) {
  schedule(delay, [this] { closes_ = true; });
}

void SimPeer::reset() {
  if (end_ == nullptr || is_closed_) return;
  is_closed_ = true;
  outbox_.clear();
  wire_.clear();
  End& end = *end_;
  end.watcher = nullptr;
  end.is_closed = true;
  world_.net().reset(end);
}

void SimPeer::resume_reading() {
  is_stalled_ = false;
  if (end_ != nullptr && !is_closed_) on_change();
}

void SimPeer::on_change() {
  read_all();
  if (!is_closed_) write_some();
}

void SimPeer::read_all() {
  char bytes[4096];
  while (!is_closed_ && !is_stalled_ && !end_->inbox.empty()) {
    const int64_t count = world_.net().read(*end_, bytes, sizeof bytes);
    std::string_view piece(bytes, static_cast<size_t>(count));
    std::string unwrapped;
    if (layer_ != nullptr) piece = unwrapped = layer_->unwrap(piece, wire_);
    received_ += piece;
    if (!piece.empty()) on_bytes(piece);
  }
  if (is_closed_ || is_stalled_ || !end_->inbox.empty()) return;
  if (end_->fin_received && !std::exchange(saw_end_, true)) on_ended();
  if (!is_closed_ && end_->is_reset && !std::exchange(saw_reset_, true)) on_reset();
}

void SimPeer::write_some() {
  if (end_ == nullptr || is_closed_) return;
  if (layer_ != nullptr && !outbox_.empty()) {
    wire_ += layer_->wrap(outbox_);
    outbox_.clear();
  }
  const bool is_ending = closes_ || finishes_;
  if (layer_ != nullptr && is_ending && !std::exchange(said_end_, true)) wire_ += layer_->end();
  std::string& leaving = layer_ != nullptr ? wire_ : outbox_;
  if (!leaving.empty()) {
    const int64_t count = world_.net().write(*end_, leaving);
    if (count < 0) {
      leaving.clear();  // The other side is gone; a program would stop here.
    } else {
      leaving.erase(0, static_cast<size_t>(count));
    }
  }
  if (!leaving.empty()) return;
  if (closes_) {
    is_closed_ = true;
    world_.net().close(*end_);
  } else if (finishes_) {
    world_.net().shut_write(*end_);
  }
}

}  // namespace sluice::support
