#include "key_scope.h"

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "key_tables.h"

namespace sluice::auth {
namespace {

std::unexpected<StoreError> no_owner(std::string_view field) {
  return refusal(
      StoreFault::kInvalid,
      fmt::format("{} must be the id of one that exists; list them, or make it first", field),
      field);
}

// The owner of that level, as the actor may name it.
StoreResult<Owner> named_owner(KeyTables& tables, const Actor& actor, OwnerLevel level,
                               const std::string& id) {
  const std::string_view field = kOwnerLevelNames[static_cast<size_t>(level)];
  auto owner = tables.owner(id);
  if (!owner) {
    if (owner.error().fault == StoreFault::kNotFound) return no_owner(field);
    return owner;
  }
  const bool is_own = id == actor.organisation || id == actor.team;
  if (owner->level != level || (!may_see(actor, *owner) && !is_own)) return no_owner(field);
  return owner;
}

// Fills `id` in where it is empty; false when it is another one.
bool agree(std::string& id, const std::string& with) {
  if (with.empty()) return true;
  if (id.empty()) id = with;
  return id == with;
}

std::unexpected<StoreError> disagree(std::string_view field, std::string_view below) {
  return refusal(StoreFault::kInvalid,
                 fmt::format("{} must be the one that the {} belongs to; leave it out to have it "
                             "filled in",
                             field, below),
                 field);
}

StoreResult<void> place_team(KeyTables& tables, const Actor& actor, const std::string& team,
                             std::string& organisation) {
  if (!team.empty()) {
    const auto owner = named_owner(tables, actor, OwnerLevel::kTeam, team);
    if (!owner) return std::unexpected(owner.error());
    if (!agree(organisation, owner->organisation)) return disagree("organisation", "team");
    // It exists, and who may see the team may name what is above it.
    if (!owner->organisation.empty()) return {};
  }
  if (organisation.empty()) return {};
  const auto owner = named_owner(tables, actor, OwnerLevel::kOrganisation, organisation);
  if (!owner) return std::unexpected(owner.error());
  return {};
}

// What a scoped actor leaves out is its own; what it says must be, too.
StoreResult<void> keep_in_scope(const Actor& actor, std::string& organisation, std::string& team) {
  if (!agree(organisation, actor.organisation)) return no_owner("organisation");
  if (!agree(team, actor.team)) return no_owner("team");
  return {};
}

}  // namespace

bool is_scoped(const Actor& actor) noexcept {
  return !actor.organisation.empty() || !actor.team.empty();
}

bool may_see(const Actor& actor, const KeyRecord& key) noexcept {
  return (actor.organisation.empty() || key.organisation == actor.organisation) &&
         (actor.team.empty() || key.team == actor.team);
}

bool may_see(const Actor& actor, const Owner& owner) noexcept {
  const bool in_organisation = actor.organisation.empty() || owner.id == actor.organisation ||
                               owner.organisation == actor.organisation;
  const bool in_team = actor.team.empty() || owner.id == actor.team || owner.team == actor.team;
  return in_organisation && in_team;
}

StoreResult<void> place(KeyTables& tables, const Actor& actor, KeyRecord& key) {
  if (auto kept = keep_in_scope(actor, key.organisation, key.team); !kept) return kept;
  if (!key.user.empty()) {
    const auto user = named_owner(tables, actor, OwnerLevel::kUser, key.user);
    if (!user) return std::unexpected(user.error());
    if (!agree(key.team, user->team)) return disagree("team", "user");
    if (!agree(key.organisation, user->organisation)) return disagree("organisation", "user");
  }
  return place_team(tables, actor, key.team, key.organisation);
}

StoreResult<void> place(KeyTables& tables, const Actor& actor, Owner& owner) {
  const bool is_above = owner.level == OwnerLevel::kOrganisation ||
                        (owner.level == OwnerLevel::kTeam && !actor.team.empty());
  if (is_scoped(actor) && is_above) {
    return refusal(
        StoreFault::kInvalid,
        fmt::format("level must be below what this key manages; {} {} is made by whoever "
                    "manages what is above it",
                    owner.level == OwnerLevel::kTeam ? "a" : "an",
                    kOwnerLevelNames[static_cast<size_t>(owner.level)]),
        "level");
  }
  if (owner.level == OwnerLevel::kOrganisation) return {};
  // A team has no team above it, so the actor's would be filled into a user alone.
  std::string none;
  std::string& team = owner.level == OwnerLevel::kUser ? owner.team : none;
  if (auto kept = keep_in_scope(actor, owner.organisation, team); !kept) return kept;
  return place_team(tables, actor, team, owner.organisation);
}

StoreResult<void> check_gives_no_more(KeyTables& tables, const Actor& actor, const KeyRecord& key) {
  if (key.kind == KeyKind::kInference) return {};
  // Other actors than keys have names that are no key's id.
  const auto own = tables.key(actor.name);
  if (!own) {
    if (own.error().fault == StoreFault::kNotFound) return {};
    return std::unexpected(own.error());
  }
  if (!own->expires || (key.expires && *key.expires <= *own->expires)) return {};
  return refusal(StoreFault::kInvalid,
                 "expires must not be after the end of the key that asks; a key without an end, or "
                 "the admin socket, can give more",
                 "expires");
}

}  // namespace sluice::auth
