#include <sluice/exchange/shard_state.h>

namespace sluice::exchange {
namespace {

int64_t ns(MonoTime time) noexcept { return time.time_since_epoch().count(); }

}  // namespace

Deployment::Deployment(const config::Upstream& upstream, metrics::UpstreamCells& upstream_cells,
                       bool& has_news) noexcept
    : name(upstream.name), health(upstream.breaker), cells(upstream_cells), has_news_(has_news) {}

void Deployment::record(const resilience::Judgement& judgement, bool was_probe, MonoTime now,
                        MonoTime began_at) noexcept {
  const resilience::BreakerChange breaker_before = health.breaker();
  const resilience::CooldownChange cooldown_before = health.cooldown();
  health.record(judgement, was_probe, now, began_at);
  const bool breaker_changed = health.breaker() != breaker_before;
  const bool cooldown_changed = health.cooldown() != cooldown_before;
  if (!breaker_changed && !cooldown_changed) return;
  if (breaker_changed && health.breaker().state == resilience::BreakerState::kOpen) {
    cells.breaker_opened.add();
  }
  if (cooldown_changed && health.cooldown().until > now) cells.cooldowns.add();
  publish_health();
  has_news_ = true;
}

void Deployment::apply(const upstream::DeploymentNews& news, MonoTime now) noexcept {
  stats.hear({.in_flight = news.in_flight,
              .first_token = news.first_token,
              .whole = news.whole,
              .minute_tokens = news.minute_tokens},
             now);
  health.apply({.breaker = {.at = news.breaker_at,
                            .state = static_cast<resilience::BreakerState>(news.breaker_state),
                            .open_until = news.breaker_until,
                            .successes = news.breaker_successes},
                .cooldown = {.at = news.cooldown_at, .until = news.cooldown_until},
                .ejected_until = news.ejected_until,
                .is_down = news.is_down,
                .is_drained = news.is_drained},
               now);
  stats.returned_at = health.returned_at();
  publish_health();
}

void Deployment::publish_stats() noexcept {
  cells.first_token_ns.set(stats.first_token.value().count());
  cells.whole_ns.set(stats.whole.value().count());
}

void Deployment::publish_health() noexcept {
  stats.returned_at = health.returned_at();
  const resilience::BreakerChange& breaker = health.breaker();
  cells.breaker_state.set(static_cast<int64_t>(breaker.state));
  cells.breaker_until_ns.set(ns(breaker.open_until));
  cells.breaker_successes.set(breaker.successes);
  cells.breaker_changed_ns.publish(ns(breaker.at));
  const resilience::CooldownChange& cooldown = health.cooldown();
  cells.cooldown_until_ns.set(ns(cooldown.until));
  cells.cooldown_changed_ns.publish(ns(cooldown.at));
}

ModelFlow::ModelFlow(const config::Model& model, metrics::ModelCells& model_cells,
                     uint32_t shards) noexcept
    : name(model.name), cells(model_cells) {
  follow(model, shards);
}

void ModelFlow::follow(const config::Model& model, uint32_t shards) noexcept {
  budget.set_settings(model.retries, shards);
  // Requests of an older configuration may hedge still.
  if (!model.hedge) return;
  if (hedge == nullptr) hedge = std::make_unique<resilience::HedgePolicy>();
  hedge->set_settings(*model.hedge);
}

Deployment& ShardState::deployment(const config::Upstream& upstream,
                                   metrics::UpstreamCells& cells) {
  auto& kept = deployments_[upstream.name];
  if (kept == nullptr) kept = std::make_unique<Deployment>(upstream, cells, has_news_);
  kept->health.set_settings(upstream.breaker);
  return *kept;
}

ModelFlow& ShardState::flow(const config::Model& model, metrics::ModelCells& cells) {
  auto& kept = flows_[model.name];
  if (kept == nullptr) kept = std::make_unique<ModelFlow>(model, cells, shards_);
  kept->follow(model, shards_);
  return *kept;
}

}  // namespace sluice::exchange
