// What a command line says, as one request.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/json/value.h>

#include "admin_client.h"
#include "command.h"

namespace sluice::sluicectl {

// The words for each parameter of a command, in its order; none when it was not given.
using Given = std::vector<std::vector<std::string>>;

// The only word for the parameter called `name`, or its fallback; "" when there is none.
[[nodiscard]] std::string word_of(const Command& command, const Given& given,
                                  std::string_view name);

// The error is a sentence with the remedy. `now` is in seconds since 1970.
[[nodiscard]] std::expected<Request, std::string> make_request(const Command& command,
                                                               const Given& given, int64_t now);

// A word as the value of a parameter's kind.
[[nodiscard]] std::expected<json::Value, std::string> value_of(
    const Parameter& parameter, const std::vector<std::string>& words, int64_t now);

// "2026-12-01" and "30d" as RFC 3339; anything else as it is, for Sluice to judge.
[[nodiscard]] std::string time_of(std::string_view word, int64_t now, bool is_past);

// Everything but letters, digits and "-._~", and "/" when it is said to stay, becomes %XX.
[[nodiscard]] std::string encode(std::string_view text, bool keeps_slashes);

}  // namespace sluice::sluicectl
