#include "validate.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include <sluice/base/units.h>

#include "fields.h"
#include "limit_checks.h"

namespace sluice::config {
namespace {

// The value at `section.name`; else the nearest place that exists above it.
const Node& place_of(const Node& root, std::string_view section, std::string_view name = {}) {
  const Node* node = find_key(root, section);
  if (node == nullptr) return root;
  const Node* below = name.empty() ? nullptr : find_key(*node, name);
  return below == nullptr ? *node : *below;
}

// Whether a source that the chain asks may know keys; the file, when it has some. What could not be
// read has been reported.
bool can_know_keys(const Node& root, const AuthSettings& auth) {
  const Node* section = find_key(root, "auth");
  const bool has_key_file = section != nullptr && find_key(*section, "key_file") != nullptr;
  if (auth.sources.empty()) return true;
  return std::ranges::any_of(auth.sources, [&](const SourceSettings& source) {
    switch (source.kind) {
      case SourceKind::kFile: return find_key(root, "keys") != nullptr || has_key_file;
      case SourceKind::kLua: return false;
      default: return true;
    }
  });
}

// Keys that the chain does not ask for are a mistake.
void check_file_source(Walk& walk, const Node& root, const AuthSettings& auth) {
  const bool is_asked = std::ranges::any_of(
      auth.sources, [](const SourceSettings& source) { return source.kind == SourceKind::kFile; });
  const Node* keys = find_key(root, "keys");
  if (is_asked || auth.sources.empty() || (keys == nullptr && auth.key_file.empty())) return;
  constexpr const char* kRemedy = "add `- type: file` to auth.sources, or remove them";
  if (keys != nullptr) {
    walk.error(*keys, "keys has no effect: auth.sources has no `file`", kRemedy);
  } else {
    walk.error(place_of(root, "auth", "key_file"),
               "auth.key_file has no effect: auth.sources has no `file`", kRemedy);
  }
}

// Without keys everyone who can connect may spend the upstreams' money (D2).
void check_access(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const bool has_keys = can_know_keys(root, snapshot.auth);
  const bool is_local = snapshot.listen.is_loopback();
  if (!has_keys && !snapshot.development) {
    walk.error(root, "keys is missing: without keys every caller may use every model",
               "add keys, or `development: true` with a loopback `listen`");
  }
  if (snapshot.development && !is_local && !snapshot.listen.host.empty()) {
    walk.error(place_of(root, "listen"), "listen must be a loopback address in development",
               "write \"127.0.0.1:8080\", or remove `development` and add keys");
  }
  if (!has_keys && snapshot.development && is_local) {
    walk.warn(place_of(root, "development"),
              "development is on and there are no keys: every local caller may use every model",
              "add keys before others can reach this machine");
  }
}

void check_metrics(Walk& walk, const Node& root, const Snapshot& snapshot) {
  if (!snapshot.metrics) return;
  const Node& place = place_of(root, "metrics", "listen");
  if (*snapshot.metrics == snapshot.listen && snapshot.listen.port != 0) {
    walk.error(place, "metrics.listen is the same address as listen", "choose another port");
  }
  if (snapshot.metrics->is_loopback()) return;
  if (snapshot.development) {
    walk.error(place, "metrics.listen must be a loopback address in development",
               "write \"127.0.0.1:9464\"");
  } else {
    walk.warn(place, "metrics.listen can be reached from other machines, without a key",
              "write \"127.0.0.1:9464\", or restrict who can reach it");
  }
}

void check_limits(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const Limits& limits = snapshot.limits;
  if (limits.byte_budget >= limits.body_bytes_max) return;
  walk.error(place_of(root, "limits", "byte_budget"),
             fmt::format("limits.byte_budget ({}) is less than limits.body_bytes_max ({})",
                         format_bytes(limits.byte_budget), format_bytes(limits.body_bytes_max)),
             "raise byte_budget to some times body_bytes_max");
}

void check_unused(Walk& walk, const Node& root) {
  const Node& list = place_of(root, "upstreams");
  for (size_t i = 0; i < walk.upstream_items.size() && i < list.children.size(); ++i) {
    const Walk::UpstreamItem& item = walk.upstream_items[i];
    if (item.has_route || item.name.empty()) continue;
    walk.warn(list.children[i],
              fmt::format("upstreams[{}] `{}` is named by no route", i, item.name),
              "add a route to it, or remove it");
  }
}

void check_key_subjects(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const bool are_asked_for =
      snapshot.tls && snapshot.tls->client_certificates != ClientCertificates::kNone;
  if (are_asked_for || snapshot.keys_by_subject.empty()) return;
  const Node* list = find_key(root, "keys");
  const size_t listed = list == nullptr ? 0 : list->children.size();
  for (size_t i = 0; i < snapshot.keys.size(); ++i) {
    const Key& key = snapshot.keys[i];
    if (key.certificate_subject.empty()) continue;
    const bool is_listed = i < listed;
    return walk.error(
        is_listed ? place_of(list->children[i], "certificate_subject") : root,
        fmt::format("{}certificate_subject needs clients to be asked for certificates",
                    is_listed ? fmt::format("keys[{}].", i)
                              : fmt::format("`{}` of auth.key_file: its ", key.name)),
        "write `client_certificates: optional` or `required` below `tls`");
  }
}

}  // namespace

void validate(Walk& walk, const Node& root, const Snapshot& snapshot) {
  if (root.kind != NodeKind::kMapping) return;
  check_access(walk, root, snapshot);
  check_file_source(walk, root, snapshot.auth);
  check_metrics(walk, root, snapshot);
  check_limits(walk, root, snapshot);
  check_unused(walk, root);
  check_key_subjects(walk, root, snapshot);
  check_rules(walk, root, snapshot);
}

}  // namespace sluice::config
