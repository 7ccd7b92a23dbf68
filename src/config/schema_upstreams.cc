#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "bounds.h"
#include "clocks.h"
#include "dial_rules.h"
#include "endpoint_names.h"
#include "fields.h"
#include "schema.h"
#include "schema_auth.h"
#include "schema_discovery.h"
#include "schema_failures.h"
#include "schema_limits.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kTagsMax = 32;

// An upstream with what of its item becomes other things, or is checked once all has been read.
struct UpstreamDraft : Upstream {
  std::optional<Discovery> discovery;
  ClockDraft clocks;
  LimitSet limit_set;
  const Node* url = nullptr;
};

// "url" of the upstream that the table has read the name of before.
void read_url(Walk& walk, const Node& node, UpstreamDraft& upstream) {
  const auto text = walk.text(node);
  // Some services take their key in the query.
  if (node.text.find('?') != std::string::npos) walk.secrets.push_back({node.line, node.column});
  if (!text) return;
  auto endpoint = parse_url(*text);
  if (!endpoint) {
    const Fault& fault = endpoint.error();
    const std::string name = upstream.name.empty() ? "" : fmt::format("of `{}` ", upstream.name);
    return walk.error(node, name + fault.cause, fault.remedy);
  }
  upstream.endpoint = std::move(*endpoint);
  upstream.url = &node;
  if (!is_https(*text)) return;
  upstream.tls.emplace();
  upstream.tls->server_name = upstream.endpoint.host;
}

void read_stream_usage(Walk& walk, const Node& node, UpstreamDraft& upstream) {
  static constexpr std::array<std::string_view, 2> kWords = {"inject", "pass"};
  const auto index = walk.choice(node, kWords);
  if (index) upstream.stream_usage = *index == 0 ? StreamUsage::kInject : StreamUsage::kPass;
}

