// Ranges of addresses as people write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sluice/config/limiting.h>

namespace sluice::config {

// "10.0.0.0/8", "fd00::/8", or one address alone. Empty for anything else, also for bits that are
// set behind the prefix.
[[nodiscard]] std::optional<AddressRange> read_address_range(std::string_view text);

// The same back again: "10.0.0.0/8", and without a slash what is one address.
[[nodiscard]] std::string to_text(const AddressRange& range);

}  // namespace sluice::config
