// What makes requests belong together, as a number.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::route {

// The same on all shards and after a restart; no defence against texts made to collide. Never 0.
[[nodiscard]] uint64_t stable_hash(std::string_view text) noexcept;

// Of the first text that is not empty; 0 when all are.
[[nodiscard]] uint64_t affinity_key(std::string_view header, std::string_view prompt_cache_key,
                                    std::string_view user,
                                    std::string_view prompt_beginning) noexcept;

}  // namespace sluice::route
