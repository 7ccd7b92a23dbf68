#include <sluice/auth/key_store.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "key_schema.h"
#include "key_scope.h"
#include "key_tables.h"

namespace sluice::auth {
namespace {

constexpr crypto::Digest kNoDigest{};

StoreResult<void> check_new_digest(KeyTables& tables, const crypto::Digest& digest) {
  if (digest == kNoDigest) {
    return refusal(StoreFault::kInvalid, "digest must be that of a secret", "digest");
  }
  const auto other = tables.key_with(digest);
  if (!other) return std::unexpected(other.error());
  if (!*other) return {};
  return refusal(StoreFault::kConflict, "a key with this secret exists already; take another one",
                 "digest");
}

// What every key that is written goes through, whichever call it comes from.
StoreResult<void> settle(KeyTables& tables, const Actor& actor, KeyRecord& key) {
  if (auto good = check_record(key); !good) return refusal(good.error());
  if (auto placed = place(tables, actor, key); !placed) return placed;
  if (auto fair = check_gives_no_more(tables, actor, key); !fair) return fair;
  RowReader::name_rules(key);
  return {};
}

}  // namespace

KeyStore::KeyStore(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}

KeyStore::~KeyStore() = default;

std::expected<std::unique_ptr<KeyStore>, std::string> KeyStore::open(
    const std::string& path, Clock& clock, const KeyStoreOptions& options) {
  auto db = store::SqliteDb::open(path, {.checks_pages = options.checks_pages,
                                         .busy_wait = options.busy_wait,
                                         .bytes_max = options.bytes_max,
                                         .watcher = options.watcher});
  if (!db) return std::unexpected(std::move(db.error().text));
  if (auto done = migrate(**db, clock.wall()); !done) return std::unexpected(done.error().text);
  return std::unique_ptr<KeyStore>(new KeyStore(std::make_unique<Parts>(std::move(*db), clock)));
}

StoreResult<KeyRecord> KeyStore::create_key(const Actor& actor, KeyRecord key) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  key.id = parts_->new_id("key_");
  key.created = key.updated = change->now();
  key.former_digest.reset();
  key.former_until.reset();
  if (auto good = settle(*parts_, actor, key); !good) return std::unexpected(good.error());
  if (auto is_new = check_new_digest(*parts_, key.digest); !is_new) {
    return std::unexpected(is_new.error());
  }
  if (auto done = change->put("key.create", nullptr, &key); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return key;
}

StoreResult<KeyRecord> KeyStore::update_key(const Actor& actor, const KeyRecord& key) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = parts_->key_for(actor, key.id);
  if (!before) return before;
  KeyRecord after = key;
  after.prefix = before->prefix;
  after.digest = before->digest;
  after.former_digest = before->former_digest;
  after.former_until = before->former_until;
  after.created = before->created;
  after.updated = change->now();
  if (auto good = settle(*parts_, actor, after); !good) return std::unexpected(good.error());
  if (auto done = change->put("key.update", &*before, &after); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return after;
}

StoreResult<KeyRecord> KeyStore::block_key(const Actor& actor, std::string_view id,
                                           bool is_blocked) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = parts_->key_for(actor, id);
  if (!before) return before;
  KeyRecord after = *before;
  after.is_blocked = is_blocked;
  after.updated = change->now();
  if (auto done = change->put(is_blocked ? "key.block" : "key.unblock", &*before, &after); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return after;
}

StoreResult<KeyRecord> KeyStore::rotate_key(const Actor& actor, std::string_view id,
                                            const crypto::Digest& digest, std::string_view prefix,
                                            std::optional<WallTime> former_until) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = parts_->key_for(actor, id);
  if (!before) return before;
  if (former_until && *former_until <= change->now()) {
    return refusal(StoreFault::kInvalid, "former_until must be in the future, or be left out",
                   "former_until");
  }
  // Whoever rotates a key can use it.
  if (auto fair = check_gives_no_more(*parts_, actor, *before); !fair) {
    return std::unexpected(fair.error());
  }
  if (auto is_new = check_new_digest(*parts_, digest); !is_new) {
    return std::unexpected(is_new.error());
  }
  // Both secrets are in one row, which one statement writes: either the former works, or the new
  // one does, whenever the process dies.
  KeyRecord after = *before;
  after.digest = digest;
  after.prefix = prefix;
  after.former_digest = former_until ? std::optional(before->digest) : std::nullopt;
  after.former_until = former_until;
  after.updated = change->now();
  if (auto good = check_record(after); !good) return refusal(good.error());
  if (auto done = change->put("key.rotate", &*before, &after); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return after;
}

StoreResult<void> KeyStore::delete_key(const Actor& actor, std::string_view id) {
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  const auto before = parts_->key_for(actor, id);
  if (!before) return std::unexpected(before.error());
  if (auto done = change->put("key.delete", &*before, nullptr); !done) return done;
  return change->commit();
}

StoreResult<void> KeyStore::note(const AuditEntry& entry) {
  const Actor actor{.name = entry.actor, .origin = entry.origin};
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  AuditEntry dated = entry;
  if (dated.at == WallTime{}) dated.at = change->now();
  if (auto done = change->note(dated, {}, {}); !done) return done;
  return change->commit();
}

DirectoryChange KeyStore::take_changes() { return parts_->changes.take(); }

// --- many at once -------------------------------------------------------------------------------

namespace {

class Sync {
 public:
  Sync(KeyTables& tables, const Actor& actor, StoreChange& change)
      : tables_(tables), actor_(actor), change_(change) {}

