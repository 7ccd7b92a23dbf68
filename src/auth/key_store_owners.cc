#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "key_scope.h"
#include "key_tables.h"

namespace sluice::auth {
namespace {

constexpr std::array<std::string_view, 3> kIdFronts = {"org_", "team_", "user_"};

// What belongs to an owner, nearest first: keys, then users, then teams.
struct Belongings {
  std::vector<KeyRecord> keys;
  std::vector<Owner> owners;
};

StoreResult<Belongings> belongings_of(KeyTables& tables, const Owner& owner) {
  static constexpr std::array<std::string_view, 3> kColumns = {"organisation", "team", "user"};
  const std::string_view column = kColumns[static_cast<size_t>(owner.level)];
  const std::array<store::SqliteValue, 1> values = {std::string_view(owner.id)};
  Belongings all;
  auto keys = tables.keys(
      fmt::format("SELECT {} FROM keys WHERE {} = ?1 ORDER BY id", kKeyColumns, column), values);
  if (!keys) return std::unexpected(keys.error());
  all.keys = std::move(*keys);
  if (owner.level == OwnerLevel::kUser) return all;
  auto owners =
      tables.owners(fmt::format("SELECT {} FROM owners WHERE {} = ?1 ORDER BY level DESC, id",
                                kOwnerColumns, column),
                    values);
  if (!owners) return std::unexpected(owners.error());
  all.owners = std::move(*owners);
  return all;
}

StoreResult<bool> has_belongings(KeyTables& tables, const Owner& owner) {
  const auto count = tables.db->integer_of(
      "SELECT EXISTS(SELECT 1 FROM keys WHERE organisation = ?1) OR "
      "EXISTS(SELECT 1 FROM keys WHERE team = ?1) OR EXISTS(SELECT 1 FROM keys WHERE user = ?1) OR "
      "EXISTS(SELECT 1 FROM owners WHERE organisation = ?1) OR "
      "EXISTS(SELECT 1 FROM owners WHERE team = ?1)",
      {std::string_view(owner.id)});
  if (!count) return refusal(count.error());
  return *count != 0;
}

// The actor may look at what bounds it, and leaves it as it is.
StoreResult<Owner> changeable(KeyTables& tables, const Actor& actor, std::string_view id) {
  auto owner = tables.owner_for(actor, id);
  if (owner && (id == actor.organisation || id == actor.team)) {
    return refusal(StoreFault::kInvalid,
                   fmt::format("a key of this {} cannot change the {} itself; ask whoever manages "
                               "what is above it",
                               kOwnerLevelNames[static_cast<size_t>(owner->level)],
                               kOwnerLevelNames[static_cast<size_t>(owner->level)]),
                   "id");
  }
  return owner;
}

std::string action_of(const Owner& owner, std::string_view verb) {
  return fmt::format("{}.{}", kOwnerLevelNames[static_cast<size_t>(owner.level)], verb);
}

StoreResult<void> settle(KeyTables& tables, const Actor& actor, Owner& owner) {
  if (auto good = check_owner(owner); !good) return refusal(good.error());
  if (auto placed = place(tables, actor, owner); !placed) return placed;
  RowReader::name_rules(owner);
  return {};
}

StoreResult<void> check_new_id(KeyTables& tables, const std::string& id) {
  const auto other = tables.owner(id);
  if (other) {
    return refusal(StoreFault::kConflict, "an owner with this id exists already; take another one",
                   "id");
  }
  if (other.error().fault == StoreFault::kNotFound) return {};
  return std::unexpected(other.error());
}

}  // namespace

StoreResult<Owner> KeyStore::create_owner(const Actor& actor, Owner owner) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  owner.created = owner.updated = change->now();
  if (auto good = settle(*parts_, actor, owner); !good) return std::unexpected(good.error());
  if (owner.id.empty()) owner.id = parts_->new_id(kIdFronts[static_cast<size_t>(owner.level)]);
  if (auto is_new = check_new_id(*parts_, owner.id); !is_new) {
    return std::unexpected(is_new.error());
  }
  if (auto done = change->put(action_of(owner, "create"), nullptr, &owner); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return owner;
}

StoreResult<Owner> KeyStore::update_owner(const Actor& actor, const Owner& owner) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = changeable(*parts_, actor, owner.id);
  if (!before) return before;
  Owner after = owner;
  after.level = before->level;
  after.created = before->created;
  after.updated = change->now();
  if (auto good = settle(*parts_, actor, after); !good) return std::unexpected(good.error());
  if (after.organisation != before->organisation || after.team != before->team) {
    const auto is_used = has_belongings(*parts_, *before);
    if (!is_used) return std::unexpected(is_used.error());
    if (*is_used) {
      return refusal(StoreFault::kConflict,
                     fmt::format("{} cannot be moved while something belongs to it; delete or move "
                                 "that first",
                                 owner.id),
                     after.team != before->team ? "team" : "organisation");
    }
  }
  if (auto done = change->put(action_of(after, "update"), &*before, &after); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return after;
}

StoreResult<Owner> KeyStore::block_owner(const Actor& actor, std::string_view id, bool is_blocked) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = changeable(*parts_, actor, id);
  if (!before) return before;
  Owner after = *before;
  after.is_blocked = is_blocked;
  after.updated = change->now();
  const std::string action = action_of(after, is_blocked ? "block" : "unblock");
  if (auto done = change->put(action, &*before, &after); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return after;
}

StoreResult<void> KeyStore::delete_owner(const Actor& actor, std::string_view id, bool with_all) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = changeable(*parts_, actor, id);
  if (!before) return std::unexpected(before.error());
  const auto is_used = has_belongings(*parts_, *before);
  if (!is_used) return std::unexpected(is_used.error());
  if (*is_used && !with_all) {
    return refusal(StoreFault::kConflict,
                   fmt::format("{} still has keys or owners below it; delete those first, or all "
                               "of it together",
                               id));
  }
  if (*is_used) {
    const auto below = belongings_of(*parts_, *before);
    if (!below) return std::unexpected(below.error());
    for (const KeyRecord& key : below->keys) {
      if (auto done = change->put("key.delete", &key, nullptr); !done) return done;
    }
    for (const Owner& owner : below->owners) {
      if (auto done = change->put(action_of(owner, "delete"), &owner, nullptr); !done) return done;
    }
  }
  if (auto done = change->put(action_of(*before, "delete"), &*before, nullptr); !done) return done;
  return change->commit();
}

}  // namespace sluice::auth
