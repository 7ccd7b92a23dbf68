#include <sluice/control/control_thread.h>

#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/control/redis_options.h>
#include <sluice/control/run_to_end.h>
#include <sluice/limit/subjects.h>

#include "redis_ledger.h"
#include "redis_stats_board.h"

namespace sluice::control {

namespace {

// Which counts those of a Redis are.
std::string place_of(const config::RedisSettings& redis) {
  std::string text = fmt::format("{} {} {} {}", static_cast<int>(redis.kind), redis.space,
                                 redis.master, redis.database);
  for (const config::RedisAddress& address : redis.addresses) {
    text += fmt::format(" {}:{}", address.host, address.port);
  }
  return fmt::format("{:016x}", limit::hash_name(text));
}

}  // namespace

ControlThread::ControlThread(ControlParts parts)
    : parts_(std::move(parts)),
      publisher_(parts_.registry),
      places_(static_cast<uint32_t>(parts_.ports.size()), parts_.banks),
      deployments_(parts_.registry, parts_.log),
      health_(parts_.ring, parts_.registry, deployments_, parts_.log),
      outliers_(parts_.registry, deployments_, parts_.log),
      discovery_(parts_.ring, parts_.config_lane, parts_.returns, parts_.resolver, parts_.registry,
                 parts_.log),
      addresses_(parts_.ring, parts_.resolver, parts_.log),
      tickets_(parts_.ring.now()),
      certificates_(parts_.log),
      drain_(static_cast<uint32_t>(parts_.ports.size())),
      gate_(parts_.ring.ready()),
      tick_timer_(parts_.ring.ready(), parts_.ring.timers()),
      hurried_(parts_.ring.ready()),
      signals_over_(parts_.ring.ready()),
      predecessor_(
          {.ring = parts_.ring, .ports = parts_.ports, .spend = parts_.spend, .log = parts_.log}) {
  parts_.ring.set_hook(*this);
}

ControlThread::~ControlThread() {
  // With the hook: what its lanes give back comes that way.
  while (parts_.keys != nullptr && !parts_.keys->is_quiet()) {
    run_to_end(parts_.ring, parts_.keys->end());
  }
  parts_.ring.clear_hook();
  // Of a start that failed; else end_own_tasks() was there first.
  if (addresses_.is_busy()) run_to_end(parts_.ring, addresses_.end());
  if (!health_.is_quiet()) run_to_end(parts_.ring, health_.end());
  if (!discovery_.is_quiet()) run_to_end(parts_.ring, discovery_.end());
  if (limits_ != nullptr && !limits_are_over_) run_to_end(parts_.ring, end_limits());
}

std::expected<std::vector<upstream::AdoptSnapshot>, std::string> ControlThread::publish_first(
    std::unique_ptr<config::Snapshot> snapshot, TlsFiles files) {
  // Blocks, as it may: nobody is served yet.
  auto contexts = make_tls_profiles(files, parts_.ports.size() + 1, authorities_);
  if (!contexts) return std::unexpected(std::move(contexts.error()));
  PreparedTls tls{*std::move(contexts), std::move(files.lives)};
  std::vector<upstream::AdoptSnapshot> adoptions;
  run_to_end(parts_.ring, prepare_first(std::move(snapshot), std::move(tls), &adoptions));
  if (auto started = start_limits(); !started) return std::unexpected(std::move(started.error()));
  if (limits_ != nullptr) run_to_end(parts_.ring, meet_redis());
  return adoptions;
}

// Before the first shard starts, so that nothing is admitted that nobody else knows of.
std::expected<void, std::string> ControlThread::start_limits() {
  if (parts_.banks == nullptr) return {};
  const std::optional<config::RedisSettings>& redis = snapshot().redis;
  LimitReconciler::Parts parts{
      .ring = parts_.ring, .banks = *parts_.banks, .registry = parts_.registry, .log = parts_.log};
  if (redis) {
    auto authorities = read_redis_authorities(*redis);
    if (!authorities) return std::unexpected(std::move(authorities.error()));
    crypto::RandomSource random;
    const uint64_t seed = random.next_u64();
    const std::string gateway = fmt::format("{:016x}", seed);
    redis_ = std::make_unique<store::RedisClient>(
        parts_.ring, parts_.resolver, parts_.log,
        redis_options_of(*redis, std::move(*authorities), seed));
    ledger_ = std::make_unique<RedisLedger>(
        RedisLedger::Parts{.client = *redis_,
                           .space = redis->space,
                           .gateway = gateway,
                           .is_cluster = redis->kind == config::RedisKind::kCluster});
    board_ = std::make_unique<RedisStatsBoard>(
        RedisStatsBoard::Parts{.client = *redis_, .space = redis->space, .gateway = gateway});
    stats_ = std::make_unique<StatsReconciler>(
        StatsReconciler::Parts{parts_.ring, *board_, deployments_, hurried_});
    redis_->start();
    parts.ledger = ledger_.get();
    parts.tick = redis->tick;
    parts.wait_max = redis->wait_max;
    parts.gateways = redis->gateways;
    parts.place = place_of(*redis);
  }
  limits_ = std::make_unique<LimitReconciler>(parts);
  limits_->follow(snapshot());
  return {};
}

// Nobody is served yet. A successor only has its connection made, since its predecessor still
// speaks for both: what it asks behind the hand-over then takes no longer than ever.
Task<void> ControlThread::meet_redis() {
  const shard::Gate::Pass pass = gate_.enter();
  if (!parts_.has_predecessor) {
    limits_->start();
    co_await limits_->meet_ledger();
    if (stats_ != nullptr) stats_->start();
  } else if (redis_ != nullptr) {
    const Deadline patience{parts_.ring.now() + LimitReconciler::kMeetingMost};
    std::vector<store::RedisCommand> commands(1);
    commands[0].arguments = {"PING"};
    const auto answers = co_await redis_->call(std::move(commands), patience);
    if (answers[0]) co_return;
    parts_.log.write(LogLevel::kWarn, "limits",
                     fmt::format("Redis does not answer the process that takes over; on_loss holds "
                                 "for limits until it does: {}",
                                 answers[0].error().detail));
  }
}

void ControlThread::begin_limits() {
  if (limits_ != nullptr) limits_->start();
  if (stats_ != nullptr) stats_->start();
}

Task<void> ControlThread::end_limits() {
  if (limits_ == nullptr) co_return;
  co_await limits_->end();
  if (stats_ != nullptr) co_await stats_->end();
  if (redis_ != nullptr) co_await redis_->end();
  limits_are_over_ = true;
}

Task<void> ControlThread::prepare_first(std::unique_ptr<config::Snapshot> snapshot, PreparedTls tls,
                                        std::vector<upstream::AdoptSnapshot>* adoptions) {
  const shard::Gate::Pass pass = gate_.enter();
  const std::vector<AddressBook::Addresses> addresses =
      co_await addresses_.find(*snapshot, Deadline{parts_.ring.now() + kResolveTime});
  put_in_force(std::move(snapshot), std::move(tls), adoptions, addresses);
}

int ControlThread::serve() {
  next_certificate_look_ = Deadline{parts_.ring.now() + kCertificatePeriod};
  io::start_detached(tick());
  if (parts_.usage != nullptr) parts_.usage->start();
  if (parts_.signal_fd >= 0) io::start_detached(watch_signals());
  parts_.ring.run();
  if (ending_signal_ != 0) return 128 + ending_signal_;

  run_to_end(parts_.ring, end_own_tasks());
  if (drain_.stage() == Drain::Stage::kDrained) return kExitDrained;
  parts_.log.write(LogLevel::kError, "drain",
                   fmt::format("{} of {} shards did not end; ending the process without them",
                               drain_.shards_left(), parts_.ports.size()));
  return kExitStuck;
}

Task<void> ControlThread::end_own_tasks() {
  signals_over_.trigger();
  co_await predecessor_.end();
  co_await health_.end();
  co_await addresses_.end();
  co_await discovery_.end();
  co_await end_limits();
  if (parts_.usage != nullptr) co_await parts_.usage->end();
  if (parts_.keys != nullptr) co_await parts_.keys->end();
  io::Timer patience(parts_.ring.ready(), parts_.ring.timers());
  patience.set(Deadline{parts_.ring.now() + kEndTime});
  while (gate_.inside() > 0 && !patience.is_ready()) {
    gate_.emptied().reset();
    co_await io::first_of(&gate_.emptied(), &patience);
  }
}

// --- what comes from other threads -------------------------------------------------------------

bool ControlThread::has_work() const noexcept {
  if (parts_.returns.has_work()) return true;
  if (limits_ != nullptr && limits_->has_work()) return true;
  if (parts_.keys != nullptr && parts_.keys->has_work()) return true;
  if (parts_.ring.now() - collected_at_ >= kCollectGap &&
      (parts_.log_work.has_records() || (parts_.spend != nullptr && parts_.spend->has_records()))) {
    return true;
  }
  return std::any_of(parts_.ports.begin(), parts_.ports.end(),
                     [](const ShardPort& port) { return port.has_report(); });
}

void ControlThread::run() {
  parts_.returns.run();
  if (limits_ != nullptr) pass_on_grants();
  if (parts_.keys != nullptr) parts_.keys->run();
  if (parts_.ring.now() - collected_at_ >= kCollectGap) collect_records();
  for (ShardPort& port : parts_.ports) {
    while (const auto report = port.take_report()) {
      if (const auto* released = std::get_if<upstream::SnapshotReleased>(&*report)) {
        publisher_.release(released->generation);
      } else if (const auto* handed = std::get_if<upstream::PlacesHanded>(&*report)) {
        pass_on(*handed);
      } else if (std::holds_alternative<upstream::HealthChanged>(*report)) {
        deployments_.hurry();
      } else if (std::holds_alternative<upstream::ShardDrained>(*report)) {
        drain_.on_drained(port.shard());
        if (parts_.keys != nullptr) parts_.keys->on_shard_end(port.shard());
        if (drain_.is_over()) hurried_.trigger();
      }
    }
  }
  if (deployments_.is_hurried()) merge_deployments();
}

void ControlThread::pass_on_grants() {
  const LedgerBook::Shards shards = limits_->run();
  for (ShardPort& port : parts_.ports) {
    const uint32_t shard = port.shard().value;
    if ((shards[shard / 64] >> shard % 64 & 1) != 0) port.send(upstream::GrantsCame{});
  }
}

void ControlThread::pass_on(const upstream::PlacesHanded& handed) {
  for (ShardPort& port : parts_.ports) {
    const uint32_t shard = port.shard().value;
    if ((handed.shards[shard / 64] >> shard % 64 & 1) != 0) port.send(upstream::LookForPlaces{});
  }
}

template <class Command>
void ControlThread::send_to_all(const Command& command) {
  for (ShardPort& port : parts_.ports) port.send(Command(command));
}

void ControlThread::send_drain(upstream::DrainCommand command) {
  std::visit([this](const auto& step) { send_to_all(step); }, command);
}

// --- the tick ----------------------------------------------------------------------------------

Task<void> ControlThread::tick() {
  const shard::Gate::Pass pass = gate_.enter();
  io::Ring& ring = parts_.ring;
  for (;;) {
    ++quiet_ticks_;
    collect_records();
    for (ShardPort& port : parts_.ports) port.flush();
    if (places_.hand_freed()) send_to_all(upstream::LookForPlaces{});
    if (parts_.keys != nullptr) parts_.keys->flush();
    advance_drain();
    if (drain_.is_over()) break;
    refresh_addresses();
    watch_deployments();
    merge_deployments();
    watch_certificates();

    const Deadline planned = Deadline{ring.now() + tick_length()}.sooner(drain_.next());
    tick_timer_.set(planned);
    co_await io::first_of(&tick_timer_, &hurried_);
    if (tick_timer_.is_ready()) {
      parts_.registry.control().tick_late.record(ring.now() - planned.at);
    }
    hurried_.reset();
  }
  ring.stop();
}

Duration ControlThread::tick_length() const noexcept {
  const bool is_shared = parts_.banks != nullptr && parts_.banks->is_shared();
  const bool is_busy = quiet_ticks_ < kQuietTicks || drain_.has_begun() || is_shared;
  const Duration length = is_busy ? kBusyTick : kIdleTick;
  return parts_.spend == nullptr ? length : std::min(length, parts_.spend->tick_max());
}

void ControlThread::collect_records() {
  collected_at_ = parts_.ring.now();
  if (parts_.log_work.collect()) quiet_ticks_ = 0;
  if (parts_.spend != nullptr && parts_.spend->collect(collected_at_)) quiet_ticks_ = 0;
  if (parts_.usage != nullptr) parts_.usage->advance(collected_at_);
}

void ControlThread::advance_drain() {
  if (const auto command = drain_.advance(parts_.ring.now())) {
    const bool cuts = std::holds_alternative<upstream::CutStreams>(*command);
    parts_.log.write(LogLevel::kWarn, "drain",
                     cuts ? "the drain's time is over; open streams end with an error event"
                          : "closing the connections that are still open");
    send_drain(*command);
  }
  if (is_handed_over_ && !misses_successor_ && parts_.succession->has_successor_ended()) {
    misses_successor_ = true;
    parts_.log.write(LogLevel::kError, "upgrade",
                     "the process that took over has ended, and nobody accepts connections: start "
                     "Sluice anew when this process has ended; what runs here goes on");
  }
}

void ControlThread::refresh_addresses() {
  // Sent only to shards that keep up, so that what waits for one stays bounded.
  if (is_behind() || drain_.has_begun()) return;
  turn_ticket_keys();
  for (upstream::UpdateAddresses& change : addresses_.take_changes(snapshot())) {
    health_.set_addresses(snapshot().upstream(change.upstream).name, change.addresses);
    send_to_all(change);
  }
  if (!is_reloading_) addresses_.refresh(snapshot());
}

bool ControlThread::is_behind() const noexcept {
  return std::any_of(parts_.ports.begin(), parts_.ports.end(),
                     [](const ShardPort& port) { return port.has_waiting(); });
}

void ControlThread::watch_deployments() {
  if (drain_.has_begun()) return;
  health_.tick();
  outliers_.tick(snapshot(), parts_.ring.now());
  discovery_.tick();
  watch_files();
  if (discovery_.is_load_due() && !is_reloading_ && publisher_.has_room()) {
    io::start_detached(reload_found());
  }
}

void ControlThread::merge_deployments() {
  if (is_behind() || drain_.has_begun()) return;
  std::vector<upstream::UpdateDeployments> updates = deployments_.merge(parts_.ring.now());
  for (size_t i = 0; i < updates.size(); ++i) parts_.ports[i].send(std::move(updates[i]));
}

void ControlThread::turn_ticket_keys() {
  if (tickets_.advance(parts_.ring.now())) {
    send_to_all(upstream::UpdateTicketKeys{tickets_.keys()});
  }
}

void ControlThread::watch_certificates() {
  if (!next_certificate_look_.has_passed(parts_.ring.now())) return;
  next_certificate_look_ = Deadline{parts_.ring.now() + kCertificatePeriod};
  certificates_.look(parts_.ring.clock().wall());
}

// --- signals -----------------------------------------------------------------------------------

Task<void> ControlThread::watch_signals() {
  const shard::Gate::Pass pass = gate_.enter();
  signalfd_siginfo heard{};
  io::Op read(parts_.ring);
  for (;;) {
    read.read(parts_.signal_fd, &heard, sizeof heard);
    co_await io::first_of(&read, &signals_over_);
    if (signals_over_.is_ready()) break;
    if (read.result() != static_cast<int32_t>(sizeof heard)) {
      parts_.log.write(LogLevel::kError, "signals", "cannot read signals any more");
      co_return;
    }
    on_signal(heard.ssi_signo);
  }
  // The kernel may write to `heard` until the read has ended.
  if (read.is_in_flight()) {
    read.cancel();
    co_await io::first_of(&read);
  }
}

void ControlThread::on_signal(uint32_t signal) {
  if (signal == SIGHUP) {
    parts_.log_work.reopen();
    if (is_reloading_) {
      reload_again_ = true;
    } else {
      io::start_detached(reload_on_signal());
    }
    return;
  }
  if (signal == SIGUSR2) {
    io::start_detached(upgrade_on_signal());
    return;
  }
  if (begin_drain(signal == SIGINT ? "SIGINT" : "SIGTERM")) return;
  // It drains by itself after an upgrade: one signal asks for what happens already.
  if (is_handed_over_ && !std::exchange(was_told_to_drain_, true)) return;
  parts_.log.write(LogLevel::kWarn, "drain", "a second signal: ending at once");
  ending_signal_ = static_cast<int>(signal);
  parts_.ring.stop();
}

// --- operations --------------------------------------------------------------------------------

UpstreamState ControlThread::upstream_state(UpstreamId upstream) const {
  const PlaceBank* places =
      upstream.value < upstream_places_.size() ? upstream_places_[upstream.value] : nullptr;
  return {.deployment = deployments_.view(upstream),
          .now = parts_.ring.now(),
          .places_in_use = places == nullptr || places->most() == 0 ? 0 : places->in_use()};
}

SpendState ControlThread::spend_state() const {
  return {.book = parts_.spend == nullptr ? nullptr : &parts_.spend->book(),
          .now = parts_.ring.clock().wall()};
}

bool ControlThread::order(std::string_view upstream, UpstreamOrder order, Duration length,
                          std::string_view asked_by) {
  DeploymentOrders* orders = deployments_.orders(upstream);
  if (orders == nullptr) return false;
  std::string what;
  switch (order) {
    case UpstreamOrder::kCooldown:
      what = "cooldown of " + format_duration(length);
      (void)deployments_.cool(upstream, parts_.ring.now(), length);
      break;
    case UpstreamOrder::kClear:
      what = "clearing of its cooldown, breaker and ejection";
      (void)deployments_.clear(upstream, parts_.ring.now());
      break;
    case UpstreamOrder::kDrain:
      what = "drain";
      orders->is_drained = true;
      break;
    case UpstreamOrder::kUndrain:
      what = "end of its drain";
      orders->is_drained = false;
      break;
  }
  parts_.log.write(LogLevel::kInfo, "upstream",
                   fmt::format("{}: {} asked by {}", upstream, what, asked_by));
  deployments_.hurry();
  merge_deployments();
  return true;
}

bool ControlThread::begin_drain(std::string_view asked_by) {
  const Duration timeout = snapshot().drain_timeout;
  const auto command = drain_.begin(parts_.ring.now(), timeout);
  if (!command) return false;
  parts_.registry.control().draining.set(1);
  parts_.log.write(LogLevel::kInfo, "drain",
                   fmt::format("draining, asked by {}: no new work; streams have {:.3g} s to end",
                               asked_by, std::chrono::duration<double>(timeout).count()));
  send_drain(*command);
  hurried_.trigger();
  if (is_upgrading_) parts_.succession->give_up();
  return true;
}

Task<void> ControlThread::reload_on_signal() {
  const shard::Gate::Pass pass = gate_.enter();
  do {
    reload_again_ = false;
    ReloadRequest request;
    request.asked_by = "SIGHUP";
    co_await reload_unasked(std::move(request), std::string());
  } while (reload_again_ && !drain_.has_begun());
}

// What the file says by now comes with it, as with any reload.
Task<void> ControlThread::reload_found() {
  const shard::Gate::Pass pass = gate_.enter();
  co_await reload("discovery");
}

void ControlThread::put_in_force(std::unique_ptr<config::Snapshot> snapshot, PreparedTls tls,
                                 std::vector<upstream::AdoptSnapshot>* adoptions,
                                 const std::vector<AddressBook::Addresses>& addresses) {
  certificates_.replace(tls.lives, parts_.ring.clock().wall());
  const bool is_first = publisher_.live_count() == 0;
  if (!is_first && publisher_.present().log.level != snapshot->log.level) log_level_.reset();
  *adoptions = publisher_.publish(std::move(snapshot), addresses);
  const upstream::SnapshotPlaces places = places_.follow(publisher_.present());
  upstream_places_ = places.upstreams;
  deployments_.follow(publisher_.present());
  discovery_.follow(publisher_.present());
  health_.follow(publisher_.present(), addresses, std::move(tls.shards.back().clients));
  for (size_t i = 0; i < adoptions->size(); ++i) {
    (*adoptions)[i].places = places;
    upstream::ShardTls& contexts = (*adoptions)[i].tls;
    contexts = std::move(tls.shards[i]);
    if (contexts.server != nullptr) contexts.server->set_ticket_keys(tickets_.keys());
  }
  const config::Snapshot& present = publisher_.present();
  if (limits_ != nullptr) limits_->follow(present);
  if (parts_.usage != nullptr && present.usage_log) parts_.usage->follow(*present.usage_log);
  if (parts_.keys != nullptr) parts_.keys->follow(present.auth, present.generation);
  if (parts_.spend != nullptr) {
    parts_.spend->book().follow(present.tenants);
    if (parts_.banks != nullptr) {
      seed_budgets(present, parts_.spend->book(), *parts_.banks, parts_.ring.clock().wall(),
                   parts_.ring.now());
    }
  }
  parts_.budget.set_ceiling(present.limits.byte_budget);
  config::LogSettings log = present.log;
  log.level = log_level();
  parts_.log_work.apply(log, present.access_log);
  std::vector<std::string> watched;
  if (present.admin.watch_config) watched.push_back(parts_.config_path);
  if (!present.auth.key_file.empty()) watched.push_back(present.auth.key_file);
  files_.follow(std::move(watched), parts_.ring.now());
  const int64_t wall_s = parts_.ring.clock().wall().unix_us / 1'000'000;
  parts_.registry.control().config_last_reload_success_s.set(wall_s);
}

}  // namespace sluice::control
