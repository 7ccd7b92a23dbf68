#include "gateway.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include <sluice/control/run_to_end.h>
#include <sluice/net/listener.h>

#include "gateway_parts.h"

namespace sluice::sim {

using support::SimKernel;

struct Gateway::Shard {
  Shard(ShardId number, metrics::ShardCells& shard_cells)
      : id(number),
        cells(shard_cells),
        records(kRecordsMax, shard_cells.access_log_dropped),
        spends(kRecordsMax, spends_dropped),
        port(number, link.commands, link.reports) {}

  ShardId id;
  metrics::ShardCells& cells;
  metrics::Counter spends_dropped;
  telemetry::RecordRing records;
  exchange::SpendRing spends;
  server::ControlLink link;
  control::ShardPort port;
  SimKernel* kernel = nullptr;
  std::unique_ptr<io::Ring> ring;
  std::unique_ptr<server::Worker> worker;
};

namespace {

// Turns in which a cancel that came late may still end.
constexpr int kLastTurnsMax = 10'000;

std::unique_ptr<limit::BankTable> make_banks(support::SimWorld& world, int fd) {
  auto banks = limit::BankTable::make(
      {.subjects_max = 256, .fd = fd, .now = world.clock().now(), .wall = world.clock().wall()});
  SLUICE_ASSERT(banks.has_value());
  return std::move(*banks);
}

}  // namespace

Gateway::Gateway(support::SimWorld& world, support::SimThreads& threads,
                 const GatewayOptions& options)
    : world_(world),
      threads_(threads),
      options_(options),
      process_(world),
      registry_(options.shards),
      budget_(options.budget_bytes),
      banks_(make_banks(world, options.banks_fd)),
      kernel_(threads.make_kernel(process_)),
      ring_(std::make_unique<io::Ring>(kernel_, process_.syscalls, world.clock(),
                                       io::BufferLimits{.hot = 4, .most = 16})),
      places_(options.shards, banks_.get()),
      addresses_(*ring_, *options.resolver, log_),
      limits_({.ring = *ring_,
               .banks = *banks_,
               .registry = registry_,
               .log = log_,
               .ledger = options.ledger,
               .tick = options.tick,
               .gateways = options.gateways,
               .place = "sim"}),
      drain_(options.shards),
      gate_(ring_->ready()),
      timer_(ring_->ready(), ring_->timers()),
      hurried_(ring_->ready()) {
  for (uint32_t i = 0; i < options.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(ShardId{i}, registry_.shard(ShardId{i})));
  }
  if (options.ledger != nullptr) options.ledger->set_ring(*ring_);
  ring_->set_hook(*this);
  threads_.start(kernel_, [this] { serve(); });
}

Gateway::~Gateway() { EXPECT_TRUE(has_ended()); }

bool Gateway::has_ended() const {
  return has_ended_ && std::ranges::all_of(shards_, [this](const auto& shard) {
           return shard->kernel == nullptr || threads_.has_ended(*shard->kernel);
         });
}

// --- the control thread ------------------------------------------------------------------------

void Gateway::serve() {
  control::run_to_end(*ring_, open());
  io::start_detached(tick());
  ring_->run();
  control::run_to_end(*ring_, end_own_tasks());
  ring_->clear_hook();
  has_ended_ = true;
}

Task<void> Gateway::open() {
  const shard::Gate::Pass pass = gate_.enter();
  // As the program does: a successor waits for its predecessor's note, anybody else for the ledger
  // before the first shard starts.
  const bool is_successor = options_.banks_fd >= 0;
  if (!is_successor) {
    limits_.start();
    co_await limits_.meet_ledger();
  }
  co_await put_in_force(load_config(options_.config, 0));
  if (is_successor) limits_.start();
  has_opened_ = true;
}

