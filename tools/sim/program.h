// What runs on each shard of the simulated server: it accepts, serves, and ends in order.
#pragma once

#include <atomic>

#include <sluice/net/listener.h>
#include <sluice/shard/gate.h>
#include <sluice/shard/shard.h>

#include "connection.h"

namespace sluice::sim {

class Program final : public shard::Program {
 public:
  // `options`, `shared`, `tape` and `figures` are the process's and must outlive it; takes over
  // `fd`. `tls` may be null.
  Program(io::Ring& ring, uint32_t shard, int fd, const Options& options, SharedStanding& shared,
          const Tape& tape, Figures& figures, std::unique_ptr<net::TlsServer> tls);

  // Any thread; wake the ring afterwards. Open connections are shut down.
  void ask_to_end() noexcept { ends_.store(true, std::memory_order_release); }

  // TurnHook.
  [[nodiscard]] bool has_work() const noexcept override {
    return !is_ending_ && ends_.load(std::memory_order_acquire);
  }
  void run() override;

 private:
  Task<void> accept();
  Task<void> serve(int fd);
  Task<void> end();

  Site site_;
  net::Listener listener_;
  shard::Gate gate_;
  io::Event ending_;
  io::Timer pause_;
  IntrusiveList<Connection> connections_;
  std::atomic<bool> ends_{false};
  bool is_ending_ = false;
};

}  // namespace sluice::sim
