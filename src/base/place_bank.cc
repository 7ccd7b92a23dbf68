#include <sluice/base/place_bank.h>

#include <limits>

#include <sluice/base/assert.h>

namespace sluice {
namespace {

constexpr int64_t kNobody = std::numeric_limits<int64_t>::max();

}  // namespace

PlaceBank::PlaceBank(uint32_t shards, SharedCount count)
    : taken_(count.word != nullptr ? count.word : &own_),
      seat_(count.seat),
      shards_(shards),
      lines_(std::make_unique<Line[]>(shards)) {
  SLUICE_ASSERT(shards > 0 && shards <= 256);
  for (uint32_t i = 0; i < shards; ++i) lines_[i].since_ns.store(kNobody);
}

bool PlaceBank::try_take() noexcept {
  int64_t taken = taken_->load();
  do {
    const uint32_t most = most_.load();
    if (most != 0 && ProcessSeat::sum_of(taken) >= most) return false;
    if (seat_.count_in(taken) == ProcessSeat::kMost) return false;
  } while (!taken_->compare_exchange_weak(taken, taken + seat_.unit()));
  return true;
}

std::optional<ShardId> PlaceBank::give_back() noexcept {
  [[maybe_unused]] const int64_t before = taken_->fetch_sub(seat_.unit());
  SLUICE_ASSERT(seat_.count_in(before) > 0);
  return hand_one();
}

std::optional<ShardId> PlaceBank::hand_one() noexcept {
  int64_t oldest = kNobody;
  uint32_t chosen = 0;
  for (uint32_t i = 0; i < shards_; ++i) {
    const int64_t since = lines_[i].since_ns.load();
    if (since >= oldest) continue;
    oldest = since;
    chosen = i;
  }
  // Another one was faster: whoever has it looks here when giving it back.
  if (oldest == kNobody || !try_take()) return std::nullopt;
  lines_[chosen].handed.fetch_add(1);
  return ShardId{chosen};
}

void PlaceBank::publish_wait(ShardId shard, MonoTime since) noexcept {
  lines_[shard.value].since_ns.store(since.time_since_epoch().count());
}

bool PlaceBank::take_handed(ShardId shard) noexcept {
  std::atomic<uint32_t>& handed = lines_[shard.value].handed;
  // Only this shard takes away.
  if (handed.load() == 0) return false;
  handed.fetch_sub(1);
  return true;
}

}  // namespace sluice
