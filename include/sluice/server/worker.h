// A shard's working set: its listener, its connections, its pools, the snapshots it serves.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <sluice/auth/key_messages.h>
#include <sluice/base/byte_budget.h>
#include <sluice/base/log.h>
#include <sluice/crypto/random.h>
#include <sluice/exchange/services.h>
#include <sluice/exchange/shard_state.h>
#include <sluice/exchange/waiting_room.h>
#include <sluice/http/head.h>
#include <sluice/io/block_pool.h>
#include <sluice/io/ring.h>
#include <sluice/io/timer.h>
#include <sluice/json/envelope_reader.h>
#include <sluice/json/field_reader.h>
#include <sluice/net/address_counts.h>
#include <sluice/net/listener.h>
#include <sluice/net/tls.h>
#include <sluice/shard/gate.h>
#include <sluice/shard/mailbox.h>
#include <sluice/shard/shard.h>
#include <sluice/telemetry/record_ring.h>
#include <sluice/upstream/shard_messages.h>

namespace sluice::server {

class Connection;
class Door;
struct Arrival;

// The mailboxes between one shard and the control thread; what is about keys has its own, so that
// neither waits behind the other.
struct ControlLink {
  static constexpr uint32_t kCommandsMax = 64;
  static constexpr uint32_t kReportsMax = 64;
  static constexpr uint32_t kKeyCommandsMax = 64;
  static constexpr uint32_t kKeyReportsMax = 256;
  shard::Mailbox<upstream::ShardCommand> commands{kCommandsMax};
  shard::Mailbox<upstream::ShardReport> reports{kReportsMax};
  shard::Mailbox<auth::KeyCommand> key_commands{kKeyCommandsMax};
  shard::Mailbox<auth::KeyReport> key_reports{kKeyReportsMax};
};

// What a worker is made of; everything outlives it.
struct WorkerParts {
  ShardId shard;
  uint32_t shards = 1;
  int listen_fd = -1;  // Taken over; negative when the sockets come later (ListenToo).
  ControlLink* link = nullptr;
  io::Ring* control_ring = nullptr;  // Woken after a report. May be null in tests.
  ByteBudget* budget = nullptr;
  limit::BankTable* banks = nullptr;
  metrics::ShardCells* cells = nullptr;
  telemetry::RecordRing* records = nullptr;
  exchange::SpendRing* spend = nullptr;     // Null without a journal.
  Logger* log = nullptr;                    // Must not block.
  net::AddressCounts* addresses = nullptr;  // Null: clients are not limited by their address.
  uint64_t descriptors_max = 0;             // That the process may have; 0 is unknown.
  upstream::AdoptSnapshot first;            // Served from the first connection on.
};

// Built, run and destroyed on its shard's thread. Ends the shard's loop once it has drained.
class Worker final : public shard::Program, private limit::ShardWaker {
 public:
  Worker(io::Ring& ring, WorkerParts parts);
  ~Worker() override;

  // io::TurnHook: commands, figures, snapshots that can be given back.
  [[nodiscard]] bool has_work() const noexcept override;
  void run() override;

  // For connections.
  [[nodiscard]] io::Ring& ring() noexcept { return ring_; }
  [[nodiscard]] io::BlockPool& blocks() noexcept { return blocks_; }
  [[nodiscard]] exchange::Services& services() noexcept { return services_; }
  [[nodiscard]] const config::Snapshot& snapshot() const noexcept {
    return services_.generation->config;
  }
  [[nodiscard]] http::HeadLimits head_limits() const noexcept;
  // Null while the listener is plain.
  [[nodiscard]] net::TlsServer* tls() const noexcept { return tls_.get(); }
  [[nodiscard]] net::HandshakePacer& handshakes() noexcept { return handshakes_; }
  [[nodiscard]] Door& door() noexcept { return *door_; }
  // Copies the ring's figures into the metric cells; called once per request.
  void publish_figures() noexcept;
  [[nodiscard]] uint32_t connection_count() const noexcept { return connection_count_; }
  // Where connections go once the successor serves; negative before.
  [[nodiscard]] int successor_channel() const noexcept { return successor_channel_; }

