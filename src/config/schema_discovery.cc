#include "schema_discovery.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "address.h"
#include "bounds.h"
#include "dial_rules.h"
#include "fields.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr uint32_t kMemberWeightMax = 1000;
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

void read_file_source(Walk& walk, const Node& node, Discovery& discovery) {
  auto path = walk.path(node, kPathBytesMax);
  if (!path) return;
  if (!path->starts_with('/')) {
    return walk.error(node, "must be a full path", "write it as /etc/sluice/servers.txt");
  }
  discovery.kind = DiscoveryKind::kFile;
  discovery.target = std::move(*path);
}

template <DiscoveryKind Kind>
void read_name_source(Walk& walk, const Node& node, Discovery& discovery) {
  const auto text = walk.text(node);
  if (!text) return;
  auto name = parse_server_name(*text);
  if (!name || parse_ip(*name)) {
    return walk.error(node, "must be a host name",
                      Kind == DiscoveryKind::kSrv ? "write it as _openai._tcp.models.example"
                                                  : "write it as models.example");
  }
  discovery.kind = Kind;
  discovery.target = std::move(*name);
}

void read_http_source(Walk& walk, const Node& node, Discovery& discovery) {
  auto text = walk.text(node);
  if (!text) return;
  const auto endpoint = parse_url(*text);
  if (!endpoint) return walk.error(node, endpoint.error());
  if (is_https(*text)) {
    return walk.error(node, "has https, which a list of servers cannot be read by",
                      "write http://, or let a local program write a `file`");
  }
  discovery.kind = DiscoveryKind::kHttp;
  discovery.target = std::move(*text);
}

constexpr std::array<std::string_view, 4> kSources = {"file", "dns", "srv", "http"};

constexpr std::array kDiscoveryFields = {
    Field<Discovery>{"file", read_file_source},
    Field<Discovery>{"dns", read_name_source<DiscoveryKind::kDns>},
    Field<Discovery>{"srv", read_name_source<DiscoveryKind::kSrv>},
    Field<Discovery>{"http", read_http_source},
    Field<Discovery>{"port", read_number<&Discovery::port, 1, 65'535>},
    Field<Discovery>{"interval", read_duration<&Discovery::interval, 100, kHour>}};

// The name and port that a server is asked by. An address is asked by the name of the item's URL,
// which is what its certificate is for.
void name_server(const Member& member, const std::string& host, Upstream& upstream) {
  Endpoint& endpoint = upstream.endpoint;
  const std::string url_host = std::exchange(endpoint.host, host);
  if (member.port != 0) endpoint.port = member.port;
  if (parse_ip(host)) return;
  endpoint.authority = host;
  if (endpoint.port != (upstream.tls ? kHttpsPort : kHttpPort)) {
    endpoint.authority += fmt::format(":{}", endpoint.port);
  }
  if (upstream.tls && upstream.tls->server_name == url_host) upstream.tls->server_name = host;
}

}  // namespace

void read_discovery(Walk& walk, const Node& node, std::optional<Discovery>& optional_discovery) {
  Discovery discovery;
  read_mapping(walk, node, kDiscoveryFields, discovery);
  if (node.kind != NodeKind::kMapping) return;
  const auto sources = std::ranges::count_if(
      kSources, [&](std::string_view name) { return find_key(node, name) != nullptr; });
  if (sources != 1) {
    walk.error(node, "must have one of `file`, `dns`, `srv` and `http`",
               sources == 0 ? "add the one that knows the servers" : "keep one of them");
  }
  const Node* port = find_key(node, "port");
  if (port != nullptr && find_key(node, "dns") == nullptr) {
    walk.error(*port, "has a `port` that only `dns` takes", "remove it; the source names ports");
  }
  optional_discovery = std::move(discovery);
}

void list_discovery_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kDiscoveryFields, prefix, names);
}

void add_members(Walk& walk, const Node& at, const Upstream& common,
                 const std::vector<Member>& members, size_t upstreams_max,
                 std::vector<Upstream>& upstreams) {
  const size_t first = upstreams.size();
  for (const Member& member : members) {
    if (upstreams.size() >= upstreams_max || upstreams.size() - first >= kGroupMembersMax) {
      return walk.warn(
          at, "has more servers than are allowed; the last are left out",
          fmt::format("keep to {} for one item, {} for all", kGroupMembersMax, upstreams_max));
    }
    const auto host = parse_server_name(member.host);
    const auto fault = host ? refuse_host(*host, common.private_addresses)
                            : Fault{"has no host name or numeric address", "correct its source"};
    if (fault) {
      // What the source says is not repeated: it is no part of the file.
      walk.warn(at, fmt::format("has found a server that {}; it is left out", fault->cause),
                fault->remedy);
      continue;
    }
    Upstream upstream = common;
    name_server(member, *host, upstream);
    const bool is_v6 = host->find(':') != std::string::npos;
    upstream.group = common.name;
    upstream.name = fmt::format("{}/{}{}{}:{}", common.name, is_v6 ? "[" : "", *host,
                                is_v6 ? "]" : "", upstream.endpoint.port);
    upstream.weight = std::clamp(member.weight, 1u, kMemberWeightMax) * common.weight;
    const bool is_repeated =
        std::any_of(upstreams.begin() + static_cast<std::ptrdiff_t>(first), upstreams.end(),
                    [&](const Upstream& other) { return other.name == upstream.name; });
    if (!is_repeated) upstreams.push_back(std::move(upstream));
  }
}

}  // namespace sluice::config
