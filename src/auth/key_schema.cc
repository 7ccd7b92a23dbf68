#include "key_schema.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace sluice::auth {
namespace {

// A step that was shipped is never changed; what is to be different is a new step. Times are Unix
// microseconds, lists and limits JSON texts, an owner that is not there is null.
constexpr std::array<std::string_view, kSchemaVersion> kSteps = {
    // 1: owners and keys.
    R"sql(
CREATE TABLE schema_version(version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE TABLE owners(
  id TEXT NOT NULL PRIMARY KEY,
  level INTEGER NOT NULL,
  name TEXT NOT NULL,
  organisation TEXT REFERENCES owners(id),
  team TEXT REFERENCES owners(id),
  is_blocked INTEGER NOT NULL,
  expires INTEGER,
  models TEXT NOT NULL,
  limits TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL) STRICT;
CREATE INDEX owners_by_organisation ON owners(organisation, id) WHERE organisation IS NOT NULL;
CREATE INDEX owners_by_team ON owners(team, id) WHERE team IS NOT NULL;
CREATE TABLE keys(
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE CHECK(length(digest) = 32),
  kind INTEGER NOT NULL,
  organisation TEXT REFERENCES owners(id),
  team TEXT REFERENCES owners(id),
  user TEXT REFERENCES owners(id),
  is_blocked INTEGER NOT NULL,
  not_before INTEGER,
  expires INTEGER,
  models TEXT NOT NULL,
  limits TEXT NOT NULL,
  allowed_addresses TEXT NOT NULL,
  denied_addresses TEXT NOT NULL,
  weight INTEGER NOT NULL,
  priority_max INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL) STRICT;
CREATE INDEX keys_by_organisation ON keys(organisation, id) WHERE organisation IS NOT NULL;
CREATE INDEX keys_by_team ON keys(team, id) WHERE team IS NOT NULL;
CREATE INDEX keys_by_user ON keys(user, id) WHERE user IS NOT NULL;
)sql",
    // 2: what was done. `organisation` and `team` are those of the object: who may see the entry.
    R"sql(
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  origin TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  organisation TEXT NOT NULL,
  team TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  outcome TEXT NOT NULL) STRICT;
CREATE INDEX audit_by_object ON audit(object, id);
)sql",
    // 3: the secret before the last rotation.
    R"sql(
ALTER TABLE keys ADD COLUMN former_digest BLOB
  CHECK(former_digest IS NULL OR length(former_digest) = 32);
ALTER TABLE keys ADD COLUMN former_until INTEGER;
CREATE UNIQUE INDEX keys_by_former ON keys(former_digest) WHERE former_digest IS NOT NULL;
)sql",
    // 4: limits on single models, and tags.
    R"sql(
ALTER TABLE keys ADD COLUMN model_limits TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '';
)sql",
    // 5: answers to requests with an idempotency key.
    R"sql(
CREATE TABLE answers(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  actor TEXT NOT NULL,
  key TEXT NOT NULL,
  request BLOB NOT NULL CHECK(length(request) = 32),
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  until INTEGER NOT NULL,
  UNIQUE(actor, key)) STRICT;
CREATE INDEX answers_by_end ON answers(until);
)sql"};

using store::SqliteError;
using store::SqliteFault;
using store::SqliteResult;

SqliteResult<int64_t> version_of(store::SqliteDb& db) {
  const auto is_ours = db.integer_of("SELECT count(*) FROM sqlite_schema WHERE name = ?",
                                     {std::string_view("schema_version")});
  if (!is_ours) return is_ours;
  if (*is_ours == 1) return db.integer_of("SELECT max(version) FROM schema_version");
  const auto tables = db.integer_of("SELECT count(*) FROM sqlite_schema");
  if (!tables || *tables == 0) return tables;
  return std::unexpected(
      SqliteError{SqliteFault::kOther,
                  fmt::format("{} is a database of something else; name another path", db.path())});
}

SqliteResult<void> take_step(store::SqliteDb& db, size_t step, WallTime now) {
  auto transaction = db.begin();
  if (!transaction) return std::unexpected(transaction.error());
  if (auto done = db.run_all(kSteps[step]); !done) return done;
  const auto noted = db.run("INSERT INTO schema_version(version, at) VALUES (?, ?)",
                            {static_cast<int64_t>(step + 1), now.unix_us});
  if (!noted) return std::unexpected(noted.error());
  return transaction->commit();
}

}  // namespace

SqliteResult<void> migrate(store::SqliteDb& db, WallTime now, int version) {
  const auto present = version_of(db);
  if (!present) return std::unexpected(present.error());
  if (*present < 0 || *present > kSchemaVersion) {
    return std::unexpected(SqliteError{
        SqliteFault::kOther,
        fmt::format("{} has version {} of the tables, and this program knows up to {}; start the "
                    "newer program, or put a backup in its place",
                    db.path(), *present, kSchemaVersion)});
  }
  for (auto step = static_cast<size_t>(*present); step < static_cast<size_t>(version); ++step) {
    if (auto done = take_step(db, step, now); !done) return done;
  }
  return {};
}

}  // namespace sluice::auth
