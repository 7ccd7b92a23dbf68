// Connections to one upstream, kept open between exchanges. One pool per upstream and shard.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/config/snapshot.h>
#include <sluice/io/task.h>
#include <sluice/io/watch_set.h>
#include <sluice/metrics/cells.h>
#include <sluice/net/address_choice.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls.h>
#include <sluice/upstream/reach.h>

namespace sluice::upstream {

class Pool;

// One connection. While idle it keeps a receive armed, so that the upstream's FIN, or bytes that
// nobody asked for, take it out of the pool before it is used.
class Connection : private ListLink {
 public:
  Connection(Pool& pool, io::Ring& ring, int fd, MonoTime opened_at) noexcept
      : stream(ring, fd, Side::kUpstream), pool_(pool), opened_at_(opened_at) {}

  net::Stream stream;
  // Whether it has carried an exchange before; then a loss before the first byte may be a race
  // with the upstream's own idle timeout.
  [[nodiscard]] bool is_reused() const noexcept { return exchanges_ > 1; }

 private:
  friend class Pool;
  friend class Lease;
  friend class IntrusiveList<Connection>;
  Pool& pool_;
  MonoTime opened_at_;
  MonoTime idle_since_;
  uint32_t exchanges_ = 0;
};

// A connection checked out of its pool. Dropped without check_in() it is cut: shut down in this
// turn, which is how a generation is cancelled upstream. Move-only.
class Lease {
 public:
  Lease() noexcept = default;
  explicit Lease(Connection& connection) noexcept : connection_(&connection) {}
  Lease(Lease&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() {
    if (is_held()) cut();
  }

  [[nodiscard]] bool is_held() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] Connection& operator*() const noexcept { return *connection_; }
  [[nodiscard]] Connection* operator->() const noexcept { return connection_; }

  // Gives the connection back for the next exchange: its answer was read to the end, and nothing
  // is in flight but perhaps the receive.
  void check_in() noexcept;
  // Cuts the connection now. No send may be in flight: await it after shut_down() first.
  void cut() noexcept;

 private:
  Connection* connection_ = nullptr;
};

// Lives as long as any of its connections; close() and await is_empty() before destroying it.
class Pool {
 public:
  Pool(io::Ring& ring, config::PoolLimits limits, metrics::UpstreamCells& cells, Reach reach);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void set_limits(config::PoolLimits limits) noexcept { limits_ = limits; }
  // What new connections are dialled to; open ones live on.
  void set_addresses(std::vector<net::Address> addresses);
  // What new connections are secured with, null for plain ones; open ones live on.
  void set_tls(std::unique_ptr<net::TlsClient> tls) noexcept { tls_ = std::move(tls); }

  // The connection given back last, or an empty lease when none is idle. Does not suspend.
  [[nodiscard]] Lease take_idle() noexcept;
  // A fresh connection, the way through a proxy and the TLS handshake included; kUpstreamConnect
  // above `connections_max`, and when no known address may be dialled (D61). Suspends.
  Task<Result<Lease>> dial(Deadline deadline, io::Event* gone);

  [[nodiscard]] const Reach& reach() const noexcept { return reach_; }
  [[nodiscard]] uint32_t open_count() const noexcept { return open_; }
  [[nodiscard]] uint32_t idle_count() const noexcept { return idle_count_; }

  // Closes idle connections and ends the reaper; those checked out are cut as they come back.
  void close() noexcept;
  // Whether nothing of the pool runs any more.
  [[nodiscard]] bool is_empty() const noexcept { return open_ == 0 && !reaping_; }

 private:
  friend class Lease;
  [[nodiscard]] Result<net::AddressList> choose_addresses() noexcept;
  Task<Result<void>> secure(Connection& connection, Deadline deadline, io::Event* gone);
  void give_back(Connection& connection) noexcept;
  void discard(Connection& connection) noexcept;
  Task<void> close_connection(Connection* connection);
  // Closes idle connections that were lost, are too old or idle for too long.
  Task<void> reap();
  void reap_once() noexcept;
  [[nodiscard]] bool is_fit(Connection& connection) const noexcept;
  void remove_idle(Connection& connection) noexcept;

  io::Ring& ring_;
  config::PoolLimits limits_;
  metrics::UpstreamCells& cells_;
  const Reach reach_;
  const std::string tunnel_request_;  // Empty without a proxy.
  std::vector<net::Address> addresses_;
  std::unique_ptr<net::TlsClient> tls_;
  uint32_t next_address_ = 0;
  IntrusiveList<Connection> idle_;  // Most recently used first.
  uint32_t idle_count_ = 0;
  uint32_t open_ = 0;
  bool is_closed_ = false;
  bool reaping_ = false;
  io::WatchSet watch_;
  io::Timer reap_timer_;
};

}  // namespace sluice::upstream
