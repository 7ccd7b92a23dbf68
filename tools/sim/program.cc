#include "program.h"

namespace sluice::sim {

Program::Program(io::Ring& ring, uint32_t shard, int fd, const Options& options,
                 SharedStanding& shared, const Tape& tape, Figures& figures,
                 std::unique_ptr<net::TlsServer> tls)
    : site_{.options = options,
            .shared = shared,
            .tape = tape,
            .figures = figures,
            .counts = figures.of_shard(shard),
            .ring = ring,
            .next_number = (uint64_t{shard} << 48) + 1,
            .envelope = {},
            .tls = std::move(tls),
            .draws = scatter(options.seed ^ scatter(shard)),
            .slots = {}},
      listener_(ring, fd),
      gate_(ring.ready()),
      ending_(ring.ready()),
      pause_(ring.ready(), ring.timers()) {
  io::start_detached(accept());
}

Task<void> Program::accept() {
  const shard::Gate::Pass pass = gate_.enter();
  while (!is_ending_) {
    co_await io::first_of(&listener_.event(), &ending_);
    if (is_ending_) break;
    for (int fd = listener_.take(); fd != 0; fd = listener_.take()) {
      if (fd > 0) {
        io::start_detached(serve(fd));
        continue;
      }
      // Out of descriptors, most likely; some come back as connections close.
      pause_.set(Deadline::after(site_.ring.now(), milliseconds(20)));
      co_await io::first_of(&pause_, &ending_);
      pause_.clear();
      if (!is_ending_) listener_.resume();
      break;
    }
  }
}

Task<void> Program::serve(int fd) {
  const shard::Gate::Pass pass = gate_.enter();
  ShardFigures::add(site_.counts.connections_accepted);
  {
    Connection connection(site_, fd);
    connections_.push_back(connection);
    co_await connection.serve();
  }
  ShardFigures::add(site_.counts.connections_closed);
}

void Program::run() {
  if (!has_work()) return;
  is_ending_ = true;
  ending_.trigger();
  listener_.close();
  connections_.for_each([](Connection& connection) { connection.shut_down(); });
  io::start_detached(end());
}

Task<void> Program::end() {
  while (gate_.inside() > 0) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
  site_.ring.stop();
}

}  // namespace sluice::sim
