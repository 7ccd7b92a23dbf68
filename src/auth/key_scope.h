// What an actor may see and change (D4), and where a key belongs.
#pragma once

#include <sluice/auth/key_store.h>

namespace sluice::auth {

class KeyTables;

[[nodiscard]] bool is_scoped(const Actor& actor) noexcept;
[[nodiscard]] bool may_see(const Actor& actor, const KeyRecord& key) noexcept;
[[nodiscard]] bool may_see(const Actor& actor, const Owner& owner) noexcept;

// Owners that a key or an owner names must exist within the actor's scope and fit together; those
// above the nearest one, and those of the actor, are filled in. What exists elsewhere is told as
// what does not exist.
[[nodiscard]] StoreResult<void> place(KeyTables& tables, const Actor& actor, KeyRecord& key);
[[nodiscard]] StoreResult<void> place(KeyTables& tables, const Actor& actor, Owner& owner);

// A management key that has an end makes none that outlives it, nor prolongs itself.
[[nodiscard]] StoreResult<void> check_gives_no_more(KeyTables& tables, const Actor& actor,
                                                    const KeyRecord& key);

}  // namespace sluice::auth
