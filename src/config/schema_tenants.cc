#include <array>
#include <utility>

#include <fmt/format.h>

#include "schema.h"
#include "schema_limits.h"

namespace sluice::config {
namespace {

struct TenantDraft {
  std::string name;
  std::string parent;
  const Node* parent_at = nullptr;
  LimitSet limit_set;
};

void read_parent(Walk& walk, const Node& node, TenantDraft& tenant) {
  tenant.parent_at = &node;
  if (auto name = walk.label(node)) tenant.parent = std::move(*name);
}

constexpr std::array kTenantFields = {
    Field<TenantDraft>{"name", read_label<&TenantDraft::name>, Presence::kRequired},
    Field<TenantDraft>{"parent", read_parent},
    Field<TenantDraft>{"limits", read_own_limits<&TenantDraft::limit_set>}};

// A tenant whose parent may stand further down; resolved once all names are known.
struct Child {
  size_t item;
  uint32_t tenant;
  std::string parent;
  const Node* at;
};

// "default" is there before the file says so.
uint32_t add_tenant(Walk& walk, const std::string& name, uint32_t line, Snapshot& snapshot) {
  const auto next = static_cast<uint32_t>(snapshot.tenants.size());
  if (const auto place = walk.tenant_names.add(name, {next, line})) return place->index;
  snapshot.tenants.push_back({.name = name});
  return next;
}

std::string chain_text(const std::vector<Tenant>& tenants, uint32_t first) {
  std::string text = tenants[first].name;
  TenantId next = tenants[first].parent;
  for (uint32_t i = 0; next.is_valid() && i < kTenantDepthMost; ++i) {
    text += fmt::format(" -> {}", tenants[next.value].name);
    if (next.value == first) break;
    next = tenants[next.value].parent;
  }
  return text;
}

// Whether the tenant is on its own way up.
bool is_circle(const std::vector<Tenant>& tenants, uint32_t first) {
  uint32_t slow = first;
  uint32_t fast = first;
  const auto up = [&](uint32_t& tenant) {
    tenant = tenants[tenant].parent.value;
    return tenant != TenantId::kInvalid;
  };
  // The second goes twice as fast, and meets the first in a circle that need not hold the tenant.
  while (up(fast) && fast != first && up(fast) && fast != first) {
    (void)up(slow);
    if (slow == fast) return false;
  }
  return fast == first;
}

void check_depth(Walk& walk, const Child& child, const std::vector<Tenant>& tenants) {
  uint32_t depth = 1;
  for (TenantId up = tenants[child.tenant].parent; up.is_valid(); up = tenants[up.value].parent) {
    if (++depth > kTenantDepthMost) break;
  }
  if (depth <= kTenantDepthMost) return;
  if (is_circle(tenants, child.tenant)) {
    return walk.error(
        *child.at, fmt::format("leads back to the tenant: {}", chain_text(tenants, child.tenant)),
        "remove one of these steps");
  }
  walk.error(*child.at,
             fmt::format("has more than {} tenants above one another: {}", kTenantDepthMost,
                         chain_text(tenants, child.tenant)),
             "leave out a level");
}

void resolve_parents(Walk& walk, const std::vector<Child>& children, const NameTable& listed,
                     std::vector<Tenant>& tenants) {
  const auto with_step = [&](const Child& child, auto act) {
    const Walk::Step item_step(walk, child.item);
    const Walk::Step step(walk, "parent");
    act();
  };
  for (const Child& child : children) {
    with_step(child, [&] {
      if (const auto place = listed.find(child.parent)) {
        tenants[child.tenant].parent = TenantId{place->index};
        return;
      }
      walk.error(*child.at,
                 fmt::format("names the tenant `{}`, which does not exist{}", child.parent,
                             walk.suggestion(listed, child.parent)),
                 "name one of `tenants`");
    });
  }
  for (const Child& child : children) {
    with_step(child, [&] { check_depth(walk, child, tenants); });
  }
}

}  // namespace

void read_tenants(Walk& walk, const Node& node, Snapshot& snapshot) {
  NameTable listed;
  std::vector<Child> children;
  read_list(walk, node, kTenantsMax, [&](const Node& item, size_t i) {
    TenantDraft draft;
    read_mapping(walk, item, kTenantFields, draft);
    if (draft.name.empty()) return;
    const uint32_t id = add_tenant(walk, draft.name, item.line, snapshot);
    if (const auto taken = listed.add(draft.name, {id, item.line})) {
      return walk.error(
          item, fmt::format("has the name `{}` of the tenant in line {}", draft.name, taken->line),
          "give each tenant a name of its own");
    }
    snapshot.tenants[id].limits = add_rules(walk, item, draft.limit_set, LimitScope::kTenant,
                                            fmt::format("tenants/{}", draft.name), snapshot);
    if (draft.parent_at == nullptr || draft.parent.empty()) return;
    children.push_back({i, id, std::move(draft.parent), draft.parent_at});
  });
  resolve_parents(walk, children, listed, snapshot.tenants);
}

void list_tenant_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kTenantFields, prefix, names);
}

}  // namespace sluice::config
