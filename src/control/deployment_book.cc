#include <sluice/control/deployment_book.h>

#include <algorithm>

#include <sluice/resilience/deployment_health.h>

namespace sluice::control {
namespace {

constexpr Duration kWindow = seconds(30);

MonoTime time_of(int64_t ns) noexcept {
  // A cell that was never written.
  return ns == 0 ? MonoTime::min() : MonoTime(Duration(ns));
}

// The later of two changes holds, in the order in which shards compare them too.
void take_later(upstream::DeploymentNews& known, const upstream::DeploymentNews& other) noexcept {
  const auto breaker_of = [](const upstream::DeploymentNews& news) {
    return resilience::BreakerChange{
        .at = news.breaker_at,
        .state = static_cast<resilience::BreakerState>(news.breaker_state),
        .open_until = news.breaker_until,
        .successes = news.breaker_successes};
  };
  const auto breaker = later_of(breaker_of(known), breaker_of(other));
  known.breaker_at = breaker.at;
  known.breaker_state = static_cast<uint8_t>(breaker.state);
  known.breaker_until = breaker.open_until;
  known.breaker_successes = breaker.successes;
  const resilience::CooldownChange cooldown =
      later_of(resilience::CooldownChange{known.cooldown_at, known.cooldown_until},
               resilience::CooldownChange{other.cooldown_at, other.cooldown_until});
  known.cooldown_at = cooldown.at;
  known.cooldown_until = cooldown.until;
}

// The mean of what the shards know, those that know nothing left out.
class Mean {
 public:
  void add(Duration value) noexcept {
    if (value <= Duration::zero()) return;
    sum_ += value;
    ++count_;
  }
  [[nodiscard]] Duration value() const noexcept { return count_ == 0 ? Duration{} : sum_ / count_; }

