// What a test needs to run ring programs in a world of its own: clock, kernel, network, peers.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sluice/io/ring.h>

#include "sim_kernel.h"
#include "sim_peer.h"

namespace sluice::support {

struct SimOptions {
  uint64_t seed = 1;
  FaultPlan faults;
};

// One ring at most; more of them run by sim_threads.h. The same seed, plan and program give the
// same trace. Failures inside carry the seed.
class SimWorld {
 public:
  explicit SimWorld(SimOptions options = {})
      : seed_(options.seed),
        scope_(__FILE__, __LINE__, "simulation seed " + std::to_string(options.seed)),
        faults_(options.faults),
        prng_(options.seed),
        events_(clock_),
        net_(clock_, events_, trace_, faults_, prng_.fork()),
        files_(net_),
        syscalls_(files_, net_, faults_, prng_.fork()),
        kernel_(clock_, events_, files_, net_, trace_, faults_, prng_.fork()) {}
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  [[nodiscard]] SimClock& clock() noexcept { return clock_; }
  [[nodiscard]] SimKernel& kernel() noexcept { return kernel_; }
  // One more, for the descriptors in `files`.
  [[nodiscard]] std::unique_ptr<SimKernel> make_kernel(SimFiles& files) {
    return std::make_unique<SimKernel>(clock_, events_, files, net_, trace_, faults_, prng_.fork());
  }
  [[nodiscard]] EventQueue& events() noexcept { return events_; }
  [[nodiscard]] const SimTrace& trace() const noexcept { return trace_; }
  [[nodiscard]] SimSyscalls& syscalls() noexcept { return syscalls_; }
  [[nodiscard]] SimNet& net() noexcept { return net_; }
  [[nodiscard]] SimFiles& files() noexcept { return files_; }
  // For the test's own choices; the faults have generators of their own.
  [[nodiscard]] Prng& random() noexcept { return prng_; }
  // May be changed while the simulation runs.
  [[nodiscard]] FaultPlan& faults() noexcept { return faults_; }
  [[nodiscard]] uint64_t seed() const noexcept { return seed_; }
  [[nodiscard]] uint64_t trace_hash() const noexcept { return trace_.hash(); }

  // Runs `action` inside the simulation, `delay` from now.
  void after(Duration delay, EventQueue::Action action) { events_.after(delay, std::move(action)); }

  void at(MonoTime time, EventQueue::Action action) { events_.at(time, std::move(action)); }

  // A client: connects to `address` after `delay`.
  template <class Peer = SimPeer, class... Args>
  Peer& connect(const net::Address& address, Duration delay = Duration::zero(), Args&&... args) {
    Peer& peer = adopt<Peer>(std::forward<Args>(args)...);
    if (client_layer_) peer.set_layer(client_layer_());
    events_.after(delay, [this, &peer, address] { start_connect(peer, address); });
    return peer;
  }
  // Where clients come from that have no address of their own.
  [[nodiscard]] static net::Address client_address();
  // Layers of the clients and of the servers that are made from now on; none without.
  using MakeLayer = std::function<std::unique_ptr<PeerLayer>()>;
  void set_layers(MakeLayer of_clients, MakeLayer of_servers) {
    client_layer_ = std::move(of_clients);
    server_layer_ = std::move(of_servers);
  }
  // A server: `make` is called for every connection and returns its peer, made by adopt().
  using MakePeer = std::function<SimPeer&()>;
  SimListener& serve(const net::Address& address, MakePeer make);
  // Makes a peer that lives as long as the world.
  template <class Peer = SimPeer, class... Args>
  Peer& adopt(Args&&... args) {
    auto peer = std::make_unique<Peer>(*this, std::forward<Args>(args)...);
    Peer& result = *peer;
    peers_.push_back(std::move(peer));
    return result;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<SimPeer>>& peers() const noexcept {
    return peers_;
  }
  // Receive window of peers made from now on.
  void set_peer_window(uint32_t bytes) noexcept { peer_window_ = bytes; }

  // Turns `ring` until `is_done()`. False, with a failure that lists what is armed, when nothing
  // can ever happen any more, or after `turns_max`.
  bool run_until(io::Ring& ring, const std::function<bool()>& is_done,
                 uint64_t turns_max = 2'000'000);
  // Turns until `duration` of fake time has passed.
  bool run_for(io::Ring& ring, Duration duration);

 private:
  void start_connect(SimPeer& peer, const net::Address& address);

  uint64_t seed_;
  ::testing::ScopedTrace scope_;
  FaultPlan faults_;
  Prng prng_;
  SimClock clock_;
  SimTrace trace_;
  EventQueue events_;
  SimNet net_;
  SimFiles files_;
  SimSyscalls syscalls_;
  SimKernel kernel_;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  MakeLayer client_layer_, server_layer_;
  uint32_t peer_window_ = 64 * 1024;
};

// A numeric address, for brevity.
[[nodiscard]] net::Address sim_address(const char* ip, uint16_t port);

}  // namespace sluice::support