Task<void> Gateway::put_in_force(std::unique_ptr<config::Snapshot> snapshot) {
  const std::vector<control::AddressBook::Addresses> addresses =
      co_await addresses_.find(*snapshot, Deadline{ring_->now() + kResolveTime});
  std::vector<upstream::AdoptSnapshot> adoptions =
      publisher_.publish(std::move(snapshot), addresses);
  const config::Snapshot& present = publisher_.present();
  const upstream::SnapshotPlaces places = places_.follow(present);
  remember_banks(places);
  book_.follow(present);
  limits_.follow(present);
  for (size_t i = 0; i < shards_.size(); ++i) {
    adoptions[i].places = places;
    adoptions[i].tls = make_tls(present);
    if (shards_[i]->worker == nullptr) {
      start_shard(*shards_[i], std::move(adoptions[i]));
    } else {
      shards_[i]->port.send(std::move(adoptions[i]));
    }
  }
  send_to_all(upstream::LookForPlaces{});
}

void Gateway::start_shard(Shard& shard, upstream::AdoptSnapshot first) {
  // The process has its descriptors when it starts; they run out later.
  const uint32_t no_descriptor = std::exchange(world_.faults().no_descriptor, 0);
  const auto fd = net::open_listener(process_.syscalls, options_.address, {});
  world_.faults().no_descriptor = no_descriptor;
  SLUICE_ASSERT(fd.has_value());
  shard.kernel = &threads_.make_kernel(process_);
  shard.ring = std::make_unique<io::Ring>(*shard.kernel, process_.syscalls, world_.clock(),
                                          options_.buffers);
  shard.worker =
      std::make_unique<server::Worker>(*shard.ring, server::WorkerParts{.shard = shard.id,
                                                                        .shards = options_.shards,
                                                                        .listen_fd = *fd,
                                                                        .link = &shard.link,
                                                                        .control_ring = ring_.get(),
                                                                        .budget = &budget_,
                                                                        .banks = banks_.get(),
                                                                        .cells = &shard.cells,
                                                                        .records = &shard.records,
                                                                        .spend = &shard.spends,
                                                                        .log = &log_,
                                                                        .first = std::move(first)});
  shard.ring->set_hook(*shard.worker);
  shard.port.connect(*shard.ring);
  threads_.start(*shard.kernel, [&shard] {
    shard.ring->run();
    // As the ring's end does: what the last turn asked for, such as closes and cancels, ends.
    for (int i = 0; i < kLastTurnsMax && shard.ring->ops_in_flight() > 1; ++i) {
      shard.ring->turn(false);
    }
    shard.ring->turn(false);
  });
}

bool Gateway::has_work() const noexcept {
  return !errands_.empty() || limits_.has_work() || book_.is_hurried() ||
         std::ranges::any_of(shards_, [](const auto& shard) { return shard->port.has_report(); });
}

void Gateway::run() {
  while (!errands_.empty()) {
    const std::function<void()> what = std::move(errands_.front());
    errands_.pop_front();
    what();
  }
  const control::LedgerBook::Shards answered = limits_.run();
  for (const auto& shard : shards_) {
    const uint32_t id = shard->id.value;
    if ((answered[id / 64] >> id % 64 & 1) != 0) shard->port.send(upstream::GrantsCame{});
    hear(*shard);
  }
  if (book_.is_hurried()) merge();
}

void Gateway::hear(Shard& shard) {
  while (const auto report = shard.port.take_report()) {
    if (const auto* released = std::get_if<upstream::SnapshotReleased>(&*report)) {
      publisher_.release(released->generation);
    } else if (const auto* handed = std::get_if<upstream::PlacesHanded>(&*report)) {
      for (const auto& other : shards_) {
        const uint32_t id = other->id.value;
        if ((handed->shards[id / 64] >> id % 64 & 1) != 0) {
          other->port.send(upstream::LookForPlaces{});
        }
      }
    } else if (std::holds_alternative<upstream::HealthChanged>(*report)) {
      book_.hurry();
    } else if (std::holds_alternative<upstream::ShardDrained>(*report)) {
      drain_.on_drained(shard.id);
      if (drain_.is_over()) hurried_.trigger();
    }
  }
}

template <class Command>
void Gateway::send_to_all(const Command& command) {
  for (const auto& shard : shards_) shard->port.send(Command(command));
}

