// Programs at the far end of simulated connections: clients and upstream servers as state machines.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "peer_layer.h"
#include "sim_net.h"

namespace sluice::support {

class SimWorld;

// One connection's far side. Runs inside the simulation, not on the ring; its calls return at once.
// Subclass it, or set the callbacks. Owned by the world until the end.
class SimPeer : private End::Watcher {
 public:
  explicit SimPeer(SimWorld& world) noexcept : world_(world) {}
  virtual ~SimPeer() = default;
  SimPeer(const SimPeer&) = delete;
  SimPeer& operator=(const SimPeer&) = delete;

  std::function<void()> when_connected;
  std::function<void()> when_refused;
  std::function<void(std::string_view)> when_bytes;
  std::function<void()> when_ended;  // FIN; what was sent before has been seen.
  std::function<void()> when_reset;

  // Before it is connected: what it says and hears goes through `layer`.
  void set_layer(std::unique_ptr<PeerLayer> layer) { layer_ = std::move(layer); }

  // Before it connects: where from.
  void set_address(const net::Address& address) noexcept { address_ = address; }
  [[nodiscard]] const net::Address& address() const noexcept { return address_; }

  // Queues bytes; they leave in order, as the window allows, not before `delay` has passed.
  void send(std::string bytes, Duration delay = Duration::zero());
  // A FIN once everything queued has left, but goes on reading.
  void finish(Duration delay = Duration::zero());
  // As a program that exits in good order: what is queued leaves, then both directions end.
  void close(Duration delay = Duration::zero());
  // Ends the connection at once; what is queued or on the way is lost.
  void reset();
  // Stops reading: the window fills up and the other side's sends wait.
  void stall_reading() noexcept { is_stalled_ = true; }
  void resume_reading();

  [[nodiscard]] bool is_connected() const noexcept { return end_ != nullptr; }
  [[nodiscard]] bool saw_end() const noexcept { return saw_end_; }
  [[nodiscard]] bool saw_reset() const noexcept { return saw_reset_; }
  [[nodiscard]] bool was_refused() const noexcept { return was_refused_; }
  // Over for this side: closed by it, ended or lost.
  [[nodiscard]] bool is_over() const noexcept {
    return is_closed_ || saw_end_ || saw_reset_ || was_refused_;
  }
  // The other side has neither closed nor shut its end: it still wants what is sent, or sends.
  [[nodiscard]] bool is_wanted_there() const noexcept {
    return end_ != nullptr && !end_->is_reset && !end_->other->is_closed &&
           !end_->other->is_reset && !end_->other->fin_sent && !end_->other->is_read_shut;
  }
  // Everything that arrived so far.
  [[nodiscard]] const std::string& received() const noexcept { return received_; }
  [[nodiscard]] size_t unsent_bytes() const noexcept { return outbox_.size() + wire_.size(); }
  [[nodiscard]] SimWorld& world() noexcept { return world_; }

 protected:
  virtual void on_connected() {
    if (when_connected) when_connected();
  }
  virtual void on_refused() {
    if (when_refused) when_refused();
  }
  virtual void on_bytes(std::string_view bytes) {
    if (when_bytes) when_bytes(bytes);
  }
  virtual void on_ended() {
    if (when_ended) when_ended();
  }
  virtual void on_reset() {
    if (when_reset) when_reset();
  }

 private:
  friend class SimWorld;
  void attach(End& end, uint32_t window);
  void refuse();
  void on_change() override;
  // Runs `step` after everything scheduled before it, not before `delay` has passed.
  void schedule(Duration delay, std::function<void()> step);
  void read_all();
  void write_some();

  SimWorld& world_;
  net::Address address_;
  End* end_ = nullptr;
  std::unique_ptr<PeerLayer> layer_;
  std::string outbox_;
  std::string wire_;  // What the layer made of the outbox.
  std::string received_;
  MonoTime scheduled_until_{};
  uint32_t steps_scheduled_ = 0;
  bool finishes_ = false;  // A FIN follows the outbox.
  bool closes_ = false;    // The end of both directions follows the outbox.
  bool said_end_ = false;  // Through the layer.
  bool is_closed_ = false;
  bool is_stalled_ = false;
  bool saw_end_ = false;
  bool saw_reset_ = false;
  bool was_refused_ = false;
};

}  // namespace sluice::support
