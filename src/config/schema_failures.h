// When an upstream counts as failed, for how long it rests, and how it comes back.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/routing.h>

#include "walk.h"

namespace sluice::config {

void read_breaker(Walk& walk, const Node& node, BreakerSettings& breaker);
void read_cooldown(Walk& walk, const Node& node, CooldownSettings& cooldown);
// The rules of `failures`, in the order of the file.
void read_failures(Walk& walk, const Node& node, CooldownSettings& cooldown);
void read_health(Walk& walk, const Node& node, std::optional<HealthCheck>& health);

void list_breaker_keys(const std::string& prefix, std::vector<std::string>& names);
void list_cooldown_keys(const std::string& prefix, std::vector<std::string>& names);
void list_failure_keys(const std::string& prefix, std::vector<std::string>& names);
void list_health_keys(const std::string& prefix, std::vector<std::string>& names);

}  // namespace sluice::config
