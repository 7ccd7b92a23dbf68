// Ranges of addresses as people write them.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <sluice/config/limiting.h>

namespace sluice::config {

// "10.0.0.0/8", "fd00::/8", or one address alone. The error is a sentence with the remedy.
[[nodiscard]] std::expected<AddressRange, std::string> read_address_range(std::string_view text);

// What read_address_range() reads back as the same; an address alone without its bits.
[[nodiscard]] std::string address_range_text(const AddressRange& range);

}  // namespace sluice::config
