// The one thread beside the shards: signals, reloads, names, drains, and the clock of slow work.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sluice/base/byte_budget.h>
#include <sluice/base/log.h>
#include <sluice/config/environment.h>
#include <sluice/config/loader.h>
#include <sluice/control/address_book.h>
#include <sluice/control/budget_seed.h>
#include <sluice/control/certificate_watch.h>
#include <sluice/control/config_work.h>
#include <sluice/control/deployment_book.h>
#include <sluice/control/discovery.h>
#include <sluice/control/drain.h>
#include <sluice/control/file_watch.h>
#include <sluice/control/health_watch.h>
#include <sluice/control/key_service.h>
#include <sluice/control/limit_reconciler.h>
#include <sluice/control/listen_sockets.h>
#include <sluice/control/log_work.h>
#include <sluice/control/operations.h>
#include <sluice/control/outlier_watch.h>
#include <sluice/control/place_table.h>
#include <sluice/control/predecessor_watch.h>
#include <sluice/control/publisher.h>
#include <sluice/control/shard_port.h>
#include <sluice/control/spend_journal.h>
#include <sluice/control/stats_reconciler.h>
#include <sluice/control/tls_files.h>
#include <sluice/control/tls_profiles.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/limit/bank_table.h>
#include <sluice/metrics/registry.h>
#include <sluice/shard/gate.h>
#include <sluice/store/redis_client.h>

namespace sluice::control {

// Everything outlives the control thread. The ring belongs to the thread that calls run().
struct ControlParts {
  io::Ring& ring;
  io::OffloadReturns& returns;
  io::Lane& config_lane;  // Reads and validates files.
  net::Resolver& resolver;
  metrics::Registry& registry;
  ByteBudget& budget;
  Logger& log;
  LogWork& log_work;
  const config::Environment& environment;
  std::string config_path;
  std::span<ShardPort> ports;
  limit::BankTable* banks = nullptr;  // Null in tests without limits.
  SpendJournal* spend = nullptr;      // Null without a journal.
  UsageLog* usage = nullptr;          // Null without a usage log.
  KeyService* keys = nullptr;         // Null in tests without keys of a store or a source.
  int signal_fd = -1;                 // A signalfd, not taken over; negative in tests.
  ListenSockets* sockets = nullptr;   // Null in tests: nothing is listened on.
  Succession* succession = nullptr;   // Null in tests: there are no upgrades.
  // Redis and idle counts are the predecessor's business until begin_limits().
  bool has_predecessor = false;
};

// A configuration that was loaded to be put into force.
struct LoadedCandidate {
  LoadedWithTls loaded;
  std::string checksum;
  std::vector<std::string> changes;  // To what is in force.
};

// Waits for nothing but its ring. How late its ticks run is a metric.
class ControlThread final : public Operations, public ConfigWork, public io::TurnHook {
 public:
  static constexpr int kExitDrained = 0;
  static constexpr int kExitStuck = 3;  // A shard did not end; an error line says which.
  // How long start-up and a reload wait for the names of upstreams.
  static constexpr Duration kResolveTime = seconds(5);

  explicit ControlThread(ControlParts parts);
  ~ControlThread() override;

  // The first configuration with its TLS files, as each shard is to be given it, by ShardId. Turns
  // the ring until names are known, at most kResolveTime, and Redis has answered, at most
  // LimitReconciler::kMeetingMost. Once, before run(). The error has cause and remedy.
  [[nodiscard]] std::expected<std::vector<upstream::AdoptSnapshot>, std::string> publish_first(
      std::unique_ptr<config::Snapshot> snapshot, TlsFiles files = {});

  // The text that the first configuration came from; once, before serve().
  void remember_first(std::string text, std::vector<config::TextPlace> secrets);

  // Until every shard has drained, or a second signal asks for an end at once. Returns the exit
  // status, which is 128 and the signal's number in that case. Once.
  [[nodiscard]] int serve();

  // Whether a call to the outside hangs on a lane, which then cannot be joined soon.
  [[nodiscard]] bool has_hanging_lane() const noexcept {
    return is_reloading_ || is_looking_ || (parts_.keys != nullptr && parts_.keys->is_busy());
  }

  // Operations.
  Task<ReloadOutcome> reload(std::string_view asked_by) override;
  bool begin_drain(std::string_view asked_by) override;
  [[nodiscard]] bool is_draining() const override { return drain_.has_begun(); }
  Task<UpgradeOutcome> upgrade(Duration patience, std::string_view asked_by) override;

  // The successor is ready: the shards admit nothing any more, pass idle connections on, and drain.
  // Records of the shards go to `heir`, which outlives the control thread.
  void begin_hand_over(upstream::BeginHandOver order, SpendHeir& heir);
  [[nodiscard]] bool is_handed_over() const noexcept { return is_handed_over_; }
  // For the successor, once, before serve(): the predecessor admits nothing any more.
  void begin_limits();
  // What it still sends: connections for the shards, and records of what it serves to the end. The
  // channels are taken over.
  void follow_predecessor(int connections, int records);
  [[nodiscard]] const config::Snapshot& snapshot() const override { return publisher_.present(); }

  [[nodiscard]] UpstreamState upstream_state(UpstreamId upstream) const override;
  [[nodiscard]] SpendState spend_state() const override;
  bool order(std::string_view upstream, UpstreamOrder order, Duration length,
             std::string_view asked_by) override;