 private:
  Duration sum_{};
  int count_ = 0;
};

bool is_failure(metrics::AttemptOutcome outcome) noexcept {
  using metrics::AttemptOutcome;
  return outcome != AttemptOutcome::kOk && outcome != AttemptOutcome::kClientError &&
         outcome != AttemptOutcome::kCancelled;
}

}  // namespace

void DeploymentBook::follow(const config::Snapshot& snapshot) {
  generation_ = snapshot.generation;
  std::vector<Row> rows;
  for (const config::Upstream& upstream : snapshot.upstreams) {
    Row row;
    row.cells = &registry_.upstreams().find(upstream.name);
    row.orders = &orders_[upstream.name];
    for (const auto& cells : row.cells->by_shard)
      row.tokens_before.push_back(cells->tokens.value());
    const auto known = std::ranges::find(rows_, row.cells, &Row::cells);
    if (known != rows_.end()) row = std::move(*known);
    row.orders = &orders_[upstream.name];
    rows.push_back(std::move(row));
  }
  rows_ = std::move(rows);
  told_.clear();
  merged_at_ = MonoTime::min();
}

DeploymentBook::Reading DeploymentBook::read(const metrics::UpstreamCells& cells) {
  Reading reading;
  reading.in_flight = std::max<int64_t>(0, cells.in_flight.value());
  reading.first_token = Duration(cells.first_token_ns.value());
  reading.whole = Duration(cells.whole_ns.value());
  reading.tokens = cells.tokens.value();
  for (size_t i = 0; i < metrics::kAttemptOutcomeNames.size(); ++i) {
    const auto outcome = static_cast<metrics::AttemptOutcome>(i);
    const uint64_t count = cells.attempts.at(i).value();
    if (outcome != metrics::AttemptOutcome::kCancelled) reading.attempts += count;
    if (is_failure(outcome)) reading.failures += count;
  }
  // The stamp first: what it stamps is then at least as new; a newer value under an older stamp
  // changes nothing at those who know that stamp, and comes again with its own.
  reading.changes.breaker_at = time_of(cells.breaker_changed_ns.observe());
  reading.changes.breaker_until = time_of(cells.breaker_until_ns.value());
  reading.changes.breaker_successes = static_cast<uint32_t>(cells.breaker_successes.value());
  reading.changes.breaker_state = static_cast<uint8_t>(cells.breaker_state.value());
  reading.changes.cooldown_at = time_of(cells.cooldown_changed_ns.observe());
  reading.changes.cooldown_until = time_of(cells.cooldown_until_ns.value());
  return reading;
}

void DeploymentBook::turn_minute(MonoTime now) {
  const int64_t minute = now.time_since_epoch() / seconds(60);
  if (minute == minute_) return;
  minute_ = minute;
  for (Row& row : rows_) {
    for (size_t shard = 0; shard < row.tokens_before.size(); ++shard) {
      row.tokens_before[shard] = row.cells->by_shard[shard]->tokens.value();
    }
  }
}

std::vector<upstream::UpdateDeployments> DeploymentBook::merge(MonoTime now) {
  if (!is_hurried_ && merged_at_ != MonoTime::min() && now - merged_at_ < kPeriod) return {};
  is_hurried_ = false;
  merged_at_ = now;
  turn_minute(now);
  std::vector<upstream::UpdateDeployments> updates(registry_.shards().size());
  for (upstream::UpdateDeployments& update : updates) {
    update.generation = generation_;
    update.news.resize(rows_.size());
  }
  for (size_t i = 0; i < rows_.size(); ++i) merge_row(rows_[i], now, i, updates);
  if (updates == told_) return {};
  told_ = updates;
  return updates;
}

void DeploymentBook::merge_row(Row& row, MonoTime now, size_t index,
                               std::vector<upstream::UpdateDeployments>& updates) {
  std::vector<Reading> readings;
  for (const auto& cells : row.cells->by_shard) readings.push_back(read(*cells));
  DeploymentView view{.orders = *row.orders};
  upstream::DeploymentNews known{.cooldown_at = row.orders->cooldown_at,
                                 .cooldown_until = row.orders->cooldown_until,
                                 .ejected_until = row.orders->ejected_until,
                                 .is_down = row.orders->is_down,
                                 .is_drained = row.orders->is_drained};
  Mean first_token, whole;
  Mark sums{.at = now};
  for (size_t shard = 0; shard < readings.size(); ++shard) {
    const Reading& reading = readings[shard];
    take_later(known, reading.changes);
    view.in_flight += reading.in_flight;
    view.minute_tokens += reading.tokens - row.tokens_before[shard];
    first_token.add(reading.first_token);
    whole.add(reading.whole);
    sums.attempts += reading.attempts;
    sums.failures += reading.failures;
  }
  if (row.window_began.at + kWindow <= now) {
    row.window_before = row.window_began;
    row.window_began = sums;
  }
  view.recent_attempts = sums.attempts - row.window_before.attempts;
  view.recent_failures = sums.failures - row.window_before.failures;
  view.first_token = first_token.value();
  view.whole = whole.value();
  view.breaker_state = known.breaker_state;
  view.breaker_until = known.breaker_until;
  view.cooldown_until = known.cooldown_until;
  row.view = view;
  for (size_t shard = 0; shard < updates.size(); ++shard) {
    upstream::DeploymentNews news = known;
    Mean others_first_token, others_whole;
    for (size_t other = 0; other < readings.size(); ++other) {
      if (other == shard) continue;
      news.in_flight += static_cast<uint32_t>(readings[other].in_flight);
      news.minute_tokens += readings[other].tokens - row.tokens_before[other];
      others_first_token.add(readings[other].first_token);
      others_whole.add(readings[other].whole);
    }
    news.first_token = others_first_token.value();
    news.whole = others_whole.value();
    updates[shard].news[index] = news;
  }
}

DeploymentView DeploymentBook::view(UpstreamId upstream) const {
  return upstream.value < rows_.size() ? rows_[upstream.value].view : DeploymentView{};
}

DeploymentOrders* DeploymentBook::orders(std::string_view name) {
  const bool is_present =
      std::ranges::any_of(rows_, [&](const Row& row) { return row.cells->name == name; });
  const auto found = orders_.find(name);
  return is_present && found != orders_.end() ? &found->second : nullptr;
}

}  // namespace sluice::control
