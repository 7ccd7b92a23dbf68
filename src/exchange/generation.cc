#include <sluice/exchange/generation.h>

#include <algorithm>

#include <fmt/format.h>

#include <sluice/config/upstream_path.h>
#include <sluice/http/serializer.h>
#include <sluice/json/writer.h>

namespace sluice::exchange {
namespace {

std::string write_request_fields(const config::Upstream& upstream) {
  constexpr size_t kOwnFieldsMax = 256;
  size_t bytes = kOwnFieldsMax + upstream.endpoint.authority.size() +
                 upstream.credential.name.size() + upstream.credential.value.size();
  for (const config::Header& header : upstream.headers) {
    bytes += header.name.size() + header.value.size() + 4;
  }
  std::string text(bytes, '\0');
  http::HeadWriter writer(text);
  writer.header("host", upstream.endpoint.authority);
  writer.header("content-type", "application/json").header("accept", "*/*");
  if (!upstream.credential.name.empty()) {
    writer.any_header(upstream.credential.name, upstream.credential.value);
  }
  for (const config::Header& header : upstream.headers) {
    if (header.op == config::HeaderOp::kReplace) writer.any_header(header.name, header.value);
  }
  text.resize(writer.text().size());
  return text;
}

// What of a client's head goes to `upstream`: of a field that it replaces or keeps back, nothing.
std::vector<Generation::ForwardedHeader> plan_forwarding(const config::Snapshot& snapshot,
                                                         const config::Upstream& upstream) {
  std::vector<Generation::ForwardedHeader> plan;
  const auto rule_for = [&](std::string_view name) {
    return std::ranges::find(upstream.headers, name, &config::Header::name);
  };
  for (const std::string& name : snapshot.forward_headers) {
    if (rule_for(name) != upstream.headers.end()) continue;
    plan.push_back({.id = http::header_name(name), .name = name, .value = {}});
  }
  for (const config::Header& header : upstream.headers) {
    if (header.op != config::HeaderOp::kInsert) continue;
    const bool is_forwarded =
        std::ranges::find(snapshot.forward_headers, header.name) != snapshot.forward_headers.end();
    // The client's own goes first only where it may go at all.
    plan.push_back({.id = http::header_name(header.name),
                    .name = header.name,
                    .value = header.value,
                    .is_forwarded = is_forwarded});
  }
  return plan;
}

std::string write_shared_lines(const config::Snapshot& snapshot,
                               const config::OriginRules& origins) {
  std::string lines = "x-content-type-options: nosniff\r\n";
  lines += origins.shared_lines();
  const Duration hsts = snapshot.tls ? snapshot.tls->hsts : Duration::zero();
  if (hsts > Duration::zero()) {
    lines += fmt::format("strict-transport-security: max-age={}\r\n",
                         std::chrono::duration_cast<seconds>(hsts).count());
  }
  return lines;
}

bool has_capability(const config::Capabilities& serves, Endpoint endpoint) noexcept {
  switch (endpoint) {
    case Endpoint::kChatCompletions: return serves.chat;
    case Endpoint::kCompletions: return serves.completions;
    case Endpoint::kEmbeddings: return serves.embeddings;
    case Endpoint::kResponses: return serves.responses;
    default: return false;
  }
}

std::array<route::RouteSet, kForwardedEndpoints> find_fits(const config::Snapshot& snapshot,
                                                           const config::Model& model) {
  std::array<route::RouteSet, kForwardedEndpoints> fits;
  for (uint32_t i = 0; i < model.routes.size(); ++i) {
    const config::Upstream& upstream = snapshot.upstream(model.routes[i].upstream);
    for (size_t endpoint = 0; endpoint < fits.size(); ++endpoint) {
      const auto asked = static_cast<Endpoint>(endpoint);
      const bool is_fit = has_capability(upstream.serves, asked) &&
                          config::serves(upstream.endpoint, metrics::to_string(asked));
      if (is_fit) fits[endpoint].add(i);
    }
  }
  return fits;
}

std::vector<Deployment*> find_deployments(const config::Snapshot& snapshot,
                                          const metrics::SnapshotCells& cells, ShardState& state) {
  std::vector<Deployment*> found;
  for (uint32_t i = 0; i < snapshot.upstreams.size(); ++i) {
    found.push_back(&state.deployment(snapshot.upstreams[i], cells.upstream(UpstreamId{i})));
  }
  return found;
}

std::vector<route::DeploymentStats*> stats_of(const std::vector<Deployment*>& deployments) {
  std::vector<route::DeploymentStats*> stats;
  for (Deployment* deployment : deployments) stats.push_back(&deployment->stats);
  return stats;
}

}  // namespace

Generation::Generation(const config::Snapshot& snapshot, metrics::SnapshotCells snapshot_cells,
                       upstream::SnapshotPlaces snapshot_places, ShardState& state, ShardId shard,
                       Clock& clock)
    : config(snapshot),
      cells(std::move(snapshot_cells)),
      places(std::move(snapshot_places)),
      subjects(snapshot),
      deployments(find_deployments(snapshot, cells, state)),
      auth(auth::KeyTable(snapshot), snapshot.auth),
      scripts(Scripts::make(snapshot, clock)),
      router(shard, snapshot.models, snapshot.upstreams, stats_of(deployments)),
      origins(snapshot.cors, snapshot.cors.data_origins),
      shared_lines(write_shared_lines(snapshot, origins)) {
  for (uint32_t i = 0; i < snapshot.models.size(); ++i) {
    const config::Model& model = snapshot.models[i];
    flows.push_back(&state.flow(model, cells.model(ModelId{i})));
    fits.push_back(find_fits(snapshot, model));
    std::vector<std::string>& names = model_names.emplace_back();
    for (const config::Route& route : model.routes) {
      names.push_back(json::quote(route.model));
    }
  }
  const auto goes_by_address = [](const config::Model& model) {
    return model.strategy == config::StrategyKind::kAffinity && model.affinity.client_address;
  };
  if (auth.has_more_sources()) index_names();
  wants_client_address = !snapshot.ip_limits.empty() || snapshot.access_log.enabled ||
                         auth.has_more_sources() || scripts != nullptr ||
                         std::ranges::any_of(snapshot.models, goes_by_address);
  for (const config::Upstream& upstream : snapshot.upstreams) {
    request_fields.push_back(write_request_fields(upstream));
    forwarded_headers.push_back(plan_forwarding(snapshot, upstream));
  }
}

void Generation::index_names() {
  for (uint32_t i = 0; i < config.tenants.size(); ++i) {
    tenants_by_name.emplace(config.tenants[i].name, TenantId{i});
  }
  names_of_models.resize(config.models.size());
  for (size_t i = 0; i < config.models.size(); ++i) {
    names_of_models[i].push_back(config.models[i].name);
  }
  for (const auto& [name, model] : config.models_by_name) {
    if (name != config.models[model.value].name) names_of_models[model.value].push_back(name);
  }
}

TenantId Generation::find_tenant(std::string_view name) const noexcept {
  const auto found = tenants_by_name.find(name);
  return found == tenants_by_name.end() ? TenantId{} : found->second;
}

bool Generation::has_name_like(ModelId model, std::string_view glob) const noexcept {
  return std::ranges::any_of(names_of_models[model.value], [glob](std::string_view name) {
    return auth::matches_glob(glob, name);
  });
}

}  // namespace sluice::exchange
