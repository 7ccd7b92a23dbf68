#include <sluice/exchange/key_room.h>

#include <algorithm>
#include <array>
#include <span>

#include <sluice/config/snapshot.h>

namespace sluice::exchange {
namespace {

// One host has all IPv6 addresses of its network.
Ipv6Bytes network_of(Ipv6Bytes address) noexcept {
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr size_t kNetworkBytes = 8;
  const bool is_v4 = std::ranges::equal(kMapped, std::span(address).first<kMapped.size()>());
  if (!is_v4) std::ranges::fill(std::span(address).subspan<kNetworkBytes>(), uint8_t{0});
  return address;
}

}  // namespace

void KeyRoom::follow(const config::Snapshot& config) {
  callers_.clear();
  if (config.auth.sources != settings_.sources) oldest_generation_ = config.generation;
  generation_ = config.generation;
  answers_.follow(config.auth);
  settings_ = config.auth;
  lookups_per_address_ = config.auth.lookups_per_address;
}

void KeyRoom::take(auth::LookupAnswered&& answered, MonoTime now) {
  const auto found = flights_.find(answered.digest);
  // Of sources that are not, or not yet, those of this shard's configuration it says nothing here.
  const bool is_ours =
      answered.generation >= oldest_generation_ && answered.generation <= generation_;
  if (is_ours) answers_.put(std::move(answered), now);
  if (found == flights_.end()) return;
  const std::unique_ptr<Flight> flight = std::move(found->second);
  flights_.erase(found);
  while (Waiting* const waiting = flight->waiting.pop_front()) waiting->answered.trigger();
}

void KeyRoom::flush() noexcept {
  if (!has_unsent() || reports_ == nullptr) return;
  if (!reports_->push(auth::DirectoryAdopted{directory_.version()})) return;
  adopted_version_ = directory_.version();
  if (control_ring_ != nullptr) control_ring_->wake();
}

bool KeyRoom::charge(const std::optional<Ipv6Bytes>& address, MonoTime now) {
  if (now >= window_ends_) {
    window_ends_ = now + kWindow;
    asked_by_.clear();
    asked_by_others_ = 0;
  }
  uint32_t* count = &asked_by_others_;
  if (address) {
    const Ipv6Bytes network = network_of(*address);
    const auto known = asked_by_.find(network);
    if (known != asked_by_.end()) {
      count = &known->second;
    } else if (asked_by_.size() < kAddressesMost) {
      count = &asked_by_[network];
    }
  }
  if (*count >= lookups_per_address_) return false;
  ++*count;
  return true;
}

bool KeyRoom::ask(std::string_view secret, const crypto::Digest& digest, uint32_t sources_end,
                  const std::optional<Ipv6Bytes>& address, MonoTime now) {
  if (flights_.contains(digest)) return true;
  if (reports_ == nullptr || flights_.size() >= kAskedMost || !charge(address, now)) return false;
  auto asked = std::make_unique<auth::KeyAsked>();
  asked->question = {.secret = std::string(secret), .digest = digest};
  asked->sources_end = sources_end;
  if (!reports_->push(std::move(asked))) return false;
  flights_.emplace(digest, std::make_unique<Flight>());
  if (control_ring_ != nullptr) control_ring_->wake();
  return true;
}

void KeyRoom::join(const crypto::Digest& digest, Waiting& waiting) noexcept {
  const auto found = flights_.find(digest);
  if (found == flights_.end()) {
    waiting.answered.trigger();
  } else {
    found->second->waiting.push_back(waiting);
  }
}

}  // namespace sluice::exchange
