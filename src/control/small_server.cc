#include <sluice/control/small_server.h>

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "small_connection.h"

namespace sluice::control {
namespace {

std::string text_of(const Ipv6Bytes& address) {
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_v4 = std::memcmp(address.data(), kMapped.data(), kMapped.size()) == 0;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4 ? AF_INET : AF_INET6, address.data() + (is_v4 ? kMapped.size() : 0), text.data(),
            text.size());
  return text.data();
}

}  // namespace

SmallServer::SmallServer(io::Ring& ring, int listen_fd, std::string_view name,
                         SmallService& service, Logger& log, SmallServerLimits limits,
                         SmallTransport transport)
    : ring_(ring),
      name_(name),
      service_(service),
      log_(log),
      limits_(limits),
      transport_(transport),
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

void SmallServer::leave() {
  is_leaving_ = true;
  closing_.trigger();
  connections_.for_each([](Connection& connection) { connection.leave(); });
}

// What was accepted until the accept has ended is served.
Task<void> SmallServer::let_go() {
  listener_.stop();
  io::Timer pause(ring_.ready(), ring_.timers());
  for (int i = 0; i < kLeavingLooks && !listener_.has_stopped(); ++i) {
    pause.set(Deadline::after(ring_.now(), kLeavingPause));
    co_await io::first_of(&pause);
  }
  while (const int fd = listener_.take()) {
    if (fd > 0) welcome(fd);
  }
  listener_.let_go();
}

void SmallServer::welcome(int fd) {
  if (connection_count_ >= limits_.connections_max) {
    ring_.close(fd);
  } else {
    io::start_detached(serve_connection(fd));
  }
}

Task<void> SmallServer::accept_connections() {
  const shard::Gate::Pass pass = gate_.enter();
  io::Timer pause(ring_.ready(), ring_.timers());
  while (!closing_.is_ready()) {
    co_await io::first_of(&listener_.event(), &closing_);
    int fd = 0;
    while ((fd = listener_.take()) > 0) {
      if (closing_.is_ready() && !is_leaving_) {
        ring_.close(fd);
      } else {
        welcome(fd);
      }
    }
    if (fd < 0 && !closing_.is_ready()) {
      log_.write(LogLevel::kWarn, name_, "cannot accept a connection; trying again shortly");
      pause.set(Deadline::after(ring_.now(), kAcceptPause));
      co_await io::first_of(&pause, &closing_);
      listener_.resume();
    }
  }
  if (is_leaving_) co_await let_go();
}

Task<void> SmallServer::serve_connection(int fd) {
  const shard::Gate::Pass pass = gate_.enter();
  SmallPeer peer;
  if (transport_.is_unix) peer = {.process = net::peer_credentials(fd), .address = "unix"};
  Connection connection(ring_, fd, service_, limits_, transport_);
  if (!transport_.is_unix) {
    if (const auto ip = connection.peer_ip()) peer.address = text_of(*ip);
  }
  connections_.push_back(connection);
  if (is_leaving_) connection.leave();
  ++connection_count_;
  co_await connection.serve(std::move(peer));
  --connection_count_;
}

}  // namespace sluice::control
