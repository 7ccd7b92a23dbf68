#include <sluice/control/small_server.h>

#include "small_connection.h"

namespace sluice::control {

SmallServer::SmallServer(io::Ring& ring, int listen_fd, std::string_view name,
                         SmallService& service, Logger& log, SmallServerLimits limits)
    : ring_(ring),
      name_(name),
      service_(service),
      log_(log),
      limits_(limits),
      gate_(ring.ready()),
      listener_(ring, listen_fd),
      closing_(ring.ready()) {
  io::start_detached(accept_connections());
}

SmallServer::~SmallServer() { SLUICE_ASSERT(is_closed()); }

Task<void> SmallServer::close() {
  closing_.trigger();
  listener_.close();
  connections_.for_each([](Connection& connection) { connection.cut(); });
  while (!is_closed()) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied());
  }
}

Task<void> SmallServer::accept_connections() {
  const shard::Gate::Pass pass = gate_.enter();
  io::Timer pause(ring_.ready(), ring_.timers());
  while (!closing_.is_ready()) {
    co_await io::first_of(&listener_.event(), &closing_);
    int fd = 0;
    while ((fd = listener_.take()) > 0) {
      if (closing_.is_ready() || connection_count_ >= limits_.connections_max) {
        ring_.close(fd);
      } else {
        io::start_detached(serve_connection(fd));
      }
    }
    if (fd < 0 && !closing_.is_ready()) {
      log_.write(LogLevel::kWarn, name_, "cannot accept a connection; trying again shortly");
      pause.set(Deadline::after(ring_.now(), kAcceptPause));
      co_await io::first_of(&pause, &closing_);
      listener_.resume();
    }
  }
}

Task<void> SmallServer::serve_connection(int fd) {
  const shard::Gate::Pass pass = gate_.enter();
  Connection connection(ring_, fd, service_, limits_);
  connections_.push_back(connection);
  ++connection_count_;
  co_await connection.serve();
  --connection_count_;
}

}  // namespace sluice::control
