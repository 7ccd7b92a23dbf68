// Answers of the admin socket as people read them.
#pragma once

#include <string>
#include <vector>

#include "json_value.h"

namespace sluice::sluicectl {

// Columns as wide as their widest cell; texts to the left, numbers to the right.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows);

// For the answer of a command that succeeded.
[[nodiscard]] std::string render_version(const JsonValue& answer);
[[nodiscard]] std::string render_shards(const JsonValue& answer);
[[nodiscard]] std::string render_upstreams(const JsonValue& answer);
[[nodiscard]] std::string render_spend(const JsonValue& answer);
[[nodiscard]] std::string render_reload(const JsonValue& answer);
[[nodiscard]] std::string render_drain(const JsonValue& answer);
[[nodiscard]] std::string render_order(const JsonValue& answer);

// For one that was refused: the message, then all problems.
[[nodiscard]] std::string render_refusal(const JsonValue& answer);

}  // namespace sluice::sluicectl