  // ConfigWork.
  Task<ReloadOutcome> reload(ReloadRequest request) override;
  Task<CandidateOutcome> check(std::string text) override;
  Task<std::string> shown_text() override;
  [[nodiscard]] const ConfigHistory& history() const override { return history_; }
  [[nodiscard]] uint64_t reloads() const override { return reloads_; }
  [[nodiscard]] LogLevel log_level() const override {
    return log_level_.value_or(snapshot().log.level);
  }
  void set_log_level(LogLevel level, std::string_view asked_by) override;

  // io::TurnHook: reports of the shards, and what lanes have finished.
  [[nodiscard]] bool has_work() const noexcept override;
  void run() override;

  [[nodiscard]] const Publisher& publisher() const noexcept { return publisher_; }
  [[nodiscard]] const CertificateWatch& certificates() const noexcept { return certificates_; }

 private:
  static constexpr Duration kBusyTick = milliseconds(50);  // While records come, or a drain runs.
  // Short enough that a shard's ring holds what a burst brings until the first tick sees it.
  static constexpr Duration kIdleTick = milliseconds(200);
  // A shard whose ring fills up wakes this thread, which then collects at once, but not for every
  // single record of a busy shard.
  static constexpr Duration kCollectGap = milliseconds(5);
  static constexpr uint32_t kQuietTicks = 20;                  // Busy ticks without a record.
  static constexpr Duration kCertificatePeriod = seconds(60);  // Of looks at what expires.
  static constexpr Duration kEndTime = seconds(2);  // For own tasks to end after the drain.

  Task<void> prepare_first(std::unique_ptr<config::Snapshot> snapshot, PreparedTls tls,
                           std::vector<upstream::AdoptSnapshot>* adoptions);
  Task<ReloadOutcome> load_and_publish(const ReloadRequest& request);
  // False after `outcome` says why it cannot be.
  Task<bool> put_to_use(const ReloadRequest& request, LoadedCandidate& candidate,
                        ReloadOutcome& outcome);
  void remember(const ReloadRequest& request, LoadedCandidate& candidate);
  [[nodiscard]] ConfigVersion copy_of_newest() const;  // For a lane.
  // Replaces the configuration's file; the error is a sentence, "" when it was done.
  Task<std::string> write_file(std::string text);
  // Why nothing can be put into force now; "" when it can.
  [[nodiscard]] std::string why_busy() const;
  Task<void> look_at_files();
  // By a signal or a file's change; noted in the audit log, where admin calls note themselves.
  // `watched` is the file whose change it is, "" for a signal.
  Task<void> reload_unasked(ReloadRequest request, std::string watched);
  void watch_files();
  // Loads the servers that discovery has found.
  Task<void> reload_found();
  // Reloads until no signal has come meanwhile.
  Task<void> reload_on_signal();
  void report(const ReloadOutcome& outcome, const ReloadRequest& request);
  void put_in_force(std::unique_ptr<config::Snapshot> snapshot, PreparedTls tls,
                    std::vector<upstream::AdoptSnapshot>* adoptions,
                    const std::vector<AddressBook::Addresses>& addresses);

  // Of Redis, if it is configured, and of the banks; with Redis also what gateways tell each other
  // of deployments. The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> start_limits();
  Task<void> meet_redis();
  Task<void> end_limits();
  void pass_on_grants();
  Task<void> end_own_tasks();
  Task<void> watch_signals();
  Task<void> upgrade_on_signal();
  void on_signal(uint32_t signal);
  Task<void> tick();
  // Until the next tick.
  [[nodiscard]] Duration tick_length() const noexcept;
  void collect_records();
  void refresh_addresses();
  void watch_certificates();
  [[nodiscard]] bool is_behind() const noexcept;  // Something waits for room in a mailbox.
  void watch_deployments();
  void merge_deployments();
  void pass_on(const upstream::PlacesHanded& handed);
  void advance_drain();
  template <class Command>
  void send_to_all(const Command& command);
  void send_drain(upstream::DrainCommand command);
  void turn_ticket_keys();

  ControlParts parts_;
  Publisher publisher_;
  PlaceTable places_;
  std::vector<PlaceBank*> upstream_places_;  // By UpstreamId; null without a limit.
  DeploymentBook deployments_;
  HealthWatch health_;
  OutlierWatch outliers_;
  Discovery discovery_;
  AddressBook addresses_;
  TicketRotation tickets_;
  net::SystemAuthorities authorities_;  // Used on the config lane, by one job at a time.
  CertificateWatch certificates_;
  std::unique_ptr<store::RedisClient> redis_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<LimitReconciler> limits_;
  std::unique_ptr<StatsBoard> board_;
  std::unique_ptr<StatsReconciler> stats_;  // Null without Redis.
  Drain drain_;
  shard::Gate gate_;
  io::Timer tick_timer_;
  io::Event hurried_;  // The tick must run now.
  io::Event signals_over_;
  PredecessorWatch predecessor_;
  Deadline next_certificate_look_;
  MonoTime collected_at_;
  uint32_t quiet_ticks_ = 0;  // In a row without records.
  ConfigHistory history_;
  FileWatch files_;
  std::optional<LogLevel> log_level_;  // That an operator has set.
  uint64_t reloads_ = 0;
  bool is_looking_ = false;  // At watched files, on the lane.
  bool is_reloading_ = false;
  bool is_upgrading_ = false;
  bool is_handed_over_ = false;
  bool was_told_to_drain_ = false;  // After it was handed over.
  bool misses_successor_ = false;
  bool limits_are_over_ = false;
  bool reload_again_ = false;
  int ending_signal_ = 0;  // The second one.
};

}  // namespace sluice::control
