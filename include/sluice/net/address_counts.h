// How much each client address takes: its connections, and how fast its handshakes come.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include <sluice/base/clock.h>
#include <sluice/base/ip_class.h>

namespace sluice::net {

class AddressCounts;

// One connection of an address, counted until it dies. Move-only.
class AddressPass {
 public:
  AddressPass() noexcept = default;  // Counts for nobody.
  AddressPass(AddressPass&& other) noexcept
      : counts_(std::exchange(other.counts_, nullptr)), slots_(other.slots_) {}
  AddressPass& operator=(AddressPass&& other) noexcept {
    std::swap(counts_, other.counts_);
    std::swap(slots_, other.slots_);
    return *this;
  }
  ~AddressPass();
  [[nodiscard]] explicit operator bool() const noexcept { return counts_ != nullptr; }

 private:
  friend class AddressCounts;
  using Slots = std::array<uint32_t, 2>;
  AddressPass(AddressCounts& counts, Slots slots) noexcept : counts_(&counts), slots_(slots) {}
  AddressCounts* counts_ = nullptr;
  Slots slots_{};
};

// For the whole process, exact over its shards, in memory that no client can make grow: a count-min
// sketch (Cormode and Muthukrishnan 2005) of two rows. An address counts in one slot of each, the
// smaller of which decides, so that another address can only make a limit stricter, and only when
// others share both slots with it: with 10,000 addresses connected that is one in fifty. The hash
// has a key of this process, so that nobody can choose whom to share with. An IPv6 address counts
// with its /64, which one client owns.
//
// Atomics, because the connections of one address are spread over the shards by the kernel; they
// are touched when a connection comes and goes, not by requests. Any thread; never waits.
class AddressCounts {
 public:
  static constexpr uint32_t kSlots = 1u << 16;  // Of each row; 1.5 MiB in all.

  AddressCounts();
  AddressCounts(const AddressCounts&) = delete;
  AddressCounts& operator=(const AddressCounts&) = delete;

  // Counts one more connection of `address`; an empty pass, and nothing counted, when it has `most`
  // already. The pass must not outlive this.
  [[nodiscard]] AddressPass enter(const Ipv6Bytes& address, uint32_t most) noexcept;

  // Whether `address` may begin a handshake: `rate` of them at once and then `rate` a second (GCRA,
  // ITU-T I.371). `rate` is at least 1.
  [[nodiscard]] bool may_begin_handshake(const Ipv6Bytes& address, uint32_t rate,
                                         MonoTime now) noexcept;

 private:
  friend class AddressPass;
  struct Row {
    std::array<std::atomic<uint32_t>, kSlots> connections{};
    std::array<std::atomic<int64_t>, kSlots> handshakes_ns{};  // Theoretical arrival times.
  };
  static constexpr int kTriesMost = 16;  // Against other shards at the same slot.

  [[nodiscard]] AddressPass::Slots slots_of(const Ipv6Bytes& address) const noexcept;
  void leave(AddressPass::Slots slots) noexcept;

  std::array<uint64_t, 2> key_{};
  std::unique_ptr<std::array<Row, 2>> rows_;
};

}  // namespace sluice::net
