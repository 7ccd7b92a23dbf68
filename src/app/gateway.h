// The whole gateway: every object of the process, built in this order and taken down in reverse.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/admin/admin_server.h>
#include <sluice/base/byte_budget.h>
#include <sluice/base/clock.h>
#include <sluice/config/loader.h>
#include <sluice/control/budget_seed.h>
#include <sluice/control/control_thread.h>
#include <sluice/control/key_port.h>
#include <sluice/control/key_service.h>
#include <sluice/control/listen_sockets.h>
#include <sluice/control/metrics_service.h>
#include <sluice/control/record_logs.h>
#include <sluice/control/shard_port.h>
#include <sluice/control/small_server.h>
#include <sluice/control/spend_journal.h>
#include <sluice/control/tls_files.h>
#include <sluice/control/usage_log.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/limit/bank_table.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/address_counts.h>
#include <sluice/net/system_resolver.h>
#include <sluice/server/worker.h>
#include <sluice/shard/shard.h>
#include <sluice/telemetry/line_file.h>
#include <sluice/telemetry/log_sink.h>

#include "passed_sockets.h"
#include "ports.h"
#include "predecessor.h"
#include "sandbox_files.h"
#include "service_notice.h"
#include "starter.h"
#include "upgrade.h"

namespace sluice::app {

// Built, used and destroyed on the main thread, which becomes the control thread.
class Gateway : private control::ListenSockets, private Estate {
 public:
  // A null predecessor is a start as usual. Without a starter there are no upgrades; its error is
  // a sentence.
  Gateway(std::string config_path, std::string_view version,
          std::unique_ptr<Predecessor> predecessor, std::expected<Starter, std::string> starter);
  ~Gateway() override;
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Serves until drained; returns the exit status. Complaints about the start go to stderr. Once.
  [[nodiscard]] int run();

 private:
  using Step = std::expected<void, std::string>;  // The error is a sentence for people.

  // What one shard and the control thread share.
  struct Seat {
    Seat(Clock& clock, metrics::ShardCells& cells);
    server::ControlLink link;
    telemetry::RecordRing records;
    telemetry::LogRing lines;
    std::unique_ptr<control::SpendRing> spend;  // Null without a journal.
    telemetry::ShardLogger log;
  };

  // The start, in this order.
  [[nodiscard]] Step meet_supervisor();
  [[nodiscard]] Step check_machine();
  // Before the first thread starts: what Landlock forbids holds for threads that come later.
  [[nodiscard]] Step confine();
  [[nodiscard]] Step open_logs();
  [[nodiscard]] Step open_control();
  [[nodiscard]] Step open_usage_log();
  [[nodiscard]] Step open_journal();
  [[nodiscard]] Step open_keys();
  [[nodiscard]] Step open_ports();
  [[nodiscard]] Step start_shards();
  void open_small_servers();
  void give_up_calls();
  void announce();

  // Estate, and the other side of it; see succession.cc.
  [[nodiscard]] std::expected<HandOver, std::string> open_estate() override;
  void keep_estate() override;
  void close_books() override;
  [[nodiscard]] bool is_at_rest() override;
  void stop_writing() override;
  [[nodiscard]] std::expected<bool, std::string> has_stopped() override;
  void leave_estate(std::span<const std::string> taken, int connections,
                    control::SpendHeir& heir) override;
  [[nodiscard]] Step ask_predecessor();
  [[nodiscard]] Step succeed();
  [[nodiscard]] Step open_shard_ports();
  [[nodiscard]] int take_banks();
  void listen_on_shards();
  [[nodiscard]] std::string why_no_upgrade() const;
  [[nodiscard]] int fail(int status, std::string sentence);

  // What the supervisor hears; see supervised.cc.
  void say_ready();
  void begin_reports();
  [[nodiscard]] bool ask_shards();
  Task<void> report_to_supervisor();
  Task<void> end_reports();

  // control::ListenSockets; see sockets.cc.
  std::expected<void, std::string> open(const config::Snapshot& running,
                                        const config::Snapshot& candidate) override;
  std::vector<int> use(const config::Snapshot& candidate) override;
  void drop() noexcept override;