void Gateway::merge() {
  if (drain_.has_begun()) return;
  std::vector<upstream::UpdateDeployments> updates = book_.merge(ring_->now());
  for (size_t i = 0; i < updates.size(); ++i) shards_[i]->port.send(std::move(updates[i]));
}

Task<void> Gateway::tick() {
  const shard::Gate::Pass pass = gate_.enter();
  for (;;) {
    for (const auto& shard : shards_) shard->port.flush();
    if (places_.hand_freed()) send_to_all(upstream::LookForPlaces{});
    if (!is_reloading_ && drains_in_) begin_drain(*std::exchange(drains_in_, std::nullopt));
    if (const auto command = drain_.advance(ring_->now())) {
      std::visit([this](const auto& step) { send_to_all(step); }, *command);
    }
    if (drain_.is_over()) break;
    if (!drain_.has_begun()) {
      for (upstream::UpdateAddresses& change : addresses_.take_changes(publisher_.present())) {
        send_to_all(change);
      }
      if (!is_reloading_) addresses_.refresh(publisher_.present());
    }
    merge();
    timer_.set(Deadline{ring_->now() + options_.tick}.sooner(drain_.next()));
    co_await io::first_of(&timer_, &hurried_);
    hurried_.reset();
  }
  EXPECT_EQ(drain_.stage(), control::Drain::Stage::kDrained)
      << drain_.shards_left() << " shards did not end";
  ring_->stop();
}

Task<void> Gateway::end_own_tasks() {
  co_await addresses_.end();
  co_await limits_.end();
}

// --- what the test wants -----------------------------------------------------------------------

void Gateway::errand(std::function<void()> what) {
  if (has_ended_) return;
  errands_.push_back(std::move(what));
  ring_->wake();
}

Task<void> Gateway::reload_later(std::string config) {
  const shard::Gate::Pass pass = gate_.enter();
  co_await put_in_force(load_config(config, 0));
  is_reloading_ = false;
  hurried_.trigger();
}

void Gateway::reload(std::string config) {
  errand([this, config = std::move(config)] {
    if (!has_opened_ || is_reloading_ || drain_.has_begun() || drains_in_) return;
    if (!publisher_.has_room()) return;
    is_reloading_ = true;
    io::start_detached(reload_later(config));
  });
}

void Gateway::begin_drain(Duration timeout) {
  const std::optional<upstream::DrainCommand> command = drain_.begin(ring_->now(), timeout);
  if (!command) return;
  if (is_handing_over_) io::start_detached(leave_limits());
  std::visit([this](const auto& step) { send_to_all(step); }, *command);
}

void Gateway::drain(Duration timeout) {
  errand([this, timeout] {
    if (drain_.has_begun() || drains_in_) return;
    drains_in_ = timeout;
    hurried_.trigger();
  });
}

Task<void> Gateway::leave_limits() {
  const shard::Gate::Pass pass = gate_.enter();
  co_await limits_.leave();
}

void Gateway::hand_over(Duration timeout) {
  is_handing_over_ = true;
  // Promised before the successor begins, as it waits for the note from then on.
  if (options_.ledger != nullptr) banks_->promise_note();
  drain(timeout);
}

// --- what is seen of it ------------------------------------------------------------------------

void Gateway::remember_banks(const upstream::SnapshotPlaces& places) {
  const auto add = [this](PlaceBank* bank) {
    if (bank != nullptr && std::ranges::find(place_banks_, bank) == place_banks_.end()) {
      place_banks_.push_back(bank);
    }
  };
  add(places.process);
  for (const auto* list : {&places.upstreams, &places.probes, &places.models, &places.queues}) {
    for (PlaceBank* bank : *list) add(bank);
  }
}

void Gateway::take_records(const std::function<void(const telemetry::AccessRecord&)>& visit) {
  for (const auto& shard : shards_) shard->records.drain(kRecordsMax, visit);
}

void Gateway::take_spends(const std::function<void(const usage::SpendRecord&)>& visit) {
  for (const auto& shard : shards_) shard->spends.drain(kRecordsMax, visit);
}

