// An upstream's URL, taken apart and refused where it is unsafe or ambiguous.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include <sluice/config/snapshot.h>

#include "fault.h"

namespace sluice::config {

// The fault's cause continues "url ..." and repeats nothing of the URL, which may hold a secret.
[[nodiscard]] std::expected<Endpoint, Fault> parse_url(std::string_view url);

// Of a URL that parse_url() takes.
[[nodiscard]] bool is_https(std::string_view url) noexcept;

// A host name or numeric address without brackets, in lower case; nothing when it is neither.
[[nodiscard]] std::optional<std::string> parse_server_name(std::string_view text);

}  // namespace sluice::config
