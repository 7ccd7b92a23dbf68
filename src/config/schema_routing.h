// How a model's requests are spread, held back and asked again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sluice/config/routing.h>

#include "walk.h"

namespace sluice::config {

// Over what `retries` holds already.
void read_retries(Walk& walk, const Node& node, RetrySettings& retries);
void read_affinity(Walk& walk, const Node& node, Affinity& affinity);
void read_queue(Walk& walk, const Node& node, QueueSettings& queue);
void read_hedge(Walk& walk, const Node& node, std::optional<HedgeSettings>& hedge);
void read_recovery(Walk& walk, const Node& node, RecoverySettings& recovery);
void read_outliers(Walk& walk, const Node& node, std::optional<OutlierSettings>& outliers);
void read_strategy(Walk& walk, const Node& node, StrategyKind& strategy);

void list_retry_keys(const std::string& prefix, std::vector<std::string>& names);
void list_affinity_keys(const std::string& prefix, std::vector<std::string>& names);
void list_queue_keys(const std::string& prefix, std::vector<std::string>& names);
void list_hedge_keys(const std::string& prefix, std::vector<std::string>& names);
void list_recovery_keys(const std::string& prefix, std::vector<std::string>& names);
void list_outlier_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