  StoreResult<void> put(KeyRecord key) {
    const auto before = tables_.key_with(key.digest);
    if (!before) return std::unexpected(before.error());
    if (!*before) return create(std::move(key));
    return update(**before, std::move(key));
  }

  // All that the actor may see and `put` was not called for, but the key that asks.
  StoreResult<void> remove_others() {
    std::string after;
    const std::string sql = fmt::format("SELECT {} FROM keys WHERE id > ?1 ORDER BY id LIMIT {}",
                                        kKeyColumns, KeyStore::kPageMost);
    for (;;) {
      const std::array<store::SqliteValue, 1> values = {std::string_view(after)};
      const auto page = tables_.keys(sql, values);
      if (!page) return std::unexpected(page.error());
      if (page->empty()) return {};
      after = page->back().id;
      for (const KeyRecord& key : *page) {
        if (seen_.contains(key.id) || !may_see(actor_, key) || key.id == actor_.name) continue;
        if (auto done = change_.put("key.delete", &key, nullptr); !done) return done;
        ++outcome_.deleted;
      }
    }
  }

  [[nodiscard]] const SyncOutcome& outcome() const noexcept { return outcome_; }

 private:
  StoreResult<void> create(KeyRecord key) {
    if (key.digest == kNoDigest) return check_new_digest(tables_, key.digest);
    if (key.id.empty()) {
      key.id = tables_.new_id("key_");
    } else if (key.id == kBootstrapActor) {
      return refusal(StoreFault::kInvalid, "id must be another one; this is no key's name", "id");
    } else if (const auto other = tables_.key(key.id); other) {
      return refusal(StoreFault::kConflict,
                     fmt::format("{} has another secret; rotate it, or leave the id out", key.id),
                     "id");
    } else if (other.error().fault != StoreFault::kNotFound) {
      return std::unexpected(other.error());
    }
    key.created = key.updated = change_.now();
    key.former_digest.reset();
    key.former_until.reset();
    if (auto good = settle(tables_, actor_, key); !good) return good;
    seen_.insert(key.id);
    ++outcome_.created;
    return change_.put("key.create", nullptr, &key);
  }

  StoreResult<void> update(const KeyRecord& before, KeyRecord key) {
    const bool is_same = key.digest == before.digest && (key.id.empty() || key.id == before.id);
    if (!is_same || !may_see(actor_, before)) {
      return refusal(StoreFault::kConflict,
                     "a key with this secret exists already, with another id; take another secret",
                     "digest");
    }
    if (!seen_.insert(before.id).second) {
      return refusal(StoreFault::kInvalid, "keys must name each key once", "keys");
    }
    key.id = before.id;
    if (key.prefix.empty()) key.prefix = before.prefix;
    key.former_digest = before.former_digest;
    key.former_until = before.former_until;
    key.created = before.created;
    key.updated = before.updated;
    if (auto good = settle(tables_, actor_, key); !good) return good;
    if (key == before) {
      ++outcome_.unchanged;
      return {};
    }
    key.updated = change_.now();
    ++outcome_.updated;
    return change_.put("key.update", &before, &key);
  }

  KeyTables& tables_;
  const Actor& actor_;
  StoreChange& change_;
  std::set<std::string, std::less<>> seen_;
  SyncOutcome outcome_;
};

}  // namespace

StoreResult<SyncOutcome> KeyStore::sync_keys(const Actor& actor, const SyncRequest& request) {
  if (request.is_full && request.keys.empty() && !request.may_empty) {
    return refusal(StoreFault::kInvalid,
                   "keys must not be empty in a full sync, which would delete every key; say "
                   "may_empty if that is meant",
                   "keys");
  }
  auto change = StoreChange::begin(*parts_, actor);
  if (!change) return std::unexpected(change.error());
  Sync sync(*parts_, actor, *change);
  for (size_t i = 0; i < request.keys.size(); ++i) {
    auto done = sync.put(request.keys[i]);
    if (done) continue;
    StoreError error = std::move(done.error());
    error.text = fmt::format("keys[{}]: {}", i, error.text);
    return std::unexpected(std::move(error));
  }
  if (request.is_full) {
    if (auto done = sync.remove_others(); !done) return std::unexpected(done.error());
  }
  if (request.is_dry) return sync.outcome();
  if (auto done = change->commit(); !done) return std::unexpected(done.error());
  return sync.outcome();
}

}  // namespace sluice::auth
