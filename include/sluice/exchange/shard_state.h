// What one shard remembers of deployments and models from configuration to configuration.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include <sluice/config/snapshot.h>
#include <sluice/limit/wait_queue.h>
#include <sluice/limit/wait_times.h>
#include <sluice/metrics/cells.h>
#include <sluice/resilience/deployment_health.h>
#include <sluice/resilience/hedge_policy.h>
#include <sluice/resilience/retry_policy.h>
#include <sluice/route/deployment_stats.h>
#include <sluice/upstream/shard_messages.h>
#include <sluice/usage/token_estimate.h>

namespace sluice::exchange {

// One deployment, by the name of its upstream.
struct Deployment {
  // Sets `has_news` when it has changed by what happened here.
  Deployment(const config::Upstream& upstream, metrics::UpstreamCells& upstream_cells,
             bool& has_news) noexcept;

  // Takes in how an attempt went that began at `began_at`, and writes what control reads.
  void record(const resilience::Judgement& judgement, bool was_probe, MonoTime now,
              MonoTime began_at) noexcept;
  void apply(const upstream::DeploymentNews& news, MonoTime now) noexcept;
  // Writes the means and tokens for control.
  void publish_stats() noexcept;

  std::string name;
  route::DeploymentStats stats;
  resilience::DeploymentHealth health;
  metrics::UpstreamCells& cells;

 private:
  void publish_health() noexcept;

  bool& has_news_;
};

// One model, by its name.
struct ModelFlow {
  ModelFlow(const config::Model& model, metrics::ModelCells& model_cells, uint32_t shards) noexcept;
  void follow(const config::Model& model, uint32_t shards) noexcept;

  std::string name;
  resilience::RetryBudget budget;
  std::unique_ptr<resilience::HedgePolicy> hedge;  // Null until a configuration hedges.
  limit::WaitQueue queue;
  limit::WaitTimes wait_times;
  usage::PromptCalibration prompts;
  usage::OutputQuantile outputs;
  metrics::ModelCells& cells;
};

// Owned by the worker; outlives all generations.
class ShardState {
 public:
  explicit ShardState(uint32_t shards) noexcept : shards_(shards) {}
  ShardState(const ShardState&) = delete;
  ShardState& operator=(const ShardState&) = delete;

  // What is remembered of the name, following the settings given; begun anew for a new name.
  [[nodiscard]] Deployment& deployment(const config::Upstream& upstream,
                                       metrics::UpstreamCells& cells);
  [[nodiscard]] ModelFlow& flow(const config::Model& model, metrics::ModelCells& cells);

  // Whether a deployment's health has changed here since the last call.
  [[nodiscard]] bool take_news() noexcept { return std::exchange(has_news_, false); }
  [[nodiscard]] bool has_news() const noexcept { return has_news_; }

  // Forgets what none of the live generations uses: `is_used` is asked for each.
  template <class IsUsedDeployment, class IsUsedFlow>
  void forget_unused(IsUsedDeployment is_used_deployment, IsUsedFlow is_used_flow) {
    absl::erase_if(deployments_,
                   [&](const auto& item) { return !is_used_deployment(*item.second); });
    absl::erase_if(flows_, [&](const auto& item) { return !is_used_flow(*item.second); });
  }

 private:
  uint32_t shards_;
  bool has_news_ = false;
  absl::flat_hash_map<std::string, std::unique_ptr<Deployment>> deployments_;
  absl::flat_hash_map<std::string, std::unique_ptr<ModelFlow>> flows_;
};

}  // namespace sluice::exchange
