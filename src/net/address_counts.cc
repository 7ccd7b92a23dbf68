#include <sluice/net/address_counts.h>

#include <algorithm>
#include <cstring>
#include <span>

#include <sluice/crypto/random.h>

namespace sluice::net {
namespace {

// Both halves of the product, as wyhash folds them: every bit of the input reaches every bit.
uint64_t fold(uint64_t a, uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

AddressPass::~AddressPass() {
  if (counts_ != nullptr) counts_->leave(slots_);
}

AddressCounts::AddressCounts() : rows_(std::make_unique<std::array<Row, 2>>()) {
  crypto::fill_random(std::as_writable_bytes(std::span(key_)));
}

AddressPass::Slots AddressCounts::slots_of(const Ipv6Bytes& address) const noexcept {
  std::array<uint64_t, 2> words{};
  std::memcpy(words.data(), address.data(), sizeof words);
  const bool is_ipv4 = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
  if (!is_ipv4) words[1] = 0;
  const uint64_t hash = fold(fold(words[0] ^ key_[0], words[1] ^ key_[1]) ^ key_[0], key_[1] | 1);
  return {static_cast<uint32_t>(hash % kSlots), static_cast<uint32_t>((hash >> 32) % kSlots)};
}

AddressPass AddressCounts::enter(const Ipv6Bytes& address, uint32_t most) noexcept {
  const AddressPass::Slots slots = slots_of(address);
  uint32_t before = UINT32_MAX;
  for (size_t row = 0; row < slots.size(); ++row) {
    std::atomic<uint32_t>& count = (*rows_)[row].connections[slots[row]];
    before = std::min(before, count.fetch_add(1, std::memory_order_relaxed));
  }
  AddressPass pass(*this, slots);
  if (before >= most) return {};
  return pass;
}

void AddressCounts::leave(AddressPass::Slots slots) noexcept {
  for (size_t row = 0; row < slots.size(); ++row) {
    (*rows_)[row].connections[slots[row]].fetch_sub(1, std::memory_order_relaxed);
  }
}

bool AddressCounts::may_begin_handshake(const Ipv6Bytes& address, uint32_t rate,
                                        MonoTime now) noexcept {
  constexpr int64_t kSecond = 1'000'000'000;
  const AddressPass::Slots slots = slots_of(address);
  const int64_t now_ns = Duration(now.time_since_epoch()).count();
  const int64_t interval = kSecond / rate;
  const auto arrival = [&](size_t row) -> std::atomic<int64_t>& {
    return (*rows_)[row].handshakes_ns[slots[row]];
  };
  const int64_t earliest = std::min(arrival(0).load(std::memory_order_relaxed),
                                    arrival(1).load(std::memory_order_relaxed));
  if (earliest - now_ns > kSecond - interval) return false;
  for (size_t row = 0; row < slots.size(); ++row) {
    int64_t before = arrival(row).load(std::memory_order_relaxed);
    for (int i = 0; i < kTriesMost; ++i) {
      const int64_t next = std::max(before, now_ns) + interval;
      if (arrival(row).compare_exchange_weak(before, next, std::memory_order_relaxed)) break;
    }
  }
  return true;
}

}  // namespace sluice::net
