#include "key_tables.h"

#include <array>
#include <cstddef>

#include <fmt/format.h>

#include "key_audit.h"
#include "key_scope.h"

namespace sluice::auth {
namespace {

using store::SqliteBytes;
using store::SqliteValue;

constexpr size_t kIdRandomBytes = 12;

// "?, ?, ..." as often as there are columns.
std::string places(size_t count) {
  std::string text = "?1";
  for (size_t i = 2; i <= count; ++i) text += fmt::format(", ?{}", i);
  return text;
}

struct Statements {
  std::string insert;
  std::string update;  // By the first column, all columns in one statement.
  std::string remove;
};

Statements statements_of(std::string_view table, std::string_view columns, size_t count) {
  return {fmt::format("INSERT INTO {}({}) VALUES ({})", table, columns, places(count)),
          fmt::format("UPDATE {} SET ({}) = ({}) WHERE id = ?1", table, columns, places(count)),
          fmt::format("DELETE FROM {} WHERE id = ?1", table)};
}

const Statements& statements_for(const KeyRecord&) {
  static const Statements kStatements = statements_of("keys", kKeyColumns, kKeyColumnCount);
  return kStatements;
}

const Statements& statements_for(const Owner&) {
  static const Statements kStatements = statements_of("owners", kOwnerColumns, kOwnerColumnCount);
  return kStatements;
}

KeyRow row_of(const KeyRecord& key) { return KeyRow(key); }
OwnerRow row_of(const Owner& owner) { return OwnerRow(owner); }

// Whose entry it is: what scoped actors see of the audit log.
std::pair<std::string_view, std::string_view> scope_of(const KeyRecord& key) noexcept {
  return {key.organisation, key.team};
}

std::pair<std::string_view, std::string_view> scope_of(const Owner& owner) noexcept {
  switch (owner.level) {
    case OwnerLevel::kOrganisation: return {owner.id, {}};
    case OwnerLevel::kTeam: return {owner.organisation, owner.id};
    case OwnerLevel::kUser: break;
  }
  return {owner.organisation, owner.team};
}

}  // namespace

std::unexpected<StoreError> refusal(StoreFault fault, std::string text, std::string_view field) {
  return std::unexpected(StoreError{fault, std::move(text), std::string(field)});
}

std::unexpected<StoreError> refusal(const store::SqliteError& error) {
  switch (error.fault) {
    case store::SqliteFault::kLocked: return refusal(StoreFault::kBusy, error.text);
    case store::SqliteFault::kConstraint: return refusal(StoreFault::kConflict, error.text);
    default: return refusal(StoreFault::kBroken, error.text);
  }
}

std::unexpected<StoreError> refusal(const FieldFault& fault) {
  return refusal(StoreFault::kInvalid, fault.text, fault.field);
}

std::unexpected<StoreError> no_such(std::string_view what) {
  return refusal(StoreFault::kNotFound, fmt::format("there is no such {}", what));
}

// --- what changed -------------------------------------------------------------------------------

template <class T>
void ChangeLog::note(Steps<T>& steps, const T* before, const T* after) {
  const std::string& id = before != nullptr ? before->id : after->id;
  const auto [step, is_new] = steps.try_emplace(id);
  if (is_new && before != nullptr) step->second.first = *before;
  step->second.last = after != nullptr ? std::optional<T>(*after) : std::nullopt;
}

void ChangeLog::note(const KeyRecord* before, const KeyRecord* after) {
  note(keys_, before, after);
}

void ChangeLog::note(const Owner* before, const Owner* after) { note(owners_, before, after); }

template <class T>
void ChangeLog::add(Steps<T>& steps, Steps<T>&& later) {
  for (auto& [id, step] : later) {
    const auto [here, is_new] = steps.try_emplace(id);
    if (is_new) here->second.first = std::move(step.first);
    here->second.last = std::move(step.last);
  }
}

void ChangeLog::add(ChangeLog&& later) {
  add(keys_, std::move(later.keys_));
  add(owners_, std::move(later.owners_));
}

DirectoryChange ChangeLog::take() {
  DirectoryChange change;
  for (auto& [id, step] : keys_) {
    if (step.last) {
      change.keys.push_back(std::move(*step.last));
    } else if (step.first) {
      change.gone.push_back(std::move(*step.first));
    }
  }
  for (auto& [id, step] : owners_) {
    if (step.last) {
      change.owners.push_back(std::move(*step.last));
    } else if (step.first) {
      change.gone_owners.push_back(id);
    }
  }
  keys_.clear();
  owners_.clear();
  return change;
}

// --- looks --------------------------------------------------------------------------------------

KeyTables::KeyTables(std::unique_ptr<store::SqliteDb> file, Clock& time)
    : db(std::move(file)), clock(time) {}

StoreResult<std::vector<KeyRecord>> KeyTables::keys(std::string_view sql,
                                                    std::span<const SqliteValue> values) {
  auto rows = db->query(sql, values);
  if (!rows) return refusal(rows.error());
  std::vector<KeyRecord> keys;
  for (;;) {
    const auto row = rows->next();
    if (!row) return refusal(row.error());
    if (!*row) return keys;
    auto key = reader.key(*rows);
    if (!key) return refusal(StoreFault::kBroken, key.error());
    keys.push_back(std::move(*key));
  }
}

StoreResult<std::vector<Owner>> KeyTables::owners(std::string_view sql,
                                                  std::span<const SqliteValue> values) {
  auto rows = db->query(sql, values);
  if (!rows) return refusal(rows.error());
  std::vector<Owner> owners;
  for (;;) {
    const auto row = rows->next();
    if (!row) return refusal(row.error());
    if (!*row) return owners;
    auto owner = reader.owner(*rows);
    if (!owner) return refusal(StoreFault::kBroken, owner.error());
    owners.push_back(std::move(*owner));
  }
}

StoreResult<KeyRecord> KeyTables::key(std::string_view id) {
  static const std::string kSql = fmt::format("SELECT {} FROM keys WHERE id = ?1", kKeyColumns);
  const std::array<SqliteValue, 1> values = {id};
  auto found = keys(kSql, values);
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty()) return no_such("key");
  return std::move(found->front());
}

