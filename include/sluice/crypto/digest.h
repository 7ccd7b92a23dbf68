// SHA-256, the one digest that keys and lookup ids are made of.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::crypto {

using Digest = std::array<uint8_t, 32>;

// Allocates nothing and keeps no state.
[[nodiscard]] Digest sha256(std::string_view text) noexcept;

}  // namespace sluice::crypto
