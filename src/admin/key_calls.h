// What calls of keys and owners have in common, in both forms of the interface.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/auth/key_store.h>
#include <sluice/crypto/digest.h>

#include "record_json.h"
#include "store_call.h"

namespace sluice::admin {

// Puts what a scoped caller makes or moves below what the caller belongs to, and refuses what is
// to stand elsewhere, in the words for what does not exist (D4).
[[nodiscard]] std::optional<Refusal> put_in_scope(const auth::Actor& actor,
                                                  std::string& organisation, std::string& team);
// The same of a key, whose owners the caller must also see.
[[nodiscard]] std::optional<Refusal> check_owners(auth::KeyStore& store, const auth::Actor& actor,
                                                  auth::KeyRecord& key);

// What binds a caller is not changed by itself: 403 for its own team and organisation.
[[nodiscard]] std::optional<Refusal> refuse_own(const auth::Actor& actor, std::string_view owner);

// The page that `limit` and `cursor` of the query ask for; for rows that are listed by id.
[[nodiscard]] std::expected<auth::Page, Refusal> read_page(const json::Value& query);
// The fields of both, for rows' queries.
inline constexpr Field kLimitField = {
    .name = "limit", .kind = FieldKind::kInteger, .purpose = "1 to 1000; 100 when not given."};
inline constexpr Field kCursorField = {.name = "cursor",
                                       .purpose = "`next` of the page before this one."};
inline constexpr Field kNextField = {.name = "next", .purpose = "null on the last page."};

// {"key": ..., "secret": ..., "replayed": false}.
[[nodiscard]] StoreAnswer answer_with_secret(uint16_t status, const auth::KeyRecord& key,
                                             std::string_view secret, KeyStates& states);

}  // namespace sluice::admin