constexpr std::array kPoolFields = {
    Field<PoolLimits>{"idle_max", read_number<&PoolLimits::idle_max, 0, 65'536>},
    Field<PoolLimits>{"idle_timeout",
                      read_duration<&PoolLimits::idle_timeout, kTimeoutMin, 24 * kHour>},
    Field<PoolLimits>{"age_max", read_duration<&PoolLimits::age_max, kTimeoutMin, 24 * kHour>},
    Field<PoolLimits>{"connections_max", read_number<&PoolLimits::connections_max, 1, 65'536>}};

void read_tags(Walk& walk, const Node& node, UpstreamDraft& upstream) {
  read_list(walk, node, kTagsMax, [&](const Node& item, size_t) {
    if (auto tag = walk.label(item)) upstream.tags.push_back(std::move(*tag));
  });
  std::ranges::sort(upstream.tags);
  if (std::ranges::adjacent_find(upstream.tags) == upstream.tags.end()) return;
  walk.error(node, "names a tag twice", "name each tag once");
}

struct EndpointWord {
  std::string_view word;
  std::string_view suffix;  // Of a URL that names this endpoint only.
  bool Capabilities::* serves;
};
constexpr std::array<EndpointWord, 4> kEndpoints = {
    {{"chat", "/chat/completions", &Capabilities::chat},
     {"completions", "/completions", &Capabilities::completions},
     {"embeddings", "/embeddings", &Capabilities::embeddings},
     {"responses", "/responses", &Capabilities::responses}}};

void read_endpoints(Walk& walk, const Node& node, UpstreamDraft& upstream) {
  static constexpr std::array<std::string_view, 4> kWords = {
      kEndpoints[0].word, kEndpoints[1].word, kEndpoints[2].word, kEndpoints[3].word};
  upstream.serves = {false, false, false, false};
  read_list(walk, node, kEndpoints.size(), [&](const Node& item, size_t) {
    const auto index = walk.choice(item, kWords);
    if (!index) return;
    bool& serves = upstream.serves.*kEndpoints[*index].serves;
    if (serves) walk.error(item, "repeats an endpoint", "name each one once");
    serves = true;
  });
}

// A URL that names a full endpoint serves that one only.
void limit_endpoints(Walk& walk, const Node& item, UpstreamDraft& upstream) {
  if (upstream.endpoint.full_path.empty()) return;
  const std::string_view suffix = endpoint_suffix(upstream.endpoint.full_path);
  bool has_own = false;
  for (const EndpointWord& endpoint : kEndpoints) {
    bool& serves = upstream.serves.*endpoint.serves;
    const bool is_own = endpoint.suffix == suffix;
    has_own |= is_own && serves;
    serves &= is_own;
  }
  if (has_own) return;
  const Walk::Step step(walk, "endpoints");
  walk.error(*find_key(item, "endpoints"), "leaves out the one that `url` names",
             "name it, or write a `url` that is no full endpoint");
}

constexpr auto read_own_clocks = [](Walk& walk, const Node& node, UpstreamDraft& upstream) {
  read_clocks(walk, node, upstream.clocks);
};

template <auto Member, auto Read>
constexpr auto read_own = [](Walk& walk, const Node& node, UpstreamDraft& upstream) {
  Read(walk, node, upstream.*Member);
};

// The name comes first, the URL before what belongs to https, and the credential before the
// headers: later fields speak of them.
constexpr std::array kUpstreamFields = {
    Field<UpstreamDraft>{"name", read_label<&Upstream::name>, Presence::kRequired},
    Field<UpstreamDraft>{"url", read_url, Presence::kRequired},
    Field<UpstreamDraft>{"private_addresses", read_boolean<&Upstream::private_addresses>},
    Field<UpstreamDraft>{"discover", read_own<&UpstreamDraft::discovery, read_discovery>,
                         Presence::kOptional, list_discovery_keys},
    Field<UpstreamDraft>{"tls", of_base<read_upstream_tls>, Presence::kOptional,
                         list_upstream_tls_keys},
    Field<UpstreamDraft>{"credential", of_base<read_credential>},
    Field<UpstreamDraft>{"auth", of_base<read_auth>, Presence::kOptional, list_auth_keys},
    Field<UpstreamDraft>{"headers", of_base<read_headers>},
    Field<UpstreamDraft>{"proxy", of_base<read_proxy>, Presence::kOptional, list_proxy_keys},
    Field<UpstreamDraft>{"weight", read_number<&Upstream::weight, 1, 1000>},
    Field<UpstreamDraft>{"timeouts", read_own_clocks, Presence::kOptional, list_clock_keys},
    Field<UpstreamDraft>{"pool", read_section<&Upstream::pool, kPoolFields>, Presence::kOptional,
                         list_section<kPoolFields>},
    Field<UpstreamDraft>{"stream_usage", read_stream_usage},
    Field<UpstreamDraft>{"concurrency_max", read_number<&Upstream::concurrency_max, 0, 1'000'000>},
    Field<UpstreamDraft>{"limits", read_own_limits<&UpstreamDraft::limit_set>},
    Field<UpstreamDraft>{"breaker", read_own<&Upstream::breaker, read_breaker>, Presence::kOptional,
                         list_breaker_keys},
    Field<UpstreamDraft>{"cooldown", read_own<&Upstream::cooldown, read_cooldown>,
                         Presence::kOptional, list_cooldown_keys},
    Field<UpstreamDraft>{"failures", read_own<&Upstream::cooldown, read_failures>,
                         Presence::kOptional, list_failure_keys},
    Field<UpstreamDraft>{"health", read_own<&Upstream::health, read_health>, Presence::kOptional,
                         list_health_keys},
    Field<UpstreamDraft>{"slow_start",
                         read_switched_duration<&Upstream::slow_start, kSecond, kHour>},
    Field<UpstreamDraft>{"tags", read_tags},
    Field<UpstreamDraft>{"endpoints", read_endpoints}};

// What no field can judge alone.
void check_upstream(Walk& walk, const Node& item, const Snapshot& snapshot,
                    UpstreamDraft& upstream) {
  limit_endpoints(walk, item, upstream);
  if (upstream.url != nullptr && !upstream.discovery) {
    const Walk::Step step(walk, "url");
    const std::string name = upstream.name.empty() ? "" : fmt::format("of `{}` ", upstream.name);
    if (const auto fault = refuse_host(upstream.endpoint.host, upstream.private_addresses)) {
      walk.error(*upstream.url, name + fault->cause, fault->remedy);
    }
  }
  if (upstream.discovery && upstream.discovery->kind == DiscoveryKind::kHttp) {
    const Walk::Step discover(walk, "discover");
    const Walk::Step step(walk, "http");
    const Node& source = *find_key(*find_key(item, "discover"), "http");
    const auto endpoint = parse_url(upstream.discovery->target);
    const auto fault = refuse_host(endpoint ? endpoint->host : "", upstream.private_addresses);
    if (fault) walk.error(source, *fault);
  }
  if (!upstream.tls || upstream.tls->verify) return;
  // Whoever can reach the path between could read and answer in the upstream's name.
  const Node& verify = *find_key(*find_key(item, "tls"), "verify");
  const std::string remedy = "name the upstream's authority with `ca` instead";
  const Walk::Step tls(walk, "tls");
  const Walk::Step step(walk, "verify");
  if (snapshot.development) {
    walk.warn(verify, "is off: anyone between can pretend to be the upstream", remedy);
  } else {
    walk.error(verify, "may be off in development only", remedy);
  }
}

const std::vector<Member>& members_of(const Members& members, const std::string& group) {
  static const std::vector<Member> kNone;
  const auto found = std::ranges::find(members, group, &MemberGroup::group);
  return found == members.end() ? kNone : found->members;
}

// Puts what the item stands for at the end of the snapshot's upstreams.
void add_upstreams(Walk& walk, const Node& item, UpstreamDraft& draft, Snapshot& snapshot) {
  const size_t first = snapshot.upstreams.size();
  std::string name = draft.name;
  if (draft.discovery) {
    Discovery& discovery = snapshot.discovery.emplace_back(std::move(*draft.discovery));
    discovery.group = draft.name;
    discovery.private_addresses = draft.private_addresses;
    add_members(walk, item, draft, members_of(walk.members, draft.name), kUpstreamsMax,
                snapshot.upstreams);
  } else {
    snapshot.upstreams.push_back(std::move(static_cast<Upstream&>(draft)));
  }
  const size_t count = snapshot.upstreams.size() - first;
  walk.upstream_items.push_back(
      {std::move(name), static_cast<uint32_t>(first), static_cast<uint32_t>(count), false});
}

}  // namespace

void read_upstreams(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_list(walk, node, kUpstreamsMax, [&](const Node& item, size_t i) {
    UpstreamDraft draft;
    read_mapping(walk, item, kUpstreamFields, draft);
    apply_clocks(draft.clocks, draft.timeouts);
    if (item.kind == NodeKind::kMapping) check_upstream(walk, item, snapshot, draft);
    draft.limits = add_rules(walk, item, draft.limit_set, LimitScope::kUpstream,
                             fmt::format("upstreams/{}", draft.name), snapshot);
    const std::string name = draft.name;
    add_upstreams(walk, item, draft, snapshot);
    if (name.empty()) return;
    const auto taken = walk.upstream_names.add(name, {static_cast<uint32_t>(i), item.line});
    if (!taken) return;
    walk.error(item, fmt::format("has the name `{}` of the upstream in line {}", name, taken->line),
               "give each upstream a name of its own");
  });
}

void list_upstream_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kUpstreamFields, prefix, names);
}

}  // namespace sluice::config
