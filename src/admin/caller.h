// Who sends an admin request, and how far its rights go.
#pragma once

#include <array>
#include <expected>
#include <string>
#include <string_view>

#include <sluice/admin/admin_server.h>
#include <sluice/auth/key_store.h>

namespace sluice::admin {

struct Refusal;

struct Caller {
  auth::Actor actor;
  bool is_read_only = false;

  // Sees only what belongs to its organisation or team.
  [[nodiscard]] bool is_scoped() const noexcept {
    return !actor.organisation.empty() || !actor.team.empty();
  }
  // Its own organisation or team, which it may look at and not change.
  [[nodiscard]] bool is_bound_by(std::string_view owner) const noexcept {
    return is_scoped() && (owner == actor.organisation || owner == actor.team);
  }
};

// Wherever the request came over the Unix socket, its process, who may do everything; else who its
// bearer token proves it to be. Nothing else of a request says who sent it (D8). Counts failures.
[[nodiscard]] std::expected<Caller, Refusal> identify(const AdminParts& parts,
                                                      const control::SmallRequest& request,
                                                      FailureCounts& failures);

}  // namespace sluice::admin
