#include <sluice/control/deployment_book.h>

#include <algorithm>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/control/attempt_counts.h>

namespace sluice::control {
namespace {

MonoTime time_of(int64_t ns) noexcept {
  // A cell that was never written.
  return ns == 0 ? MonoTime::min() : MonoTime(Duration(ns));
}

resilience::BreakerChange breaker_of(const upstream::DeploymentNews& news) noexcept {
  return {.at = news.breaker_at,
          .state = static_cast<resilience::BreakerState>(news.breaker_state),
          .open_until = news.breaker_until,
          .successes = news.breaker_successes};
}

// The later of two changes holds, in the order in which shards compare them too.
void take_later(upstream::DeploymentNews& known, const upstream::DeploymentNews& other) noexcept {
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
  void add(Duration value, uint32_t shards = 1) noexcept {
    if (value <= Duration::zero()) return;
    sum_ += value * shards;
    count_ += shards;
  }
  void add(const SharedMean& mean) noexcept { add(mean.value, mean.shards); }
  [[nodiscard]] Duration value() const noexcept { return count_ == 0 ? Duration{} : sum_ / count_; }
  [[nodiscard]] SharedMean shared() const noexcept { return {value(), count_}; }

 private:
  Duration sum_{};
  uint32_t count_ = 0;
};

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
    const AttemptCounts counts = count_attempts(*row.cells);
    row.marks.push_back(
        {.at = MonoTime::min(), .attempts = counts.all, .failures = counts.failures});
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
  // The stamps first: what they stamp is then at least as new, and the attempts that led to a
  // change are among those counted; a newer value under an older stamp changes nothing at those who
  // know that stamp, and comes again with its own.
  reading.changes.breaker_at = time_of(cells.breaker_changed_ns.observe());
  reading.changes.breaker_until = time_of(cells.breaker_until_ns.value());
  reading.changes.breaker_successes = static_cast<uint32_t>(cells.breaker_successes.value());
  reading.changes.breaker_state = static_cast<uint8_t>(cells.breaker_state.value());
  reading.changes.cooldown_at = time_of(cells.cooldown_changed_ns.observe());
  reading.changes.cooldown_until = time_of(cells.cooldown_until_ns.value());
  reading.in_flight = std::max<int64_t>(0, cells.in_flight.value());
  reading.first_token = Duration(cells.first_token_ns.value());
  reading.whole = Duration(cells.whole_ns.value());
  reading.tokens = cells.tokens.value();
  const AttemptCounts counts = count_attempts(cells);
  reading.attempts = counts.all;
  reading.failures = counts.failures;
  return reading;
}

DeploymentBook::Mark DeploymentBook::base_of(std::deque<Mark>& marks, const Mark& sums) {
  if (marks.back().at + kRecent / 10 <= sums.at) marks.push_back(sums);
  while (marks.size() > 1 && marks[1].at + kRecent <= sums.at) marks.pop_front();
  return marks.front();
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
  upstream::DeploymentNews known{.breaker_at = row.orders->breaker_closed_at,
                                 .cooldown_at = row.orders->cooldown_at,
                                 .cooldown_until = row.orders->cooldown_until,
                                 .ejected_until = row.orders->ejected_until,
                                 .is_down = row.orders->is_down,
                                 .is_drained = row.orders->is_drained};
  take_later(known, {.cooldown_at = row.heard_rest.at, .cooldown_until = row.heard_rest.until});
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
  const Mark base = base_of(row.marks, sums);
  view.recent_attempts = sums.attempts - base.attempts;
  view.recent_failures = sums.failures - base.failures;
  view.first_token = first_token.value();
  view.whole = whole.value();
  view.breaker = breaker_of(known);
  view.cooldown = {known.cooldown_at, known.cooldown_until};
  log_changes(row, view, now);
  row.view = view;
  for (size_t shard = 0; shard < updates.size(); ++shard) {
    upstream::DeploymentNews news = known;
    Mean others_first_token, others_whole;
    news.in_flight = static_cast<uint32_t>(row.others.in_flight);
    news.minute_tokens = row.others.minute_tokens;
    others_first_token.add(row.others.first_token);
    others_whole.add(row.others.whole);
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

OwnStatsByName DeploymentBook::own_stats(MonoTime now) const {
  OwnStatsByName stats;
  for (const Row& row : rows_) {
    OwnStats& own = stats[row.cells->name];
    Mean first_token, whole;
    resilience::CooldownChange rest{row.orders->cooldown_at, row.orders->cooldown_until};
    for (size_t shard = 0; shard < row.tokens_before.size(); ++shard) {
      const Reading reading = read(*row.cells->by_shard[shard]);
      own.in_flight += static_cast<uint64_t>(reading.in_flight);
      own.minute_tokens += reading.tokens - row.tokens_before[shard];
      first_token.add(reading.first_token);
      whole.add(reading.whole);
      rest = later_of(rest, {reading.changes.cooldown_at, reading.changes.cooldown_until});
    }
    own.first_token = first_token.shared();
    own.whole = whole.shared();
    // Shards repeat what they heard, with the time that it was given.
    const bool is_own = rest.at > std::max(row.heard_rest.at, MonoTime{});
    const bool is_cleared = rest.until == MonoTime::min();
    if (!is_own || (!is_cleared && rest.until <= now)) continue;
    own.cooldown = {.number = static_cast<uint64_t>(rest.at.time_since_epoch().count()),
                    .age = std::max(Duration::zero(), now - rest.at),
                    .left = is_cleared ? Duration::zero() : rest.until - now};
  }
  return stats;
}

void DeploymentBook::hear(const OthersStatsByName& others) {
  for (Row& row : rows_) {
    const auto found = others.find(row.cells->name);
    row.others = found == others.end() ? OthersStats{} : found->second;
    row.heard_rest = later_of(row.heard_rest, row.others.cooldown);
  }
  hurry();
}

DeploymentBook::Row* DeploymentBook::find(std::string_view name) {
  const auto found = orders_.find(name);
  if (found == orders_.end()) return nullptr;
  const auto row = std::ranges::find(rows_, &found->second, &Row::orders);
  return row == rows_.end() ? nullptr : &*row;
}

DeploymentOrders* DeploymentBook::orders(std::string_view name) {
  const Row* row = find(name);
  return row == nullptr ? nullptr : row->orders;
}

bool DeploymentBook::cool(std::string_view name, MonoTime now, Duration length) {
  const Row* row = find(name);
  if (row == nullptr) return false;
  row->orders->cooldown_at = std::max(now, row->view.cooldown.at + Duration(1));
  row->orders->cooldown_until = now + length;
  hurry();
  return true;
}

bool DeploymentBook::clear(std::string_view name, MonoTime now) {
  const Row* row = find(name);
  if (row == nullptr) return false;
  DeploymentOrders& orders = *row->orders;
  orders.cooldown_at = std::max(now, row->view.cooldown.at + Duration(1));
  orders.cooldown_until = MonoTime::min();
  orders.breaker_closed_at = std::max(now, row->view.breaker.at + Duration(1));
  orders.ejected_until = MonoTime::min();
  hurry();
  return true;
}

void DeploymentBook::log_changes(const Row& row, const DeploymentView& after, MonoTime now) {
  using resilience::BreakerState;
  const std::string& name = row.cells->name;
  const DeploymentView& before = row.view;
  const auto length_until = [now](MonoTime until) {
    // Whole tenths of a second, as people read them.
    const Duration length = std::max(Duration::zero(), until - now + milliseconds(50));
    return format_duration(length - length % milliseconds(100));
  };
  const resilience::BreakerChange& breaker = after.breaker;
  const bool has_changed = before.breaker.at != breaker.at || before.breaker.state != breaker.state;
  if (has_changed && breaker.state == BreakerState::kOpen) {
    log_.write(LogLevel::kWarn, "upstream",
               fmt::format("{}: breaker opened for {}; {} of {} recent attempts failed", name,
                           length_until(breaker.open_until), after.recent_failures,
                           after.recent_attempts));
  } else if (has_changed && breaker.state == BreakerState::kHalfOpen) {
    log_.write(LogLevel::kInfo, "upstream",
               fmt::format("{}: breaker half open; a probe has succeeded", name));
  } else if (has_changed && before.breaker.state != BreakerState::kClosed) {
    const bool is_ordered = breaker.at == after.orders.breaker_closed_at;
    log_.write(LogLevel::kInfo, "upstream",
               fmt::format("{}: breaker closed, {}", name,
                           is_ordered ? "as an operator asked" : "after probes that succeeded"));
  }
  if (before.cooldown == after.cooldown || after.cooldown.until <= now) return;
  std::string_view why = "as an answer of it asked";
  if (after.cooldown.at == row.heard_rest.at) why = "as another gateway says";
  if (after.cooldown.at == after.orders.cooldown_at) why = "as an operator asked";
  log_.write(LogLevel::kWarn, "upstream",
             fmt::format("{}: cooldown for {}, {}", name, length_until(after.cooldown.until), why));
}

}  // namespace sluice::control
