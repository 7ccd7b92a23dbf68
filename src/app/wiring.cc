// The diagram of the program: what is built, in which order, and who is given what.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include <sluice/io/uring_kernel.h>

#include "check.h"
#include "crash_report.h"
#include "descriptors.h"
#include "exit_status.h"
#include "gateway.h"
#include "signals.h"

namespace sluice::app {
namespace {

// The control thread's own traffic is small; both are powers of two.
constexpr io::BufferLimits kControlBuffers{.hot = 64, .most = 512};

// What a shard can record before control drains it: 40 ms of 100,000 requests per second; the log
// of a burst above that is cut and counted. Control is woken for fewer, whose memory is still
// cached.
constexpr uint32_t kRecordsMax = 4'096;
constexpr uint32_t kRecordsDue = 256;
constexpr uint32_t kLinesMax = 256;
// Two records an exchange; half of them wake control.
constexpr uint32_t kSpendMax = 8'192;

}  // namespace

// The sink decides by the level in force, so that a reload that changes it needs no message.
Gateway::Seat::Seat(Clock& clock, metrics::ShardCells& cells)
    : records(kRecordsMax, cells.access_log_dropped, kRecordsDue),
      lines(kLinesMax, cells.log_dropped),
      log(clock, lines, LogLevel::kDebug) {}

Gateway::Gateway(std::string config_path, std::string_view version,
                 std::unique_ptr<Predecessor> predecessor,
                 std::expected<Starter, std::string> starter)
    : config_path_(std::move(config_path)),
      version_(version),
      predecessor_(std::move(predecessor)),
      starter_(std::move(starter)) {}

Gateway::~Gateway() = default;

int Gateway::run() {
  control::Loaded loaded = control::load_with_files(config_path_, environment_, clock_.wall());
  loaded_ = std::move(loaded.config);
  loaded_.tree.reset();  // There is nothing yet to compare it with, and this lives for long.
  tls_files_ = std::move(loaded.tls);
  if (loaded_.snapshot == nullptr) {
    return fail(kExitConfig, describe_problems(loaded_));
  }
  for (const config::Diagnostic& warning : loaded_.warnings) {
    warnings_.push_back(config::to_string(warning));
  }
  // The journal is read before the ports are open, so that nobody waits for it in a backlog.
  for (const auto step : {&Gateway::meet_supervisor, &Gateway::check_machine, &Gateway::confine,
                          &Gateway::open_logs, &Gateway::ask_predecessor, &Gateway::open_control,
                          &Gateway::open_ports, &Gateway::start_shards, &Gateway::succeed}) {
    const Step outcome = (this->*step)();
    if (!outcome) {
      const int status = fail(kExitCannotStart, "sluice: " + outcome.error() + "\n");
      // Shards that did start have nobody who would drain them.
      if (!shards_.empty()) std::_Exit(status);
      return status;
    }
  }
  open_small_servers();
  give_up_calls();
  announce();
  begin_reports();
  say_ready();
  return serve();
}

Gateway::Step Gateway::check_machine() {
  const config::Snapshot& config = *loaded_.snapshot;
  shard_count_ = config.shards != 0 ? config.shards : shard::default_shard_count();
  connections_max_ = config.limits.connections_max;
  // Before the first thread starts, so that all of them block what this one reads.
  const auto signals = take_signals();
  if (!signals) return std::unexpected(signals.error());
  signal_fd_ = *signals;
  std::string problem = io::probe_uring();
  if (!problem.empty()) return std::unexpected(std::move(problem));
  auto warning = raise_limits(config, shard_count_);
  if (!warning) return std::unexpected(std::move(warning.error()));
  if (!warning->empty()) warnings_.push_back(std::move(*warning));
  return {};
}

Gateway::Step Gateway::open_logs() {
  const config::Snapshot& config = *loaded_.snapshot;
  log_file_ = std::make_unique<telemetry::LineFile>(STDERR_FILENO);
  access_file_ = std::make_unique<telemetry::LineFile>(STDOUT_FILENO, &redactor_);
  for (std::string problem :
       {log_file_->open(config.log.file),
        config.access_log.enabled ? access_file_->open(config.access_log.file) : std::string()}) {
    if (!problem.empty()) return std::unexpected(std::move(problem));
  }
  report_crashes_to(log_file_.get());
  redactor_.set_patterns(config.log.redact);
  log_ = std::make_unique<telemetry::LogSink>(clock_, *log_file_, redactor_, config.log.level,
                                              config.log.format);
  return {};
}

Gateway::Step Gateway::open_ports() {
  const config::Snapshot& config = *loaded_.snapshot;
  if (auto opened = open_shard_ports(); !opened) return opened;
  if (passed_.metrics >= 0) {
    metrics_fd_ = passed_.metrics;
    metrics_address_ = address_of_listener(syscalls_, metrics_fd_);
  } else if (config.metrics) {
    const auto fd = take_or_open(syscalls_, given::kMetrics, *config.metrics, predecessor_.get(),
                                 &metrics_address_);
    if (!fd) return std::unexpected(fd.error());
    metrics_fd_ = *fd;
  }
  const int passed_before =
      predecessor_ == nullptr ? -1
                              : predecessor_->take(given::kPassedAdminSocket, config.admin_socket);
  if (passed_.admin >= 0 || passed_before >= 0) {
    // Its path is the supervisor's, who removes it.
    admin_fd_ = passed_.admin >= 0 ? passed_.admin : passed_before;
  } else if (!config.admin_socket.empty()) {
    const net::UnixAccess access{.mode = config.admin.mode, .group = config.admin.group};
    const auto fd = take_or_open_unix(config.admin_socket, access, predecessor_.get());
    if (!fd) return std::unexpected(fd.error());
    admin_fd_ = *fd;
    admin_path_ = config.admin_socket;
  }
  return open_admin_listener();
}

Gateway::Step Gateway::open_control() {
  budget_ = std::make_unique<ByteBudget>(loaded_.snapshot->limits.byte_budget);
  registry_ = std::make_unique<metrics::Registry>(shard_count_);
  auto banks = limit::BankTable::make({.subjects_max = loaded_.snapshot->limits.subjects_max,
                                       .file = loaded_.snapshot->limits.bank_file,
                                       .fd = take_banks(),
                                       .now = clock_.now(),
                                       .wall = clock_.wall()});
  if (!banks) return std::unexpected(std::move(banks.error()));
  banks_ = std::move(*banks);
  std::vector<control::RecordLogs::Source> sources;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    seats_.push_back(std::make_unique<Seat>(clock_, registry_->shard(ShardId{i})));
    Seat& seat = *seats_.back();
    ports_.emplace_back(ShardId{i}, seat.link.commands, seat.link.reports);
    key_ports_.emplace_back(ShardId{i}, seat.link.key_commands, seat.link.key_reports);
    sources.push_back({&seat.records, &seat.lines});
  }
  record_logs_ = std::make_unique<control::RecordLogs>(
      std::move(sources),
      control::RecordLogs::Targets{
          .sink = *log_, .log = *log_file_, .access = *access_file_, .redactor = redactor_},
      registry_->control());

