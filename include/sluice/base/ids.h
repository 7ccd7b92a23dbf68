// Strong ids: an index of one kind cannot be used as an index of another.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace sluice {

template <class Tag>
struct Id {
  static constexpr uint32_t kInvalid = std::numeric_limits<uint32_t>::max();
  uint32_t value = kInvalid;

  [[nodiscard]] constexpr bool is_valid() const noexcept { return value != kInvalid; }
  constexpr auto operator<=>(const Id&) const noexcept = default;
};

// Indices into the tables of one Snapshot; they mean nothing in another generation.
using KeyId = Id<struct KeyTag>;
using ModelId = Id<struct ModelTag>;
using UpstreamId = Id<struct UpstreamTag>;
using TenantId = Id<struct TenantTag>;
using LimitId = Id<struct LimitTag>;

// Position of a shard, 0 .. shards-1.
using ShardId = Id<struct ShardTag>;

}  // namespace sluice
