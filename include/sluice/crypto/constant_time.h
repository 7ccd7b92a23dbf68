// Comparison whose time tells nothing about where two secrets differ.
#pragma once

#include <string_view>

#include <sluice/crypto/digest.h>

namespace sluice::crypto {

// Texts of unequal length are unequal at once: the length is not protected. Compare digests where
// it must be.
[[nodiscard]] bool equal_constant_time(std::string_view left, std::string_view right) noexcept;
[[nodiscard]] bool equal_constant_time(const Digest& left, const Digest& right) noexcept;

}  // namespace sluice::crypto
