// Which node of a cluster serves which key. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/store/redis_client.h>
#include <sluice/store/redis_reply.h>

namespace sluice::store {

inline constexpr uint32_t kSlotCount = 16384;

// CRC16 (XMODEM) of the key, or of its hash tag: what stands between the first `{` and the next
// `}`, unless that is nothing.
[[nodiscard]] uint16_t slot_of(std::string_view key) noexcept;

struct SlotMap {
  static constexpr uint8_t kNobody = 255;
  static_assert(RedisClient::kNodesMost < kNobody);

  std::vector<RedisEndpoint> masters;  // At most RedisClient::kNodesMost.
  std::vector<uint8_t> owners;         // Of each slot, an index into `masters`; or kNobody.

  SlotMap() : owners(kSlotCount, kNobody) {}
  [[nodiscard]] const RedisEndpoint* owner_of(uint16_t slot) const noexcept {
    return owners[slot] == kNobody ? nullptr : &masters[owners[slot]];
  }
  [[nodiscard]] bool is_complete() const noexcept;
  [[nodiscard]] bool has_master(const RedisEndpoint& endpoint) const noexcept;
  // From now on `endpoint` serves the slot; nothing when there is no room for it.
  void move(uint16_t slot, const RedisEndpoint& endpoint);
  // Where it stands in `masters`, added if need be; kNobody when there is no room.
  [[nodiscard]] uint8_t place_of(const RedisEndpoint& endpoint);
};

// The answer to CLUSTER SLOTS. A node without a host is the one that was asked. The error has
// static storage.
[[nodiscard]] std::expected<SlotMap, std::string_view> read_slot_map(const RedisReply& reply,
                                                                     const RedisEndpoint& asked);

// "MOVED 3999 10.0.0.1:6381" or the same with ASK. An empty host is that of `asked`.
struct Redirection {
  uint16_t slot = 0;
  RedisEndpoint target;
};
[[nodiscard]] std::optional<Redirection> read_redirection(std::string_view text,
                                                          const RedisEndpoint& asked);

}  // namespace sluice::store
