#include <sluice/upstream/pool.h>

#include <algorithm>

#include <sluice/net/dialer.h>

#include "tunnel.h"

namespace sluice::upstream {

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    cut();
    connection_ = std::exchange(other.connection_, nullptr);
  }
  return *this;
}

void Lease::check_in() noexcept {
  SLUICE_ASSERT(connection_ != nullptr);
  Connection& connection = *std::exchange(connection_, nullptr);
  connection.pool_.give_back(connection);
}

void Lease::cut() noexcept {
  if (connection_ == nullptr) return;
  Connection& connection = *std::exchange(connection_, nullptr);
  connection.pool_.discard(connection);
}

Pool::Pool(io::Ring& ring, config::PoolLimits limits, metrics::UpstreamCells& cells, Reach reach)
    : ring_(ring),
      limits_(limits),
      cells_(cells),
      reach_(std::move(reach)),
      tunnel_request_(tunnel_request(reach_)),
      reap_timer_(ring.ready(), ring.timers()) {
  reaping_ = true;
  watch_.add(reap_timer_);
  io::start_detached(reap());
}

Pool::~Pool() { SLUICE_ASSERT(is_empty()); }

void Pool::set_addresses(std::vector<net::Address> addresses) { addresses_ = std::move(addresses); }

bool Pool::is_fit(Connection& connection) const noexcept {
  const MonoTime now = ring_.now();
  return connection.stream.is_receiving() && !connection.stream.is_shut_down() &&
         now - connection.opened_at_ < limits_.age_max &&
         now - connection.idle_since_ < limits_.idle_timeout;
}

void Pool::remove_idle(Connection& connection) noexcept {
  connection.unlink();
  watch_.remove(connection.stream.received());
  --idle_count_;
  cells_.connections_idle.sub(1);
}

Lease Pool::take_idle() noexcept {
  while (!idle_.empty()) {
    Connection& connection = idle_.front();
    remove_idle(connection);
    if (is_fit(connection)) {
      ++connection.exchanges_;
      return Lease(connection);
    }
    cells_.idle_closed.add(1);
    discard(connection);
  }
  return {};
}

Task<Result<Lease>> Pool::dial(Deadline deadline, io::Event* gone) {
  if (is_closed_ || open_ >= limits_.connections_max) {
    co_return fail(ErrorCode::kUpstreamConnect, Side::kSelf, Retry::kYes,
                   "pool.connections_max is reached");
  }
  const Result<net::AddressList> addresses = choose_addresses();
  if (!addresses) co_return std::unexpected(addresses.error());
  ++open_;  // Counted while it is being dialled, so that the bound holds.
  const MonoTime started = ring_.now();
  const Result<int> fd = co_await net::dial(ring_, *addresses, {}, deadline, gone);
  if (!fd) {
    --open_;
    co_return std::unexpected(fd.error());
  }
  cells_.connections_opened.add(1);
  cells_.connections_open.add(1);
  cells_.connect.record(ring_.now() - started);
  auto* connection = new Connection(*this, ring_, *fd, ring_.now());
  connection->exchanges_ = 1;
  Lease lease(*connection);
  if (!tunnel_request_.empty()) {
    const Result<void> opened =
        co_await open_tunnel(connection->stream, tunnel_request_, deadline, gone);
    if (!opened) co_return std::unexpected(opened.error());
  }
  if (tls_ != nullptr) {
    const Result<void> secured = co_await secure(*connection, deadline, gone);
    if (!secured) co_return std::unexpected(secured.error());
  }
  connection->stream.start_receive();
  co_return lease;
}

Result<net::AddressList> Pool::choose_addresses() noexcept {
  if (reach_.proxy && !is_target_allowed(reach_)) {
    return fail(ErrorCode::kUpstreamConnect, Side::kSelf, Retry::kYes, "address not allowed");
  }
  return net::choose_addresses(addresses_, reach_.dials_private(), next_address_++);
}

Task<Result<void>> Pool::secure(Connection& connection, Deadline deadline, io::Event* gone) {
  if (!tls_->secure(connection.stream)) {
    co_return fail(ErrorCode::kUpstreamConnect, Side::kSelf, Retry::kYes, "no memory for TLS");
  }
  const Result<void> done = co_await net::handshake(connection.stream, deadline, gone);
  using metrics::TlsOutcome;
  const TlsOutcome outcome =
      connection.stream.is_resumed() ? TlsOutcome::kResumed : TlsOutcome::kFull;
  cells_.tls_handshakes[done ? outcome : TlsOutcome::kFailed].add();
  co_return done;
}

void Pool::give_back(Connection& connection) noexcept {
  // Its tickets have come by now; a connection more than a handshake apart would not be resumed.
  if (tls_ != nullptr && connection.exchanges_ == 1) tls_->remember(connection.stream);
  connection.stream.start_receive();
  // Bytes or a FIN may be there already; then it is of no use.
  const bool is_usable = !is_closed_ && limits_.idle_max > 0 && connection.stream.is_receiving();
  connection.idle_since_ = ring_.now();
  if (!is_usable || !is_fit(connection)) {
    discard(connection);
    return;
  }
  if (idle_count_ >= limits_.idle_max) {
    Connection& oldest = idle_.back();
    remove_idle(oldest);
    cells_.idle_closed.add(1);
    discard(oldest);
  }
  idle_.push_front(connection);
  watch_.add(connection.stream.received());
  ++idle_count_;
  cells_.connections_idle.add(1);
  if (reap_timer_.deadline().is_never()) {
    reap_timer_.set(Deadline::after(ring_.now(), limits_.idle_timeout));
  }
}

void Pool::discard(Connection& connection) noexcept {
  connection.stream.shut_down();
  io::start_detached(close_connection(&connection));
}

Task<void> Pool::close_connection(Connection* connection) {
  co_await connection->stream.close();
  delete connection;
  cells_.connections_open.sub(1);
  --open_;
}

void Pool::reap_once() noexcept {
  MonoTime soonest = MonoTime::max();
  idle_.for_each([&](Connection& connection) {
    if (!is_closed_ && is_fit(connection)) {
      soonest = std::min({soonest, connection.idle_since_ + limits_.idle_timeout,
                          connection.opened_at_ + limits_.age_max});
      return;
    }
    remove_idle(connection);
    cells_.idle_closed.add(1);
    discard(connection);
  });
  reap_timer_.set(Deadline{soonest});
}

Task<void> Pool::reap() {
  while (!is_closed_) {
    co_await watch_;
    reap_once();
  }
  watch_.remove(reap_timer_);
  reaping_ = false;
}

void Pool::close() noexcept {
  is_closed_ = true;
  reap_timer_.trigger();
}

}  // namespace sluice::upstream