 private:
  // Handshakes that may begin at once after a quiet time, as a part of what a second allows.
  static constexpr double kHandshakeBurstSeconds = 0.1;

  struct NamedPool {
    // Name, authority and what was verified: what makes connections interchangeable.
    std::string identity;
    std::optional<config::UpstreamTls> tls;
    std::unique_ptr<upstream::Pool> pool;
    bool is_closed = false;
  };

  // A socket that is listened on, until it is stopped.
  struct Ear {
    Ear(io::Ring& ring, int fd) : listener(ring, fd), stopped(ring.ready()) {}
    net::Listener listener;
    io::Event stopped;
  };

  // limit::ShardWaker: this shard looks in this turn, others are told through control.
  void wake(ShardId shard) noexcept override;
  void serve_waiting();
  void sweep_leases();
  void hear_of_keys();
  void update_deployments(const upstream::UpdateDeployments& update);

  // Until it is told to stop; frees it.
  Task<void> accept_connections(std::unique_ptr<Ear> ear);
  // Listens on `fd`, too.
  void listen_too(int fd);
  // What is listened on now; connections go on.
  void stop_listening();
  void take(net::PassedConnection passed);
  void welcome(int fd);
  // Until what is short has come back, for a bounded time.
  Task<void> pause_accepting(Ear& ear, metrics::AcceptPause what);
  Task<void> serve_connection(int fd, Arrival arrival,
                              std::unique_ptr<net::PassedConnection> passed = nullptr);
  // With an answer where one can be read and there is room for it.
  void turn_away(int fd, metrics::RefusedConnection reason);
  Task<void> refuse_connection(int fd, std::string_view answer);
  void obey(upstream::ShardCommand& command);
  void adopt(upstream::AdoptSnapshot adoption);
  void adopt_listener(const config::Snapshot& snapshot, std::unique_ptr<net::TlsServer> server);
  [[nodiscard]] upstream::Pool& find_pool(const config::Upstream& upstream,
                                          metrics::UpstreamCells& cells);
  void begin_drain();
  void begin_hand_over(const upstream::BeginHandOver& order);
  // Gives back snapshots and pools that nothing uses any more; ends the loop when drained.
  void retire();
  void close_unused_pools();
  void forget_unused_state();
  void report(upstream::ShardReport report);

  io::Ring& ring_;
  WorkerParts parts_;
  io::BlockPool blocks_;
  json::EnvelopeReader envelope_reader_;
  json::FieldReader field_reader_;
  crypto::RandomSource random_;
  exchange::ShardState state_;
  exchange::WaitingRoom waiting_room_;
  limit::RateLimiter limiter_;
  exchange::GrantRoom grants_;
  exchange::KeyRoom keys_;
  exchange::Services services_;
  io::Timer sweep_timer_;
  shard::Gate gate_;
  std::unique_ptr<Door> door_;
  std::vector<Ear*> ears_;  // The present ones; none once the drain has begun.
  std::unique_ptr<net::TlsServer> tls_;
  net::HandshakePacer handshakes_;
  IntrusiveList<Connection> connections_;
  uint32_t connection_count_ = 0;
  uint32_t refusals_ = 0;
  std::vector<NamedPool> pools_;
  std::vector<std::unique_ptr<exchange::Generation>> generations_;  // The last is the present one.
  io::RingFigures published_;  // What the metric cells know of the ring.
  uint64_t published_overflows_ = 0;
  upstream::PlacesHanded handed_;  // Not reported yet.
  bool has_handed_ = false;
  bool is_woken_ = false;      // A place was handed to this shard.
  bool has_retired_ = false;   // Something may be given back: retire() is worth a look.
  bool is_sweep_due_ = false;  // The timer is set.
  int successor_channel_ = -1;
  bool keeps_listener_ = false;  // The successor has the sockets, too.
  bool is_draining_ = false;
  bool is_drained_ = false;
};

}  // namespace sluice::server