  auto kernel = io::open_uring_kernel({.buffers_most = kControlBuffers.most});
  if (!kernel) return std::unexpected(std::move(kernel.error()));
  kernel_ = std::move(*kernel);
  ring_ = std::make_unique<io::Ring>(*kernel_, syscalls_, clock_, kControlBuffers);
  returns_ = std::make_unique<io::OffloadReturns>(*ring_);
  config_lane_ = std::make_unique<io::Lane>();
  resolver_ = std::make_unique<net::SystemResolver>(*ring_);
  if (Step opened = open_journal(); !opened) return opened;
  if (Step opened = open_keys(); !opened) return opened;
  const std::string why_not = why_no_upgrade();
  Estate& estate = *this;
  upgrade_ =
      std::make_unique<Upgrade>(*ring_, why_not.empty() ? &*starter_ : nullptr, why_not, estate);
  control_ = std::make_unique<control::ControlThread>(
      control::ControlParts{.ring = *ring_,
                            .returns = *returns_,
                            .config_lane = *config_lane_,
                            .resolver = *resolver_,
                            .registry = *registry_,
                            .budget = *budget_,
                            .log = *log_,
                            .log_work = *record_logs_,
                            .environment = environment_,
                            .config_path = config_path_,
                            .ports = ports_,
                            .banks = banks_.get(),
                            .spend = spend_journal_.get(),
                            .usage = usage_log_.get(),
                            .keys = keys_.get(),
                            .signal_fd = signal_fd_,
                            .sockets = this,
                            .succession = upgrade_.get(),
                            .has_predecessor = predecessor_ != nullptr});
  return {};
}

Gateway::Step Gateway::open_usage_log() {
  const auto& settings = loaded_.snapshot->usage_log;
  if (!settings) return {};
  auto opened = control::UsageLog::open({.settings = *settings,
                                         .ring = *ring_,
                                         .returns = *returns_,
                                         .resolver = *resolver_,
                                         .clock = clock_,
                                         .cells = registry_->control(),
                                         .log = *log_});
  if (!opened) return std::unexpected(std::move(opened.error()));
  usage_log_ = std::move(*opened);
  return {};
}

