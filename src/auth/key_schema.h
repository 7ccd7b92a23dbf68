// The tables of the key store, and how a file of an earlier version becomes one of this.
#pragma once

#include <sluice/base/clock.h>
#include <sluice/store/sqlite_db.h>

namespace sluice::auth {

inline constexpr int kSchemaVersion = 5;

// Step by numbered step up to `version`, each in a transaction of its own: a process that dies
// within one leaves the file as it was before it. A file of a later version, and one of something
// else, is refused.
[[nodiscard]] store::SqliteResult<void> migrate(store::SqliteDb& db, WallTime now,
                                                int version = kSchemaVersion);

}  // namespace sluice::auth
