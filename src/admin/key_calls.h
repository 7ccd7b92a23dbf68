// What calls of keys and owners have in common, in both forms of the interface.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/auth/key_store.h>

#include "record_json.h"
#include "store_call.h"

namespace sluice::admin {

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
