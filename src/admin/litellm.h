// Calls in the form of LiteLLM's proxy, which existing scripts send: other names for the same.
#pragma once

#include <array>
#include <expected>
#include <span>

#include "record_json.h"
#include "store_call.h"

namespace sluice::admin::litellm {

// Members that keys and teams have alike, of bodies and of answers.
inline constexpr std::array<Field, 8> kSharedFields = {{
    {.name = "models", .kind = FieldKind::kTexts},
    {.name = "max_budget", .kind = FieldKind::kNumber, .purpose = "Dollars."},
    {.name = "budget_duration",
     .purpose = "1d, 7d or 30d: of a day, week or month; none is total."},
    {.name = "rpm_limit", .kind = FieldKind::kInteger},
    {.name = "tpm_limit", .kind = FieldKind::kInteger},
    {.name = "max_parallel_requests", .kind = FieldKind::kInteger},
    {.name = "metadata", .kind = FieldKind::kObject},
    {.name = "blocked", .kind = FieldKind::kBoolean},
}};

// A body in the words of read_key() and read_owner(). Limits that it does not name stay as
// `present` has them. The error names a member of `body`.
[[nodiscard]] std::expected<json::Value, Refusal> translate(
    const json::Value& body, std::span<const config::LimitRule> present, WallTime now);

// The shared members of an answer, into an object that is open.
void write_shared(json::Writer& writer, std::span<const std::string> models,
                  std::span<const config::LimitRule> limits, std::string_view metadata,
                  bool is_blocked);

// `fields`, and kSharedFields behind them.
[[nodiscard]] std::vector<Field> with_shared(std::span<const Field> fields);

}  // namespace sluice::admin::litellm
