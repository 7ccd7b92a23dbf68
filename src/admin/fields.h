// Checks members of bodies and queries against the fields that a route takes.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sluice/json/value.h>

#include "route.h"

namespace sluice::admin {

// Refuses a member that is no field (with what was perhaps meant), one of another kind, and a
// needed one that is missing; `param` names it, as "keys[3].name" inside others.
[[nodiscard]] std::optional<Refusal> check_members(std::span<const Field> fields,
                                                   const json::Object& members,
                                                   const std::string& place = {});

// The query of a request as an object, checked.
[[nodiscard]] std::expected<json::Value, Refusal> read_query(std::span<const Field> fields,
                                                             std::string_view query);
// The same of a body; "" is an object without members.
[[nodiscard]] std::expected<json::Value, Refusal> read_body(std::span<const Field> fields,
                                                            std::string_view body);

// The words that name a kind in messages: "a string", "a time such as 2026-12-31T00:00:00Z".
[[nodiscard]] std::string_view words_of(FieldKind kind) noexcept;

// Members that were checked; what is absent or null is empty.
[[nodiscard]] const std::string& text_of(const json::Value& object, std::string_view name) noexcept;
[[nodiscard]] std::optional<bool> boolean_of(const json::Value& object,
                                             std::string_view name) noexcept;
[[nodiscard]] std::optional<int64_t> integer_of(const json::Value& object,
                                                std::string_view name) noexcept;
[[nodiscard]] std::optional<WallTime> time_of(const json::Value& object,
                                              std::string_view name) noexcept;
[[nodiscard]] std::vector<std::string> texts_of(const json::Value& object, std::string_view name);
// Null for one that is absent or null.
[[nodiscard]] const json::Value* member_of(const json::Value& object,
                                           std::string_view name) noexcept;

// "2026-12-31T23:59:59.000001Z".
[[nodiscard]] std::string time_text(WallTime time);

}  // namespace sluice::admin
