// The parts of the table of routes, each beside the functions that its rows name.
#pragma once

#include <span>

#include "route.h"

namespace sluice::admin {

[[nodiscard]] std::span<const Route> key_rows();
[[nodiscard]] std::span<const Route> sync_rows();
[[nodiscard]] std::span<const Route> owner_rows();
[[nodiscard]] std::span<const Route> audit_rows();
[[nodiscard]] std::span<const Route> usage_rows();
[[nodiscard]] std::span<const Route> spend_rows();
[[nodiscard]] std::span<const Route> limit_rows();
[[nodiscard]] std::span<const Route> config_rows();
[[nodiscard]] std::span<const Route> reload_rows();
[[nodiscard]] std::span<const Route> upstream_rows();
[[nodiscard]] std::span<const Route> order_rows();
[[nodiscard]] std::span<const Route> shard_rows();
[[nodiscard]] std::span<const Route> top_rows();
[[nodiscard]] std::span<const Route> log_level_rows();
[[nodiscard]] std::span<const Route> drain_rows();
[[nodiscard]] std::span<const Route> upgrade_rows();
[[nodiscard]] std::span<const Route> version_rows();
[[nodiscard]] std::span<const Route> openapi_rows();
[[nodiscard]] std::span<const Route> litellm_key_rows();
[[nodiscard]] std::span<const Route> litellm_team_rows();

}  // namespace sluice::admin