Gateway::Step Gateway::open_journal() {
  const auto& settings = loaded_.snapshot->journal;
  if (!settings) return {};
  // What the journal shows goes there.
  if (auto opened = open_usage_log(); !opened) return opened;
  std::vector<control::SpendRing*> rings;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    seats_[i]->spend =
        std::make_unique<control::SpendRing>(kSpendMax, registry_->shard(ShardId{i}).journal_lost);
    rings.push_back(seats_[i]->spend.get());
  }
  auto opened = control::SpendJournal::open({.settings = *settings,
                                             .rings = std::move(rings),
                                             .returns = *returns_,
                                             .calls = file_calls_,
                                             .clock = clock_,
                                             .cells = registry_->control(),
                                             .log = *log_,
                                             .usage = usage_log_.get(),
                                             .has_predecessor = predecessor_ != nullptr});
  if (!opened) return std::unexpected(std::move(opened.error()));
  spend_journal_ = std::move(*opened);
  return {};
}

// Like the journal before anyone is served: a key that is in the store is good from the first
// request on.
Gateway::Step Gateway::open_keys() {
  if (spend_journal_ != nullptr) {
    stored_budgets_ =
        std::make_unique<control::StoredBudgetSeed>(spend_journal_->book(), *banks_, clock_);
  }
  keys_ = std::make_unique<control::KeyService>(
      control::KeyService::Parts{.ring = *ring_,
                                 .returns = *returns_,
                                 .registry = *registry_,
                                 .log = *log_,
                                 .ports = key_ports_,
                                 .resolver = resolver_.get(),
                                 .observer = stored_budgets_.get()});
  const auto& store = loaded_.snapshot->store;
  if (!store) return {};
  if (Step opened = keys_->desk().open(store->path, clock_); !opened) return opened;
  if (stored_budgets_ != nullptr) stored_budgets_->seed_all(keys_->desk().present());
  return {};
}

Gateway::Step Gateway::start_shards() {
  auto adoptions = control_->publish_first(std::move(loaded_.snapshot), std::move(tls_files_));
  if (!adoptions) return std::unexpected(std::move(adoptions.error()));
  control_->remember_first(std::move(loaded_.text), std::move(loaded_.secrets));
  const std::vector<int> cpus = shard::allowed_cpus();
  // Sharing cores by fixed bindings would leave some idle while others queue.
  const bool binds = shard_count_ <= cpus.size();
  for (uint32_t i = 0; i < shard_count_; ++i) {
    const int cpu = binds ? cpus[i] : -1;
    server::WorkerParts parts{.shard = ShardId{i},
                              .shards = shard_count_,
                              .listen_fd = predecessor_ == nullptr ? listeners_.fds[i] : -1,
                              .link = &seats_[i]->link,
                              .control_ring = ring_.get(),
                              .budget = budget_.get(),
                              .banks = banks_.get(),
                              .cells = &registry_->shard(ShardId{i}),
                              .records = &seats_[i]->records,
                              .spend = seats_[i]->spend.get(),
                              .log = &seats_[i]->log,
                              .addresses = &addresses_,
                              .descriptors_max = descriptor_limit(),
                              .first = std::move((*adoptions)[i])};
    auto shard = shard::Shard::start(
        {.id = ShardId{i}, .cpu = cpu}, [parts = std::move(parts)](io::Ring& ring) mutable {
          return std::make_unique<server::Worker>(ring, std::move(parts));
        });
    if (!shard) return std::unexpected(std::move(shard.error()));
    ports_[i].connect((*shard)->ring());
    key_ports_[i].connect((*shard)->ring());
    shard_seats_.push_back({cpu, shard->get()});
    shards_.push_back(std::move(*shard));
  }
  return {};
}

void Gateway::open_small_servers() {
  open_metrics_server();
  open_admin_server();
  serve_admin_listener();
}

void Gateway::open_metrics_server() {
  if (metrics_fd_ < 0) return;
  if (metrics_service_ == nullptr) {
    metrics_service_ = std::make_unique<control::MetricsService>(
        *registry_, *budget_, control_->certificates(), clock_, version_);
  }
  metrics_server_ = std::make_unique<control::SmallServer>(*ring_, metrics_fd_, "metrics",
                                                           *metrics_service_, *log_);
}

void Gateway::open_admin_server() {
  if (admin_fd_ < 0 && admin_listen_fd_ < 0) return;
  if (admin_service_ == nullptr) {
    key_work_ = std::make_unique<admin::DeskWork>(keys_->desk());
    admin_service_ =
        std::make_unique<admin::AdminService>(admin::AdminParts{.operations = *control_,
                                                                .registry = *registry_,
                                                                .clock = clock_,
                                                                .log = *log_,
                                                                .shards = shard_seats_,
                                                                .version = version_,
                                                                .keys = key_work_.get(),
                                                                .usage = usage_log_.get(),
                                                                .config = control_.get(),
                                                                .banks = banks_.get(),
                                                                .started = started_});
  }
  if (admin_fd_ < 0) return;
  admin_server_ = std::make_unique<control::SmallServer>(
      *ring_, admin_fd_, "admin", *admin_service_, *log_, control::SmallServerLimits{},
      control::SmallTransport{.is_unix = true});
}

}  // namespace sluice::app