StoreResult<Owner> KeyTables::owner(std::string_view id) {
  static const std::string kSql = fmt::format("SELECT {} FROM owners WHERE id = ?1", kOwnerColumns);
  const std::array<SqliteValue, 1> values = {id};
  auto found = owners(kSql, values);
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty()) return no_such("owner");
  return std::move(found->front());
}

StoreResult<std::optional<KeyRecord>> KeyTables::key_with(const crypto::Digest& digest) {
  static const std::string kSql =
      fmt::format("SELECT {} FROM keys WHERE digest = ?1 OR former_digest = ?1", kKeyColumns);
  const std::array<SqliteValue, 1> values = {SqliteBytes(digest)};
  auto found = keys(kSql, values);
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

StoreResult<KeyRecord> KeyTables::key_for(const Actor& actor, std::string_view id) {
  auto found = key(id);
  if (found && !may_see(actor, *found)) return no_such("key");
  return found;
}

StoreResult<Owner> KeyTables::owner_for(const Actor& actor, std::string_view id) {
  auto found = owner(id);
  if (found && !may_see(actor, *found)) return no_such("owner");
  return found;
}

std::string KeyTables::new_id(std::string_view front) {
  std::array<std::byte, kIdRandomBytes> bytes;
  random.fill(bytes);
  std::string id(front);
  for (const std::byte byte : bytes) id += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return id;
}

// --- changes ------------------------------------------------------------------------------------

StoreChange::StoreChange(KeyTables& tables, const Actor& actor,
                         store::SqliteTransaction&& transaction)
    : tables_(&tables),
      actor_(&actor),
      transaction_(std::move(transaction)),
      now_(tables.clock.wall()) {}

StoreResult<StoreChange> StoreChange::begin(KeyTables& tables, const Actor& actor) {
  auto transaction = tables.db->begin();
  if (!transaction) return refusal(transaction.error());
  return StoreChange(tables, actor, std::move(*transaction));
}

template <class T>
StoreResult<void> StoreChange::put_row(std::string_view action, const T* before, const T* after) {
  const T& present = after != nullptr ? *after : *before;
  const Statements& statements = statements_for(present);
  const auto row = row_of(present);
  const auto values = row.values();
  const auto done = after == nullptr    ? tables_->db->run(statements.remove, values.first(1))
                    : before == nullptr ? tables_->db->run(statements.insert, values)
                                        : tables_->db->run(statements.update, values);
  if (!done) return refusal(done.error());
  const auto [organisation, team] = scope_of(present);
  AuditEntry entry;
  entry.at = now_;
  entry.actor = actor_->name;
  entry.origin = actor_->origin;
  entry.action = action;
  entry.object = present.id;
  if (before != nullptr) entry.before = audit_text(*before);
  if (after != nullptr) entry.after = audit_text(*after);
  entry.outcome = "ok";
  log_.note(before, after);
  return note(entry, organisation, team);
}

StoreResult<void> StoreChange::put(std::string_view action, const KeyRecord* before,
                                   const KeyRecord* after) {
  return put_row(action, before, after);
}

StoreResult<void> StoreChange::put(std::string_view action, const Owner* before,
                                   const Owner* after) {
  return put_row(action, before, after);
}

StoreResult<void> StoreChange::note(const AuditEntry& entry, std::string_view organisation,
                                    std::string_view team) {
  const auto done = tables_->db->run(
      "INSERT INTO audit(at, actor, origin, action, object, organisation, team, before, after, "
      "outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {entry.at.unix_us, std::string_view(entry.actor), std::string_view(entry.origin),
       std::string_view(entry.action), std::string_view(entry.object), organisation, team,
       std::string_view(entry.before), std::string_view(entry.after),
       std::string_view(entry.outcome)});
  if (!done) return refusal(done.error());
  return {};
}

StoreResult<void> StoreChange::commit() {
  if (auto done = transaction_.commit(); !done) return refusal(done.error());
  tables_->changes.add(std::move(log_));
  return {};
}

}  // namespace sluice::auth
