// The parts of the table of routes, each beside the functions that its rows name.
#pragma once

#include <span>

#include "route.h"

namespace sluice::admin {

[[nodiscard]] std::span<const Route> key_rows() noexcept;
[[nodiscard]] std::span<const Route> sync_rows() noexcept;
[[nodiscard]] std::span<const Route> owner_rows() noexcept;
[[nodiscard]] std::span<const Route> audit_rows() noexcept;
[[nodiscard]] std::span<const Route> usage_rows() noexcept;
[[nodiscard]] std::span<const Route> spend_rows() noexcept;
[[nodiscard]] std::span<const Route> reload_rows() noexcept;
[[nodiscard]] std::span<const Route> upstream_rows() noexcept;
[[nodiscard]] std::span<const Route> order_rows() noexcept;
[[nodiscard]] std::span<const Route> shard_rows() noexcept;
[[nodiscard]] std::span<const Route> drain_rows() noexcept;
[[nodiscard]] std::span<const Route> version_rows() noexcept;
[[nodiscard]] std::span<const Route> openapi_rows() noexcept;
[[nodiscard]] std::span<const Route> litellm_key_rows() noexcept;
[[nodiscard]] std::span<const Route> litellm_team_rows() noexcept;

}  // namespace sluice::admin
