// What a misspelt name was perhaps meant to be.
#pragma once

#include <span>
#include <string_view>

namespace sluice::config {

// The one of `known` that `name` is most likely a misspelling of; empty when none is near.
[[nodiscard]] std::string_view nearest(std::string_view name,
                                       std::span<const std::string_view> known);

}  // namespace sluice::config
