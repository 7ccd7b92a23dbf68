#include "sim_world.h"

#include <sluice/base/assert.h>

namespace sluice::support {

net::Address sim_address(const char* ip, uint16_t port) {
  const std::optional<net::Address> address = net::parse_address(ip, port);
  SLUICE_ASSERT(address.has_value());
  return *address;
}

net::Address SimWorld::client_address() { return sim_address("10.0.2.1", 50'000); }

void SimWorld::start_connect(SimPeer& peer, const net::Address& address) {
  const auto done = [this, &peer](End* end, int) {
    if (end != nullptr) {
      peer.attach(*end, peer_window_);
    } else {
      peer.refuse();
    }
  };
  const bool is_placed = peer.address().length > 0;
  net_.connect(address, peer_window_, done, is_placed ? peer.address() : client_address());
}

SimListener& SimWorld::serve(const net::Address& address, MakePeer make) {
  SimListener* listener = net_.listen(address, false);
  SLUICE_ASSERT(listener != nullptr);
  listener->on_accept = [this, make = std::move(make)](End& end) {
    SimPeer& peer = make();
    if (server_layer_) peer.set_layer(server_layer_());
    peer.attach(end, peer_window_);
  };
  return *listener;
}

bool SimWorld::run_until(io::Ring& ring, const std::function<bool()>& is_done, uint64_t turns_max) {
  kernel_.set_stop(&is_done);
  bool is_over = is_done();
  for (uint64_t turns = 0; !is_over; ++turns) {
    if (turns > 0 && kernel_.is_stuck()) {
      ADD_FAILURE() << "stuck: nothing is scheduled, and what is armed waits for ever"
                    << kernel_.describe();
      break;
    }
    if (turns == turns_max) {
      ADD_FAILURE() << "not done after " << turns_max << " turns" << kernel_.describe();
      break;
    }
    ring.turn();
    is_over = is_done();
  }
  kernel_.set_stop(nullptr);
  return is_over;
}

bool SimWorld::run_for(io::Ring& ring, Duration duration) {
  bool has_passed = false;
  after(duration, [&has_passed] { has_passed = true; });
  return run_until(ring, [&has_passed] { return has_passed; });
}

}  // namespace sluice::support
