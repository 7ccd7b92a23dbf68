#include "shard_world.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include <sluice/net/listener.h>

#include "gateway_parts.h"

namespace sluice::sim {
namespace {

support::SimOptions seed_random(support::SimOptions options) {
  seed_random_numbers(options.seed);
  return options;
}

// Turns in which a cancel that came late may still end.
constexpr int kLastTurnsMax = 10'000;

// Whoever still reads a snapshot that was given back reads nonsense. Under the address sanitizer it
// is freed instead, which shows more.
void spoil(config::Snapshot& snapshot) {
  snapshot.timeouts = {
      .head = Duration(1), .body = Duration(1), .keep_alive = Duration(1), .stall = Duration(1)};
  snapshot.limits = {.head_bytes_max = 1, .header_count_max = 0, .body_bytes_max = 0};
  for (config::Upstream& upstream : snapshot.upstreams) {
    upstream.timeouts = {.connect = Duration(1), .response = Duration(1), .idle = Duration(1)};
    upstream.endpoint.authority = "gone";
  }
}

int open_listener(support::SimWorld& world) {
  // The process has its descriptors when it starts; they run out later.
  const uint32_t no_descriptor = std::exchange(world.faults().no_descriptor, 0);
  const auto fd = net::open_listener(world.syscalls(), ShardWorld::address(), {});
  world.faults().no_descriptor = no_descriptor;
  SLUICE_ASSERT(fd.has_value());
  return *fd;
}

}  // namespace

ShardWorld::ShardWorld(ShardOptions options)
    : world_(seed_random(options.world)),
      merges_(options.merges),
      budget_(options.budget_bytes),
      limit_banks_(*limit::BankTable::make(
          {.subjects_max = 1024, .now = world_.clock().now(), .wall = world_.clock().wall()})),
      record_ring_(1024, registry_.shard(ShardId{0}).access_log_dropped),
      wrapped_kernel_(options.wrap_kernel ? options.wrap_kernel(world_.kernel()) : nullptr),
      ring_(std::make_unique<io::Ring>(
          wrapped_kernel_ != nullptr ? *wrapped_kernel_ : world_.kernel(), world_.syscalls(),
          world_.clock(), options.buffers)),
      adjust_(std::move(options.adjust)) {
  worker_ = std::make_unique<server::Worker>(*ring_,
                                             server::WorkerParts{.shard = ShardId{0},
                                                                 .listen_fd = open_listener(world_),
                                                                 .link = &link_,
                                                                 .budget = &budget_,
                                                                 .banks = limit_banks_.get(),
                                                                 .cells = &cells(),
                                                                 .records = &record_ring_,
                                                                 .log = &log_,
                                                                 .first = prepare(options.config)});
  ring_->set_hook(*worker_);
  if (options.is_secured) secure_peers(world_, options.preface, options.protocol);
}

ShardWorld::~ShardWorld() {
  if (worker_ == nullptr) return;
  // A test that ended early has not drained; its worker would assert instead of reporting that.
  if (!drain_begun_) begin_drain();
  kill_streams();
  (void)run_until([this] { return worker_ == nullptr; });
}

metrics::UpstreamCells& ShardWorld::upstream_cells(std::string_view name) {
  for (const auto& named : registry_.upstreams().all()) {
    if (named->name == name) return *named->by_shard[0];
  }
  ADD_FAILURE() << "no upstream " << name;
  return *registry_.upstreams().all()[0]->by_shard[0];
}

metrics::ModelCells& ShardWorld::model_cells(std::string_view name) {
  for (const auto& named : registry_.models().all()) {
    if (named->name == name) return *named->by_shard[0];
  }
  ADD_FAILURE() << "no model " << name;
  return *registry_.models().all()[0]->by_shard[0];
}

control::DeploymentOrders& ShardWorld::orders(std::string_view name) {
  control::DeploymentOrders* const found = book_.orders(name);
  SLUICE_ASSERT(found != nullptr);
  return *found;
}

upstream::AdoptSnapshot ShardWorld::prepare(const std::string& config) {
  const uint64_t generation = ++generations_;
  auto snapshot = load_config(config, generation);
  if (adjust_) adjust_(*snapshot);
  std::vector<std::string_view> models, upstreams, limits;
  for (const config::LimitRule& rule : snapshot->limit_rules) limits.push_back(rule.name);
  std::vector<std::vector<net::Address>> addresses;
  for (const config::Model& model : snapshot->models) models.push_back(model.name);
  for (const config::Upstream& upstream : snapshot->upstreams) {
    upstreams.push_back(upstream.name);
    addresses.push_back(addresses_of(upstream.endpoint));
  }
  upstream::AdoptSnapshot adoption{.snapshot = snapshot.get(),
                                   .cells = std::move(registry_.bind(models, upstreams, limits)[0]),
                                   .addresses = std::move(addresses),
                                   .tls = make_tls(*snapshot),
                                   .places = places_.follow(*snapshot)};
  book_.follow(*snapshot);
  remember_banks(adoption.places);
  snapshots_.emplace(generation, std::move(snapshot));
  return adoption;
}

void ShardWorld::remember_banks(const upstream::SnapshotPlaces& places) {
  banks_.insert(places.process);
  for (const auto* list : {&places.upstreams, &places.probes, &places.models, &places.queues}) {
    banks_.insert(list->begin(), list->end());
  }
  banks_.erase(nullptr);
}

void ShardWorld::adopt(const std::string& config) {
  command(prepare(config));
  // A limit may have been raised.
  command(upstream::LookForPlaces{});
}

void ShardWorld::adopt_keys(const std::vector<auth::KeyRecord>& keys,
                            const std::vector<auth::Owner>& owners) {
  auth::DirectoryBuilder builder;
  for (const auth::Owner& owner : owners) builder.add(owner);
  for (const auth::KeyRecord& key : keys) builder.add(key);
  former_keys_ = std::exchange(keys_, builder.finish());
  auth::Directory directory(keys_.get(), nullptr, ++keys_version_);
  ASSERT_TRUE(link_.key_commands.push(auth::AdoptDirectory{directory}));
  ring_->wake();
  ASSERT_TRUE(run_until([this] { return keys_adopted_ == keys_version_; }));
}

void ShardWorld::hear_of_keys() {
  while (std::optional<auth::KeyReport> report = link_.key_reports.pop()) {
    if (const auto* adopted = std::get_if<auth::DirectoryAdopted>(&*report)) {
      keys_adopted_ = adopted->version;
      if (keys_adopted_ == keys_version_) former_keys_.reset();
    } else if (auto* asked = std::get_if<std::unique_ptr<auth::KeyAsked>>(&*report)) {
      asked_.push_back(std::move(*asked));
    }
  }
}

std::vector<std::unique_ptr<auth::KeyAsked>> ShardWorld::take_asked() {
  return std::exchange(asked_, {});
}

void ShardWorld::answer(auth::LookupAnswered answered, uint64_t generations_ahead) {
  answered.generation = generations_ + generations_ahead;
  ASSERT_TRUE(link_.key_commands.push(std::make_unique<auth::LookupAnswered>(std::move(answered))));
  ring_->wake();
}

void ShardWorld::merge() {
  if (!merges_ || worker_ == nullptr) return;
  for (upstream::UpdateDeployments& update : book_.merge(world_.clock().now())) {
    command(std::move(update));
  }
}

void ShardWorld::answer_limits(int64_t most) {
  const limit::LimitTime now = limit_banks_->clock().at(world_.clock().now());
  limit_banks_->visit_marked([&](limit::Bank& bank) {
    const int64_t asked = bank.take_asked();
    const int64_t granted = std::min(asked, most);
    most -= granted;
    if (granted > 0) (void)bank.add_credit(granted, now + std::chrono::minutes(1));
    if (granted < asked) bank.close_until(now + std::chrono::minutes(1));
  });
  if (limit_banks_->has_asks()) (void)limit_banks_->take_asking();
  command(upstream::GrantsCame{});
}

void ShardWorld::command(upstream::ShardCommand command) {
  drain_begun_ |= std::holds_alternative<upstream::BeginDrain>(command);
  if (worker_ == nullptr) return;
  ASSERT_TRUE(link_.commands.push(std::move(command)));
  ring_->wake();
}

void ShardWorld::look() {
  while (std::optional<upstream::ShardReport> report = link_.reports.pop()) {
    if (const auto* released = std::get_if<upstream::SnapshotReleased>(&*report)) {
      const auto found = snapshots_.find(released->generation);
      ASSERT_NE(found, snapshots_.end()) << released->generation << " was given back twice";
      spoil(*found->second);
      spoiled_.push_back(std::move(found->second));
      snapshots_.erase(found);
#ifdef SLUICE_FREES_SNAPSHOTS
      spoiled_.clear();
#endif
    } else if (std::holds_alternative<upstream::PlacesHanded>(*report)) {
      command(upstream::LookForPlaces{});
    } else if (std::holds_alternative<upstream::HealthChanged>(*report)) {
      book_.hurry();
    } else if (std::holds_alternative<upstream::ShardDrained>(*report)) {
      ++drained_;
    }
  }
  hear_of_keys();
  record_ring_.drain(1024, [this](const telemetry::AccessRecord& record) {
    records_.push_back({std::string(record.request_id.view()), record});
  });
}

bool ShardWorld::run_until(const std::function<bool()>& is_done, uint64_t turns_max) {
  const bool is_shard_done = worker_ == nullptr;
  const auto is_over = [&] {
    look();
    merge();
    return is_done() || is_drained();
  };
  if (!is_shard_done) {
    if (!world_.run_until(*ring_, is_over, turns_max)) return false;
    if (is_drained()) end_shard();
  }
  // The shard's thread has ended; the others' world goes on.
  std::array<io::KernelCompletion, 1> none;
  while (worker_ == nullptr && !is_done()) {
    (void)world_.kernel().wait(std::nullopt, none);
    if (!world_.kernel().is_stuck()) continue;
    EXPECT_TRUE(is_done()) << "stuck after the shard's end";
    return is_done();
  }
  return true;
}

bool ShardWorld::run_for(Duration duration) {
  bool has_passed = false;
  world_.after(duration, [&has_passed] { has_passed = true; });
  return run_until([&has_passed] { return has_passed; });
}

std::vector<Settled> ShardWorld::records_of(std::string_view request_id) const {
  std::vector<Settled> found;
  for (const Settled& settled : records_) {
    if (settled.request_id == request_id) found.push_back(settled);
  }
  return found;
}

void ShardWorld::expect_idle() {
  EXPECT_EQ(cells().requests_in_flight.value(), 0);
  EXPECT_EQ(cells().connections_open.value(), 0);
  EXPECT_EQ(cells().access_log_dropped.value(), 0u);
  for (const auto& named : registry_.upstreams().all()) {
    const metrics::UpstreamCells& cells = *named->by_shard[0];
    EXPECT_EQ(cells.in_flight.value(), 0) << named->name;
    EXPECT_EQ(cells.connections_open.value(), cells.connections_idle.value()) << named->name;
  }
  for (const auto& named : registry_.models().all()) {
    EXPECT_EQ(named->by_shard[0]->queue_length.value(), 0) << named->name;
  }
  for (const PlaceBank* bank : banks_) EXPECT_EQ(bank->in_use(), 0u) << "a place was lost";
  const limit::LimitTime now = limit_banks_->clock().at(world_.clock().now());
  limit_banks_->visit_all([now](limit::Bank& bank) {
    if (bank.terms().kind != limit::BankTerms::Kind::kConcurrent) return;
    EXPECT_EQ(bank.used(now), 0) << "a limit still counts a request in flight";
  });
  EXPECT_EQ(ring_->buffers().in_use(), 0u);
  EXPECT_EQ(snapshots_.size(), 1u) << "a snapshot that nothing uses was not given back";
  worker_->blocks().drop_cache();
  EXPECT_EQ(budget_.used(), 0u);
}

void ShardWorld::end_shard() {
  EXPECT_EQ(drained_, 1u);
  expect_idle();
  for (const auto& named : registry_.upstreams().all()) {
    EXPECT_EQ(named->by_shard[0]->connections_open.value(), 0) << named->name;
  }
  for (int i = 0; i < kLastTurnsMax && ring_->ops_in_flight() > 1; ++i) ring_->turn(false);
  EXPECT_EQ(ring_->ops_in_flight(), 1u) << "more than the wake-up read stands";
  EXPECT_EQ(ring_->figures().stale, 0u);
  ring_->clear_hook();
  worker_.reset();
  ring_.reset();
  EXPECT_EQ(world_.files().open_count(), 0u) << world_.files().describe();
  EXPECT_EQ(world_.kernel().ops_armed(), 0u);
}

void ShardWorld::expect_clean_end() {
  if (worker_ != nullptr) {
    const auto is_quiet = [this] { return worker_->connection_count() == 0; };
    if (!run_until(is_quiet) || !run_for(seconds(5))) return;
  }
  if (worker_ != nullptr) expect_idle();
  if (!drain_begun_) begin_drain();
  (void)run_until([this] { return worker_ == nullptr; });
  look();
  EXPECT_EQ(drained_, 1u);
}

}  // namespace sluice::sim
