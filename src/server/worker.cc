#include <sluice/server/worker.h>

#include <algorithm>
#include <array>

#include <sluice/crypto/secret.h>
#include <sluice/net/stream.h>

#include "connection.h"
#include "door.h"

namespace sluice::server {
namespace {

// Written to connections above the limit; needs no exchange and no memory.
constexpr std::string_view kRefusal =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "content-type: application/json\r\n"
    "content-length: 143\r\n"
    "retry-after: 1\r\n"
    "connection: close\r\n"
    "\r\n"
    "{\"error\":{\"message\":\"Too many connections. Try again in a moment.\","
    "\"type\":\"service_unavailable_error\",\"param\":null,\"code\":\"server_overloaded\"}}";

// The same to an address that has too many of them.
constexpr std::string_view kAddressRefusal =
    "HTTP/1.1 429 Too Many Requests\r\n"
    "content-type: application/json\r\n"
    "content-length: 150\r\n"
    "retry-after: 1\r\n"
    "connection: close\r\n"
    "\r\n"
    "{\"error\":{\"message\":\"Too many connections from your address. Close some first.\","
    "\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"too_many_connections\"}}";

// Connections being refused at one time; beyond it they are closed without a word.
constexpr uint32_t kRefusalsMax = 64;

// How long a listener that is closed is waited for, and how often it is looked at.
constexpr int kClosingLooks = 100;
constexpr Duration kClosingPause = milliseconds(1);
// The same for one that the successor goes on with: what it accepted must not be lost.
constexpr int kLeavingLooks = 5'000;

}  // namespace

Worker::Worker(io::Ring& ring, WorkerParts parts)
    : ring_(ring),
      parts_(std::move(parts)),
      blocks_(*parts_.budget),
      state_(parts_.shards),
      waiting_room_(parts_.shard, *this),
      limiter_(*parts_.banks, parts_.shard, parts_.shards),
      keys_(parts_.link == nullptr ? nullptr : &parts_.link->key_reports, parts_.control_ring),
      services_{.ring = ring,
                .blocks = blocks_,
                .budget = *parts_.budget,
                .envelope_reader = envelope_reader_,
                .field_reader = field_reader_,
                .random = random_,
                .cells = *parts_.cells,
                .records = *parts_.records,
                .waiting_room = waiting_room_,
                .limiter = limiter_,
                .grants = grants_,
                .keys = keys_,
                .log = *parts_.log,
                .spend = parts_.spend,
                .shard = parts_.shard,
                .control_ring = parts_.control_ring},
      sweep_timer_(ring.ready(), ring.timers()),
      gate_(ring.ready()),
      door_(std::make_unique<Door>(Door::Parts{.ring = ring,
                                               .blocks = blocks_,
                                               .budget = *parts_.budget,
                                               .cells = *parts_.cells,
                                               .log = *parts_.log,
                                               .addresses = parts_.addresses,
                                               .descriptors_max = parts_.descriptors_max})),
      handshakes_(1, 0) {
  adopt(std::move(parts_.first));
  if (parts_.listen_fd >= 0) listen_too(parts_.listen_fd);
}

Worker::~Worker() { SLUICE_ASSERT(gate_.inside() == 0 && pools_.empty()); }

http::HeadLimits Worker::head_limits() const noexcept {
  const config::Limits& limits = snapshot().limits;
  return {.head_bytes_max = limits.head_bytes_max, .header_count_max = limits.header_count_max};
}

void Worker::listen_too(int fd) {
  auto ear = std::make_unique<Ear>(ring_, fd);
  ears_.push_back(ear.get());
  io::start_detached(accept_connections(std::move(ear)));
}

void Worker::stop_listening() {
  for (Ear* ear : std::exchange(ears_, {})) ear->stopped.trigger();
}

void Worker::take(net::PassedConnection passed) {
  const uint32_t connections_max = snapshot().limits.connections_max / parts_.shards;
  if (is_draining_ || connection_count_ >= std::max(1u, connections_max)) {
    ring_.close(passed.fd);
    return;
  }
  const int fd = passed.fd;
  Arrival arrival{.pass = {}, .peer = passed.peer, .has_asked_peer = passed.peer.has_value()};
  const auto refused = passed.peer ? door_->let_in_peer(snapshot(), arrival)
                                   : door_->let_in(snapshot(), fd, arrival);
  if (refused) return ring_.close(fd);
  io::start_detached(serve_connection(fd, std::move(arrival),
                                      std::make_unique<net::PassedConnection>(std::move(passed))));
}

void Worker::welcome(int fd) {
  using metrics::RefusedConnection;
  parts_.cells->connections_accepted.add();
  const uint32_t connections_max = snapshot().limits.connections_max / parts_.shards;
  if (connection_count_ >= std::max(1u, connections_max)) {
    parts_.cells->connections_refused[RefusedConnection::kConnections].add();
    return turn_away(fd, RefusedConnection::kConnections);
  }
  Arrival arrival;
  if (!snapshot().proxy_protocol) {  // Else the balancer will tell who it is.
    const auto refused = door_->let_in(snapshot(), fd, arrival);
    if (refused) return turn_away(fd, *refused);
  }
  io::start_detached(serve_connection(fd, std::move(arrival)));
}

void Worker::turn_away(int fd, metrics::RefusedConnection reason) {
  // Nobody would understand plain text where TLS is expected.
  if (tls_ != nullptr || refusals_ >= kRefusalsMax) return ring_.close(fd);
  const bool is_address = reason == metrics::RefusedConnection::kAddress;
  io::start_detached(refuse_connection(fd, is_address ? kAddressRefusal : kRefusal));
}

Task<void> Worker::pause_accepting(Ear& ear, metrics::AcceptPause what) {
  io::Timer pause(ring_.ready(), ring_.timers());
  ear.listener.pause();
  for (int i = 0; i < Door::kPausesMost && !ear.stopped.is_ready(); ++i) {
    // What is open goes on, new ones wait in the backlog.
    pause.set(Deadline::after(ring_.now(), Door::kPause));
    co_await io::first_of(&pause, &ear.stopped);
    pause.clear();
    if (!door_->is_short(what)) break;
  }
  if (!ear.stopped.is_ready()) ear.listener.resume();
}

Task<void> Worker::accept_connections(std::unique_ptr<Ear> ear) {
  const shard::Gate::Pass pass = gate_.enter();
  io::Timer pause(ring_.ready(), ring_.timers());
  while (!ear->stopped.is_ready()) {
    co_await io::first_of(&ear->listener.event(), &ear->stopped);
    std::optional<metrics::AcceptPause> shortage;
    while (const int fd = ear->listener.take()) {
      if (fd > 0) welcome(fd);
      if (!shortage) shortage = door_->find_shortage(fd);
    }
    if (shortage && !ear->stopped.is_ready()) co_await pause_accepting(*ear, *shortage);
  }
  const bool leaves_socket = keeps_listener_;
  leaves_socket ? ear->listener.stop() : ear->listener.close();
  // The kernel may hand over connections until the accept has ended; a drain does not want them.
  const auto is_wanted = [this] { return !is_draining_ || successor_channel_ >= 0; };
  const int looks = leaves_socket ? kLeavingLooks : kClosingLooks;
  for (int i = 0; i < looks && is_wanted() && !ear->listener.has_stopped(); ++i) {
    pause.set(Deadline::after(ring_.now(), kClosingPause));
    co_await io::first_of(&pause);
  }
  while (const int fd = ear->listener.take()) {
    if (fd < 0) continue;
    // In a drain their clients see a close, as if they had come later.
    is_wanted() ? welcome(fd) : ring_.close(fd);
  }
  ear->listener.let_go();
  has_retired_ = true;
}

Task<void> Worker::serve_connection(int fd, Arrival arrival,
                                    std::unique_ptr<net::PassedConnection> passed) {
  const shard::Gate::Pass pass = gate_.enter();
  ++connection_count_;
  parts_.cells->connections_open.add();
  {
    Connection connection(*this, fd, std::move(arrival));
    connections_.push_back(connection);
    if (is_draining_) {
      successor_channel_ < 0 ? connection.begin_drain() : connection.begin_hand_over();
    }
    co_await connection.serve(std::move(passed));
  }
  --connection_count_;
  parts_.cells->connections_open.sub();
  has_retired_ = true;
}

Task<void> Worker::refuse_connection(int fd, std::string_view answer) {
  const shard::Gate::Pass pass = gate_.enter();
  ++refusals_;
  net::Stream stream(ring_, fd, Side::kDownstream);
  io::Timer timer(ring_.ready(), ring_.timers());
  timer.set(Deadline::after(ring_.now(), seconds(1)));
  stream.start_send({&answer, 1});
  stream.start_receive();
  // Waits for the client's first bytes or its leaving, so that no reset overtakes the answer.
  co_await io::first_of(&stream.received(), &timer);
  co_await stream.close();
  --refusals_;
  has_retired_ = true;
}

bool Worker::has_work() const noexcept {
  const bool can_release = generations_.size() > 1 && generations_.front()->pins == 0;
  return has_retired_ || is_woken_ || (limiter_.has_leases() && !is_sweep_due_) ||
         sweep_timer_.is_ready() || has_handed_ || keys_.has_unsent() || state_.has_news() ||
         can_release || parts_.link->commands.has_message() ||
         parts_.link->key_commands.has_message();
}

void Worker::run() {
  while (std::optional<upstream::ShardCommand> command = parts_.link->commands.pop()) {
    obey(*command);
  }
  hear_of_keys();
  serve_waiting();
  sweep_leases();
  has_retired_ = false;
  retire();
}

void Worker::publish_figures() noexcept {
  const io::RingFigures& figures = ring_.figures();
  metrics::ShardCells& cells = *parts_.cells;
  cells.loop_turns.add(figures.turns - published_.turns);
  cells.buffers_starved.add(figures.starved - published_.starved);
  cells.cq_overflows.add(ring_.overflows() - published_overflows_);
  cells.buffers_in_use.set(ring_.buffers().in_use());
  published_ = figures;
  published_overflows_ = ring_.overflows();
}

void Worker::wake(ShardId shard) noexcept {
  if (shard == parts_.shard) {
    is_woken_ = true;
    return;
  }
  handed_.shards[shard.value / 64] |= uint64_t{1} << shard.value % 64;
  has_handed_ = true;
}

void Worker::serve_waiting() {
  // Serving may hand what nobody here can use on to another shard.
  if (std::exchange(is_woken_, false)) waiting_room_.distribute();
  // Both gather while control is behind, so that its mailbox always has room for the rest.
  if (!parts_.link->reports.has_room(ControlLink::kReportsMax / 2)) return;
  if (std::exchange(has_handed_, false)) report(std::exchange(handed_, {}));
  if (state_.take_news()) report(upstream::HealthChanged{});
}

void Worker::sweep_leases() {
  if (sweep_timer_.is_ready()) {
    sweep_timer_.clear();
    is_sweep_due_ = false;
    limiter_.sweep(ring_.now());
  }
  if (limiter_.has_leases() && !is_sweep_due_) {
    is_sweep_due_ = true;
    sweep_timer_.set(Deadline::after(ring_.now(), limit::RateLimiter::kSweepPeriod));
  }
}

void Worker::update_deployments(const upstream::UpdateDeployments& update) {
  exchange::Generation& present = *generations_.back();
  if (present.config.generation != update.generation) return;
  for (size_t i = 0; i < update.news.size() && i < present.deployments.size(); ++i) {
    present.deployments[i]->apply(update.news[i], ring_.now());
  }
}

void Worker::obey(upstream::ShardCommand& command) {
  if (auto* adoption = std::get_if<upstream::AdoptSnapshot>(&command)) {
    adopt(std::move(*adoption));
  } else if (auto* update = std::get_if<upstream::UpdateAddresses>(&command)) {
    exchange::Generation& present = *generations_.back();
    if (present.config.generation != update->generation) return;
    present.pools[update->upstream.value]->set_addresses(std::move(update->addresses));
  } else if (const auto* turn = std::get_if<upstream::UpdateTicketKeys>(&command)) {
    if (tls_ != nullptr) tls_->set_ticket_keys(turn->keys);
  } else if (const auto* news = std::get_if<upstream::UpdateDeployments>(&command)) {
    update_deployments(*news);
  } else if (std::holds_alternative<upstream::LookForPlaces>(command)) {
    is_woken_ = true;
  } else if (std::holds_alternative<upstream::GrantsCame>(command)) {
    grants_.answer();
  } else if (const auto* more = std::get_if<upstream::ListenToo>(&command)) {
    is_draining_ ? ring_.close(more->fd) : listen_too(more->fd);
  } else if (auto* passed = std::get_if<upstream::TakeConnection>(&command)) {
    take(std::move(passed->connection));
  } else if (const auto* order = std::get_if<upstream::BeginHandOver>(&command)) {
    begin_hand_over(*order);
  } else if (std::holds_alternative<upstream::BeginDrain>(command)) {
    begin_drain();
  } else if (std::holds_alternative<upstream::CutStreams>(command)) {
    connections_.for_each([](Connection& connection) { connection.cut(); });
  } else if (std::holds_alternative<upstream::KillStreams>(command)) {
    connections_.for_each([](Connection& connection) { connection.kill(); });
  }
}

void Worker::hear_of_keys() {
  while (std::optional<auth::KeyCommand> command = parts_.link->key_commands.pop()) {
    if (const auto* adopted = std::get_if<auth::AdoptDirectory>(&*command)) {
      keys_.adopt(*adopted);
    } else if (auto* answered = std::get_if<std::unique_ptr<auth::LookupAnswered>>(&*command)) {
      keys_.take(std::move(**answered), ring_.now());
    }
  }
  keys_.flush();
}

upstream::Pool& Worker::find_pool(const config::Upstream& upstream, metrics::UpstreamCells& cells) {
  const std::string identity = upstream.name + ' ' + upstream.endpoint.authority;
  for (NamedPool& named : pools_) {
    if (named.identity != identity || named.tls != upstream.tls || named.is_closed) continue;
    if (named.pool->reach() != upstream::reach_of(upstream)) continue;
    named.pool->set_limits(upstream.pool);
    return *named.pool;
  }
  pools_.push_back({identity, upstream.tls,
                    std::make_unique<upstream::Pool>(ring_, upstream.pool, cells,
                                                     upstream::reach_of(upstream))});
  return *pools_.back().pool;
}

void Worker::adopt_listener(const config::Snapshot& snapshot,
                            std::unique_ptr<net::TlsServer> server) {
  // Handshakes under way go on with the certificates that they began with.
  tls_ = std::move(server);
  if (!snapshot.tls) return;
  const double rate =
      std::max(1.0, double{1} * snapshot.tls->handshakes_per_second / parts_.shards);
  handshakes_ = net::HandshakePacer(rate, static_cast<uint32_t>(rate * kHandshakeBurstSeconds));
}

void Worker::adopt(upstream::AdoptSnapshot adoption) {
  const config::Snapshot& snapshot = *adoption.snapshot;
  auto generation = std::make_unique<exchange::Generation>(snapshot, std::move(adoption.cells),
                                                           std::move(adoption.places), state_,
                                                           parts_.shard, ring_.clock());
  for (size_t i = 0; i < snapshot.upstreams.size(); ++i) {
    upstream::Pool& pool = find_pool(
        snapshot.upstreams[i], generation->cells.upstream(UpstreamId{static_cast<uint32_t>(i)}));
    if (i < adoption.addresses.size()) pool.set_addresses(std::move(adoption.addresses[i]));
    if (i < adoption.tls.clients.size()) pool.set_tls(std::move(adoption.tls.clients[i]));
    generation->pools.push_back(&pool);
  }
  adopt_listener(snapshot, std::move(adoption.tls.server));
  if (adoption.listen_fd >= 0 && is_draining_) {
    ring_.close(adoption.listen_fd);
  } else if (adoption.listen_fd >= 0) {
    stop_listening();
    listen_too(adoption.listen_fd);
  }
  if (!generations_.empty()) generation->router.take_positions(generations_.back()->router);
  generations_.push_back(std::move(generation));
  services_.generation = generations_.back().get();
  keys_.follow(snapshot);
  has_retired_ = true;
}

void Worker::begin_drain() {
  if (is_draining_) return;
  is_draining_ = services_.is_draining = true;
  stop_listening();
  connections_.for_each([](Connection& connection) { connection.begin_drain(); });
  has_retired_ = true;
}

// Requests of which bytes were read over TLS can be answered here alone: they are let in.
void Worker::begin_hand_over(const upstream::BeginHandOver& order) {
  if (is_draining_) return;
  is_draining_ = true;
  successor_channel_ = order.channel;
  keeps_listener_ = order.keeps_listener;
  stop_listening();
  connections_.for_each([](Connection& connection) { connection.begin_hand_over(); });
  has_retired_ = true;
}

void Worker::close_unused_pools() {
  const bool is_idle = is_draining_ && connection_count_ == 0;
  for (NamedPool& named : pools_) {
    const bool is_used = !is_idle && std::ranges::any_of(generations_, [&](const auto& generation) {
      return std::ranges::find(generation->pools, named.pool.get()) != generation->pools.end();
    });
    if (!is_used && !named.is_closed) {
      named.is_closed = true;
      named.pool->close();
    }
  }
  std::erase_if(pools_,
                [](const NamedPool& named) { return named.is_closed && named.pool->is_empty(); });
  // A closed pool empties within a few turns; looked at again in each of them.
  if (std::ranges::any_of(pools_, &NamedPool::is_closed)) has_retired_ = true;
}

void Worker::forget_unused_state() {
  const auto is_used = [this](auto list, const auto& item) {
    return std::ranges::any_of(generations_, [&](const auto& generation) {
      return std::ranges::find((*generation).*list, &item) != ((*generation).*list).end();
    });
  };
  state_.forget_unused(
      [&](const exchange::Deployment& item) {
        return is_used(&exchange::Generation::deployments, item);
      },
      [&](const exchange::ModelFlow& item) { return is_used(&exchange::Generation::flows, item); });
}

void Worker::retire() {
  // Oldest first; the present generation stays.
  for (size_t i = 0; i + 1 < generations_.size();) {
    if (generations_[i]->pins > 0) {
      ++i;
      continue;
    }
    const uint64_t number = generations_[i]->config.generation;
    for (std::string& fields : generations_[i]->request_fields) {
      crypto::wipe(fields.data(), fields.size());  // They hold the upstreams' credentials.
    }
    generations_.erase(generations_.begin() + static_cast<ptrdiff_t>(i));
    report(upstream::SnapshotReleased{number});
    forget_unused_state();
  }
  close_unused_pools();
  if (is_draining_ && gate_.inside() == 0 && pools_.empty() && !is_drained_) {
    is_drained_ = true;
    report(upstream::ShardDrained{});
    ring_.stop();
  }
}

void Worker::report(upstream::ShardReport report) {
  // A full mailbox would mean that control is stuck; it holds more than a reload can produce.
  SLUICE_ASSERT(parts_.link->reports.push(std::move(report)));
  if (parts_.control_ring != nullptr) parts_.control_ring->wake();
}

}  // namespace sluice::server
