#include <sluice/exchange/key_room.h>

#include <sluice/config/snapshot.h>

namespace sluice::exchange {

void KeyRoom::follow(const config::Snapshot& config) {
  callers_.clear();
  if (config.auth.sources != settings_.sources) oldest_generation_ = config.generation;
  answers_.follow(config.auth);
  settings_ = config.auth;
  lookups_per_address_ = config.auth.lookups_per_address;
}

void KeyRoom::take(auth::LookupAnswered&& answered, MonoTime now) {
  const auto found = flights_.find(answered.digest);
  answers_.put(std::move(answered), oldest_generation_, now);
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
    const auto known = asked_by_.find(*address);
    if (known != asked_by_.end()) {
      count = &known->second;
    } else if (asked_by_.size() < kAddressesMost) {
      count = &asked_by_[*address];
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