uint32_t Gateway::connections() const {
  uint32_t sum = 0;
  for (const auto& shard : shards_) {
    if (shard->worker != nullptr) sum += shard->worker->connection_count();
  }
  return sum;
}

std::string Gateway::find_impossible_gauge() {
  for (const auto& shard : shards_) {
    if (shard->cells.requests_in_flight.value() < 0) return "requests in flight below zero";
    if (shard->cells.connections_open.value() < 0) return "connections below zero";
    const size_t index = shard->id.value;
    for (const auto& named : registry_.upstreams().all()) {
      const metrics::UpstreamCells& cells = *named->by_shard[index];
      const bool is_odd = cells.in_flight.value() < 0 || cells.connections_idle.value() < 0 ||
                          cells.connections_idle.value() > cells.connections_open.value();
      if (is_odd) return "gauges of upstream " + named->name;
    }
    for (const auto& named : registry_.models().all()) {
      if (named->by_shard[index]->queue_length.value() < 0) return "line of model " + named->name;
    }
  }
  return "";
}

void Gateway::expect_idle() {
  for (const auto& shard : shards_) {
    SCOPED_TRACE("shard " + std::to_string(shard->id.value));
    EXPECT_EQ(shard->cells.requests_in_flight.value(), 0);
    EXPECT_EQ(shard->cells.connections_open.value(), 0);
    EXPECT_EQ(shard->cells.access_log_dropped.value(), 0u);
    EXPECT_EQ(shard->spends_dropped.value(), 0u);
    const size_t index = shard->id.value;
    for (const auto& named : registry_.upstreams().all()) {
      const metrics::UpstreamCells& cells = *named->by_shard[index];
      EXPECT_EQ(cells.in_flight.value(), 0) << named->name;
      EXPECT_EQ(cells.connections_open.value(), cells.connections_idle.value()) << named->name;
    }
    for (const auto& named : registry_.models().all()) {
      EXPECT_EQ(named->by_shard[index]->queue_length.value(), 0) << named->name;
    }
    if (shard->ring == nullptr) continue;
    EXPECT_EQ(shard->ring->buffers().in_use(), 0u);
    if (shard->worker != nullptr) shard->worker->blocks().drop_cache();
  }
  EXPECT_EQ(budget_.used(), 0u);
  if (has_opened_) {
    EXPECT_LE(publisher_.live_count(), 1u) << "a snapshot was not given back";
  }
  // Others may hold places and be in flight where they share the limits.
  if (banks_->is_shared()) return;
  for (const PlaceBank* bank : place_banks_) EXPECT_EQ(bank->in_use(), 0u) << "a place was lost";
  const limit::LimitTime now = banks_->clock().at(world_.clock().now());
  banks_->visit_all([now](limit::Bank& bank) {
    if (bank.terms().kind != limit::BankTerms::Kind::kConcurrent) return;
    EXPECT_EQ(bank.used(now), 0) << "a limit still counts a request in flight";
  });
}

void Gateway::expect_nothing_left() {
  expect_idle();
  for (const auto& shard : shards_) {
    for (const auto& named : registry_.upstreams().all()) {
      EXPECT_EQ(named->by_shard[shard->id.value]->connections_open.value(), 0) << named->name;
    }
    if (shard->ring == nullptr) continue;
    for (int i = 0; i < kLastTurnsMax && shard->ring->ops_in_flight() > 1; ++i) {
      shard->ring->turn(false);
    }
    EXPECT_EQ(shard->ring->ops_in_flight(), 1u) << "more than the wake-up read stands";
    EXPECT_EQ(shard->ring->figures().stale, 0u);
    shard->ring->clear_hook();
    shard->worker.reset();
    shard->ring.reset();
    EXPECT_EQ(shard->kernel->ops_armed(), 0u);
  }
  EXPECT_EQ(process_.files.open_count(), 1u)
      << "more than control's wake-up is open" << process_.files.describe();
}

}  // namespace sluice::sim
