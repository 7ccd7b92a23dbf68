// What reloads and rollbacks answer.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/control/operations.h>
#include <sluice/json/writer.h>

#include "route.h"

namespace sluice::admin {

inline constexpr std::array<Field, 4> kReloadedFields = {{
    {.name = "generation", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "checksum", .purpose = "Of the text in force.", .is_needed = true},
    {.name = "changes", .kind = FieldKind::kTexts, .is_needed = true},
    {.name = "warnings", .kind = FieldKind::kTexts, .is_needed = true},
}};

void write_list(json::Writer& writer, std::string_view name,
                const std::vector<std::string>& sentences);

// Why nothing has changed, with every problem.
[[nodiscard]] control::SmallAnswer refusal_answer(control::ReloadResult result,
                                                  const std::vector<std::string>& problems,
                                                  const std::vector<std::string>& warnings,
                                                  uint64_t generation);

// Notes what changed for the audit log.
[[nodiscard]] control::SmallAnswer reload_answer(Call& call, const control::ReloadOutcome& outcome);

}  // namespace sluice::admin
