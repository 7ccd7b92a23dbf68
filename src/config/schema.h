// The one list of keys that a configuration may have, and how each becomes part of a Snapshot.
#pragma once

#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

inline constexpr size_t kUpstreamsMax = 4096;
inline constexpr size_t kModelsMax = 100'000;
inline constexpr size_t kWildcardsMax = 1000;  // Each is looked at for an unknown name.
inline constexpr size_t kRoutesMax = 64;       // Of one model; routing keeps a bit for each.
inline constexpr size_t kKeysMax = 1'000'000;
inline constexpr size_t kTenantsMax = 100'000;
inline constexpr size_t kRateLimitsMax = 1000;
// One key's use of one model, that a limit speaks of; all of the file.
inline constexpr size_t kKeyModelLimitsMax = 4'000'000;

// Fills `snapshot` from the whole file; what crosses sections is checked by validate().
void read_schema(Walk& walk, const Node& root, Snapshot& snapshot);

// Every key as a path without list marks, e.g. "models.routes.weight".
[[nodiscard]] std::vector<std::string> schema_keys();

// Lists and sections of the schema in files of their own.
void read_upstreams(Walk& walk, const Node& node, Snapshot& snapshot);
void read_models(Walk& walk, const Node& node, Snapshot& snapshot);
void read_tenants(Walk& walk, const Node& node, Snapshot& snapshot);
void read_keys(Walk& walk, const Node& node, Snapshot& snapshot);
// After all whose use they limit.
void read_rate_limits(Walk& walk, const Node& node, Snapshot& snapshot);
void read_listener_tls(Walk& walk, const Node& node, Snapshot& snapshot);
// Of the upstream whose `url` has been read; a scheme of https has set its `tls` already.
void read_upstream_tls(Walk& walk, const Node& node, Upstream& upstream);
void list_upstream_keys(const std::string& prefix, std::vector<std::string>& names);
void list_model_keys(const std::string& prefix, std::vector<std::string>& names);
void list_tenant_keys(const std::string& prefix, std::vector<std::string>& names);
void list_rate_limit_keys(const std::string& prefix, std::vector<std::string>& names);
void list_key_keys(const std::string& prefix, std::vector<std::string>& names);
void list_listener_tls_keys(const std::string& prefix, std::vector<std::string>& names);
void list_upstream_tls_keys(const std::string& prefix, std::vector<std::string>& names);

// A model's name: 1 to 256 visible ASCII characters.
[[nodiscard]] std::optional<std::string> read_model_name(Walk& walk, const Node& node);

}  // namespace sluice::config
