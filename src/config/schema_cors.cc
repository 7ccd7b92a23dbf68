#include "schema_cors.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "address.h"
#include "bounds.h"
#include "fields.h"
#include "header_rules.h"

namespace sluice::config {
namespace {

constexpr size_t kOriginsMax = 1000;
constexpr size_t kOriginBytesMax = 300;
constexpr size_t kNamesMax = 64;

bool is_lower_alnum(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_made_of(std::string_view text, std::string_view marks) noexcept {
  return !text.empty() && std::ranges::all_of(text, [marks](char c) {
    return is_lower_alnum(c) || marks.find(c) != std::string_view::npos;
  });
}

// A name, or an address with IPv6 in brackets.
bool is_host(std::string_view host) noexcept {
  if (!host.starts_with('[')) return is_made_of(host, "-._");
  if (!host.ends_with(']')) return false;
  const auto address = parse_ip(host.substr(1, host.size() - 2));
  return address && !address->is_v4;
}

// What stands behind the host: nothing, or a port that a browser would send.
bool is_port(std::string_view scheme, std::string_view text) noexcept {
  if (text.empty()) return true;
  const auto port = parse_port(text.substr(1));
  if (!port || *port == 0 || text[1] == '0') return false;
  return !(scheme == "http" && *port == 80) && !(scheme == "https" && *port == 443);
}

// As browsers send it: RFC 6454 6.2, without "null", which any page can make itself have.
bool is_origin(std::string_view text) noexcept {
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || text.size() > kOriginBytesMax) return false;
  const std::string_view scheme = text.substr(0, scheme_end);
  const std::string_view rest = text.substr(scheme_end + 3);
  const size_t bracket = rest.find(']');
  const size_t host_end =
      std::min(rest.find(':', bracket == std::string_view::npos ? 0 : bracket), rest.size());
  return is_made_of(scheme, "+-.") && !(scheme[0] >= '0' && scheme[0] <= '9') &&
         is_host(rest.substr(0, host_end)) && is_port(scheme, rest.substr(host_end));
}

template <auto Member>
constexpr auto read_origins = [](Walk& walk, const Node& node, OriginList& out) {
  std::vector<std::string>& origins = out.*Member;
  read_list(walk, node, kOriginsMax, [&](const Node& item, size_t) {
    auto text = walk.text(item);
    if (!text) return;
    if (*text == "*") {
      return walk.error(item, "is every origin",
                        "write `allow_all_origins: true` if that is meant");
    }
    if (!is_origin(*text)) {
      return walk.error(item, "is not an origin as browsers send it",
                        "write scheme, host and port in lower case, without the scheme's own port "
                        "and without a path: https://app.example");
    }
    if (std::ranges::find(origins, *text) != origins.end()) {
      return walk.error(item, fmt::format("repeats `{}`", *text), "name each origin once");
    }
    origins.push_back(*std::move(text));
  });
};

// An empty list is allowed: then browsers let pages send or read only what is always allowed.
template <auto Member>
constexpr auto read_names = [](Walk& walk, const Node& node, CorsSettings& cors) {
  if (!walk.is_sequence(node)) return;
  std::vector<std::string>& names = cors.*Member;
  names.clear();
  if (node.children.empty()) return;
  read_list(walk, node, kNamesMax, [&](const Node& item, size_t) {
    auto text = walk.text(item);
    if (!text) return;
    if (header_name(*text).empty()) {
      return walk.error(item, "is not a name that HTTP allows",
                        "write letters, digits and dashes only");
    }
    if (std::ranges::find(names, *text) != names.end()) {
      return walk.error(item, fmt::format("repeats `{}`", *text), "name each one once");
    }
    names.push_back(*std::move(text));
  });
};

constexpr std::array kOriginFields = {Field<OriginList>{"allow", read_origins<&OriginList::allow>},
                                      Field<OriginList>{"deny", read_origins<&OriginList::deny>}};

constexpr std::array kCorsFields = {
    Field<CorsSettings>{"enabled", read_boolean<&CorsSettings::enabled>},
    Field<CorsSettings>{"allow_all_origins", read_boolean<&CorsSettings::allow_all_origins>},
    Field<CorsSettings>{"allow_credentials", read_boolean<&CorsSettings::allow_credentials>},
    Field<CorsSettings>{"allow_methods", read_names<&CorsSettings::allow_methods>},
    Field<CorsSettings>{"allow_headers", read_names<&CorsSettings::allow_headers>},
    Field<CorsSettings>{"expose_headers", read_names<&CorsSettings::expose_headers>},
    Field<CorsSettings>{"max_age", read_duration<&CorsSettings::max_age, 0, kDay>},
    Field<CorsSettings>{"data_origins", read_section<&CorsSettings::data_origins, kOriginFields>,
                        Presence::kOptional, list_section<kOriginFields>},
    Field<CorsSettings>{"admin_origins", read_section<&CorsSettings::admin_origins, kOriginFields>,
                        Presence::kOptional, list_section<kOriginFields>}};

// Browsers take `*` for itself, and not for everything, where credentials may come along.
void check_wildcards(Walk& walk, const Node& node, const CorsSettings& cors) {
  if (!cors.allow_credentials) return;
  if (cors.allow_all_origins) {
    const Walk::Step step(walk, "allow_all_origins");
    walk.error(*find_key(node, "allow_all_origins"),
               "cannot go with allow_credentials: every page that a user opens could act as them",
               "name the origins in data_origins.allow, or remove one of the two");
  }
  for (const auto& [name, list] : {std::pair{"allow_methods", &cors.allow_methods},
                                   std::pair{"allow_headers", &cors.allow_headers},
                                   std::pair{"expose_headers", &cors.expose_headers}}) {
    if (std::ranges::find(*list, "*") == list->end()) continue;
    const Walk::Step step(walk, name);
    walk.error(*find_key(node, name), "has `*`, which browsers do not heed with allow_credentials",
               "write the names");
  }
}

// Whether right or wrong: what is wrong has been reported.
bool names_allowed(const Node& node, std::string_view list) {
  const Node* origins = find_key(node, list);
  return origins != nullptr && find_key(*origins, "allow") != nullptr;
}

void check_effect(Walk& walk, const Node& node, const Snapshot& snapshot) {
  const CorsSettings& cors = snapshot.cors;
  if (cors.allow_all_origins && !cors.data_origins.allow.empty()) {
    const Walk::Step step(walk, "data_origins");
    walk.error(*find_key(node, "data_origins"),
               "has an `allow` that says nothing beside allow_all_origins",
               "remove one of the two");
  }
  if (find_key(node, "admin_origins") != nullptr && !snapshot.admin.listener) {
    const Walk::Step step(walk, "admin_origins");
    walk.error(*find_key(node, "admin_origins"), "has no effect without admin.listen",
               "remove it, or add `listen` below `admin`");
  }
  const bool allows_some = cors.allow_all_origins || names_allowed(node, "data_origins") ||
                           names_allowed(node, "admin_origins");
  if (cors.enabled && !allows_some) {
    walk.error(node, "is enabled and allows no origin",
               "add `data_origins: {allow: [https://app.example]}`, or remove `enabled`");
  }
}

}  // namespace

void read_cors(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_mapping(walk, node, kCorsFields, snapshot.cors);
  if (node.kind != NodeKind::kMapping) return;
  check_wildcards(walk, node, snapshot.cors);
  check_effect(walk, node, snapshot);
}

void list_cors_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kCorsFields, prefix, names);
}

}  // namespace sluice::config