  void open_metrics_server();
  void open_admin_server();
  // admin.listen; see admin_listener.cc.
  [[nodiscard]] Step open_admin_listener();
  void serve_admin_listener();
  Task<void> close_server(std::unique_ptr<control::SmallServer> server);
  void close_later(std::unique_ptr<control::SmallServer> server);
  Task<void> wait_for_servers();

  [[nodiscard]] int serve();
  [[nodiscard]] int end(int status);
  void close_small_servers();
  // And the usage log. False when a disk hangs, so that the process can only be ended by force.
  [[nodiscard]] bool finish_journal();
  void flush_logs();
  void log(LogLevel level, std::string_view message);

  const std::string config_path_;
  const std::string_view version_;
  std::unique_ptr<Predecessor> predecessor_;  // Null once this process serves.
  std::expected<Starter, std::string> starter_;
  ConfinedEnvironment environment_;
  SystemClock clock_;
  const MonoTime started_ = clock_.now();
  io::SystemSyscalls syscalls_;
  config::LoadOutcome loaded_;
  control::TlsFiles tls_files_;  // Until the control thread has them.
  std::vector<std::string> warnings_;
  std::string sandbox_;  // What of it is in force, for people.
  ServiceNotice notice_;
  PassedSockets passed_;
  uint32_t shard_count_ = 0;
  uint32_t connections_max_ = 0;

  int signal_fd_ = -1;
  telemetry::Redactor redactor_;
  std::unique_ptr<telemetry::LineFile> log_file_;
  std::unique_ptr<telemetry::LineFile> access_file_;
  std::unique_ptr<telemetry::LogSink> log_;

  ShardListeners listeners_;
  bool took_listeners_ = false;  // Of the predecessor.
  bool took_over_ = false;       // From a predecessor.
  net::Address metrics_address_;
  int metrics_fd_ = -1;
  int admin_fd_ = -1;
  std::string admin_path_;
  net::Address admin_listen_address_;
  int admin_listen_fd_ = -1;
  std::unique_ptr<net::TlsServer> admin_tls_;  // Null for a plain one.
  // What a reload has opened and not used yet.
  struct Moved {
    ShardListeners listeners;
    net::Address metrics_address;
    int metrics_fd = -1;
    int admin_fd = -1;
    std::string admin_path;
    bool has_metrics = false;
    bool has_admin = false;
    bool has_backlog = false;
  };
  Moved moved_;
  size_t closing_servers_ = 0;
  bool keeps_admin_path_ = false;      // The successor has the admin socket.
  io::Timer* report_pause_ = nullptr;  // Of report_to_supervisor(), while that runs.
  bool is_over_ = false;

  std::unique_ptr<ByteBudget> budget_;
  std::unique_ptr<limit::BankTable> banks_;
  net::AddressCounts addresses_;
  std::unique_ptr<metrics::Registry> registry_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<control::ShardPort> ports_;
  std::vector<control::KeyPort> key_ports_;
  std::unique_ptr<control::RecordLogs> record_logs_;

  std::unique_ptr<io::Kernel> kernel_;
  std::unique_ptr<io::Ring> ring_;
  std::unique_ptr<io::OffloadReturns> returns_;
  std::unique_ptr<io::Lane> config_lane_;
  std::unique_ptr<net::SystemResolver> resolver_;
  store::SystemFileCalls file_calls_;
  std::unique_ptr<control::UsageLog> usage_log_;               // These two are null when they are
  std::unique_ptr<control::SpendJournal> spend_journal_;       // not configured.
  std::unique_ptr<control::StoredBudgetSeed> stored_budgets_;  // Null without a journal.
  std::unique_ptr<control::KeyService> keys_;
  std::unique_ptr<Upgrade> upgrade_;
  std::unique_ptr<control::ControlThread> control_;

  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::vector<admin::ShardSeat> shard_seats_;
  std::unique_ptr<control::MetricsService> metrics_service_;
  std::unique_ptr<control::SmallServer> metrics_server_;
  std::unique_ptr<admin::KeyWork> key_work_;
  std::unique_ptr<admin::AdminService> admin_service_;
  std::unique_ptr<control::SmallServer> admin_server_;
  std::unique_ptr<control::SmallServer> admin_listener_;
};

}  // namespace sluice::app
