#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "header_rules.h"
#include "schema.h"
#include "url.h"

namespace sluice::config {
namespace {

constexpr size_t kHeadersMax = 32;
constexpr size_t kHeaderValueBytesMax = 4096;
constexpr size_t kCredentialBytesMax = 4096;
constexpr int64_t kSecond = 1000;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kTimeoutMin = 10;

// "url" of the upstream that the table has read the name of before.
void read_url(Walk& walk, const Node& node, Upstream& upstream) {
  const auto text = walk.text(node);
  if (!text) return;
  auto endpoint = parse_url(*text);
  if (!endpoint) {
    const Fault& fault = endpoint.error();
    const std::string name = upstream.name.empty() ? "" : fmt::format("of `{}` ", upstream.name);
    return walk.error(node, name + fault.cause, fault.remedy);
  }
  upstream.endpoint = std::move(*endpoint);
  if (!is_https(*text)) return;
  upstream.tls.emplace();
  upstream.tls->server_name = upstream.endpoint.host;
}

void read_credential(Walk& walk, const Node& node, Upstream& upstream) {
  auto value = walk.secret(node);
  if (!value) return;
  if (!is_header_value(*value) || value->find(' ') != std::string::npos) {
    return walk.error(node, "must be visible ASCII without spaces",
                      "write the bare credential; Sluice puts `Bearer` before it");
  }
  if (value->size() > kCredentialBytesMax) {
    return walk.error(node, "is longer than 4096 bytes", "check that it is the credential");
  }
  upstream.credential = {"authorization", "Bearer " + *value};
}

void read_header(Walk& walk, const Node& name_at, const Node& value_at, Upstream& upstream) {
  std::string name = header_name(name_at.text);
  if (name.empty()) {
    return walk.error(name_at, "has a key that is not a header's name", "write it as it is sent");
  }
  if (const auto fault = refuse_upstream_header(name)) return walk.error(name_at, *fault);
  if (name == "authorization" && !upstream.credential.name.empty()) {
    return walk.error(name_at, "sets `authorization` beside a credential", "keep one of the two");
  }
  const bool is_repeated = std::ranges::any_of(
      upstream.headers, [&](const Header& header) { return header.name == name; });
  if (is_repeated) {
    return walk.error(name_at, fmt::format("sets `{}` twice", name), "set each header once");
  }
  const Walk::Step step(walk, name_at.text);
  auto value = walk.text_or_reference(value_at);
  if (!value) return;
  if (!is_header_value(*value) || value->size() > kHeaderValueBytesMax) {
    return walk.error(value_at, "must be at most 4096 printable ASCII characters",
                      "remove control characters and outer spaces");
  }
  upstream.headers.push_back({std::move(name), std::move(*value)});
}

void read_headers(Walk& walk, const Node& node, Upstream& upstream) {
  if (!walk.is_mapping(node)) return;
  if (node.children.size() > 2 * kHeadersMax) {
    return walk.error(node, "has more than 32 headers", "remove some");
  }
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    read_header(walk, node.children[i], node.children[i + 1], upstream);
  }
}

void read_stream_usage(Walk& walk, const Node& node, Upstream& upstream) {
  static constexpr std::array<std::string_view, 2> kWords = {"inject", "pass"};
  const auto index = walk.choice(node, kWords);
  if (index) upstream.stream_usage = *index == 0 ? StreamUsage::kInject : StreamUsage::kPass;
}

constexpr std::array kTimeoutFields = {
    Field<UpstreamTimeouts>{"connect",
                            read_duration<&UpstreamTimeouts::connect, kTimeoutMin, kHour>},
    Field<UpstreamTimeouts>{"response",
                            read_duration<&UpstreamTimeouts::response, kTimeoutMin, 24 * kHour>},
    Field<UpstreamTimeouts>{"idle",
                            read_duration<&UpstreamTimeouts::idle, kTimeoutMin, 24 * kHour>}};

constexpr std::array kPoolFields = {
    Field<PoolLimits>{"idle_max", read_number<&PoolLimits::idle_max, 0, 65'536>},
    Field<PoolLimits>{"idle_timeout",
                      read_duration<&PoolLimits::idle_timeout, kTimeoutMin, 24 * kHour>},
    Field<PoolLimits>{"age_max", read_duration<&PoolLimits::age_max, kTimeoutMin, 24 * kHour>},
    Field<PoolLimits>{"connections_max", read_number<&PoolLimits::connections_max, 1, 65'536>}};

// The name comes first, the URL before what belongs to https, and the credential before the
// headers: later fields speak of them.
constexpr std::array kUpstreamFields = {
    Field<Upstream>{"name", read_label<&Upstream::name>, Presence::kRequired},
    Field<Upstream>{"url", read_url, Presence::kRequired},
    Field<Upstream>{"tls", read_upstream_tls, Presence::kOptional, list_upstream_tls_keys},
    Field<Upstream>{"credential", read_credential},
    Field<Upstream>{"headers", read_headers},
    Field<Upstream>{"weight", read_number<&Upstream::weight, 1, 1000>},
    Field<Upstream>{"timeouts", read_section<&Upstream::timeouts, kTimeoutFields>,
                    Presence::kOptional, list_section<kTimeoutFields>},
    Field<Upstream>{"pool", read_section<&Upstream::pool, kPoolFields>, Presence::kOptional,
                    list_section<kPoolFields>},
    Field<Upstream>{"stream_usage", read_stream_usage}};

}  // namespace

void read_upstreams(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_list(walk, node, kUpstreamsMax, [&](const Node& item, size_t i) {
    Upstream& upstream = snapshot.upstreams.emplace_back();
    read_mapping(walk, item, kUpstreamFields, upstream);
    if (upstream.name.empty()) return;
    const auto index = static_cast<uint32_t>(i);
    const auto taken = walk.upstream_names.add(upstream.name, {index, item.line});
    if (!taken) return;
    walk.error(
        item,
        fmt::format("has the name `{}` of the upstream in line {}", upstream.name, taken->line),
        "give each upstream a name of its own");
  });
}

void list_upstream_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kUpstreamFields, prefix, names);
}

}  // namespace sluice::config
