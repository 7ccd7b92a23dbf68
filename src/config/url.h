// An upstream's URL, taken apart and refused where it is unsafe or ambiguous.
#pragma once

#include <expected>
#include <string_view>

#include <sluice/config/snapshot.h>

#include "fault.h"

namespace sluice::config {

// The fault's cause continues "url ..." and repeats nothing of the URL, which may hold a secret.
[[nodiscard]] std::expected<Endpoint, Fault> parse_url(std::string_view url);

}  // namespace sluice::config
