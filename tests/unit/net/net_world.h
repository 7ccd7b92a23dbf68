// A simulated world with a ring, for tests of what moves bytes.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include <sluice/net/dialer.h>
#include <sluice/net/stream.h>

#include "sim_world.h"

namespace sluice::net {

class NetWorld : public testing::Test {
 protected:
  static Address a() { return support::sim_address("10.0.0.1", 80); }
  static Address b() { return support::sim_address("10.0.0.2", 80); }

  void serve(const Address& address) {
    world_.serve(address, [this]() -> support::SimPeer& {
      support::SimPeer& peer = world_.adopt();
      peers_.push_back(&peer);
      return peer;
    });
  }
  Task<void> dial_task(AddressList addresses, Deadline deadline, io::Event* gone) {
    dialled_.emplace(co_await dial(ring_, addresses, {}, deadline, gone));
  }
  // Begins; the outcome is in `dialled_` once there is one.
  void start_dial(std::initializer_list<Address> addresses, Duration patience = seconds(1),
                  io::Event* gone = nullptr) {
    AddressList list;
    for (const Address& address : addresses) list.entries[list.count++] = address;
    dialled_.reset();
    io::start_detached(dial_task(list, Deadline::after(ring_.now(), patience), gone));
  }
  bool run_until(const std::function<bool()>& is_done) { return world_.run_until(ring_, is_done); }
  int dial_now() {
    start_dial({a()});
    EXPECT_TRUE(run_until([this] { return dialled_.has_value(); }));
    return dialled_->value();
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 64, .most = 64}};
  std::vector<support::SimPeer*> peers_;
  std::optional<Result<int>> dialled_;
};

}  // namespace sluice::net
