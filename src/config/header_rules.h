// Which headers a configuration may set or forward.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fault.h"

namespace sluice::config {

// The name in lower case; empty when it is not an HTTP token.
[[nodiscard]] std::string header_name(std::string_view text);

// Why the header may not be set on requests to an upstream. `name` is in lower case.
[[nodiscard]] std::optional<Fault> refuse_upstream_header(std::string_view name);

// Why the header may not go from the client to an upstream. `name` is in lower case.
[[nodiscard]] std::optional<Fault> refuse_forward_header(std::string_view name);

// Visible characters and inner spaces only.
[[nodiscard]] bool is_header_value(std::string_view value) noexcept;

}  // namespace sluice::config
