#include "validate.h"

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

// Without keys everyone who can connect may spend the upstreams' money (D2).
void check_access(Walk& walk, const Node& root, const Snapshot& snapshot) {
  const bool has_keys = find_key(root, "keys") != nullptr;
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
  const Node& list = place_of(root, "keys");
  for (size_t i = 0; i < snapshot.keys.size() && i < list.children.size(); ++i) {
    if (snapshot.keys[i].certificate_subject.empty()) continue;
    return walk.error(
        place_of(list.children[i], "certificate_subject"),
        fmt::format("keys[{}].certificate_subject needs clients to be asked for certificates", i),
        "write `client_certificates: optional` or `required` below `tls`");
  }
}

}  // namespace

void validate(Walk& walk, const Node& root, const Snapshot& snapshot) {
  if (root.kind != NodeKind::kMapping) return;
  check_access(walk, root, snapshot);
  check_metrics(walk, root, snapshot);
  check_limits(walk, root, snapshot);
  check_unused(walk, root);
  check_key_subjects(walk, root, snapshot);
  check_rules(walk, root, snapshot);
}

}  // namespace sluice::config
