#include <sluice/auth/answer_cache.h>

#include <algorithm>
#include <utility>

namespace sluice::auth {

AnsweredKey::AnsweredKey(KeyRecord&& from) : record(std::move(from)) {
  terms = {.kind = record.kind,
           .weight = record.weight,
           .priority_max = record.priority_max,
           .models = std::move(record.models),
           .limits = std::move(record.limits),
           .model_limits = std::move(record.model_limits),
           .allowed_addresses = std::move(record.allowed_addresses),
           .denied_addresses = std::move(record.denied_addresses),
           .tags = std::move(record.tags),
           .metadata = std::move(record.metadata)};
  const std::array<const std::string*, 3> ids = {&record.user, &record.team, &record.organisation};
  constexpr std::array kLevels = {OwnerLevel::kUser, OwnerLevel::kTeam, OwnerLevel::kOrganisation};
  for (size_t i = 0; i < owners.size(); ++i) {
    owners[i].level = kLevels[i];
    owners[i].id = *ids[i];
    owners[i].name = *ids[i];
  }
}

FoundKey AnsweredKey::view(const Directory& directory) const noexcept {
  FoundKey found{.id = record.id,
                 .name = record.name,
                 .is_blocked = record.is_blocked,
                 .not_before = record.not_before,
                 .expires = record.expires,
                 .terms = &terms};
  for (size_t i = 0; i < owners.size(); ++i) {
    if (owners[i].id.empty()) continue;
    const Owner* known = directory.find_owner(owners[i].id);
    found.owners[i] = known != nullptr ? known : &owners[i];
    // What a source says of a user need not repeat whom the store knows it to belong to.
    const Owner& owner = *found.owners[i];
    if (known == nullptr) continue;
    if (i == 0 && found.owners[1] == nullptr && owners[1].id.empty() && !owner.team.empty()) {
      found.owners[1] = directory.find_owner(owner.team);
    }
    if (found.owners[2] == nullptr && owners[2].id.empty() && !owner.organisation.empty()) {
      found.owners[2] = directory.find_owner(owner.organisation);
    }
  }
  return found;
}

void AnswerCache::follow(const config::AuthSettings& settings) {
  const bool is_same = settings.sources == settings_.sources;
  settings_ = settings;
  if (is_same) return;
  entries_.clear();
  unknown_.clear();
  known_.clear();
}

const AnswerCache::Said* AnswerCache::find(const crypto::Digest& digest,
                                           uint32_t source) const noexcept {
  const auto found = entries_.find(digest);
  if (found == entries_.end() || source >= found->second->said.size()) return nullptr;
  const Said& said = found->second->said[source];
  return said.is_known || said.has_failed ? &said : nullptr;
}

void AnswerCache::put(LookupAnswered&& answered, MonoTime now) {
  std::unique_ptr<Entry>& entry = entries_[answered.digest];
  if (entry == nullptr) entry = std::make_unique<Entry>();
  entry->said.resize(settings_.sources.size());
  for (SourceSaid& said : answered.said) {
    if (said.source >= entry->said.size()) continue;
    take(entry->said[said.source], settings_.sources[said.source], std::move(said.answer), now);
  }
  entry->is_of_known =
      std::ranges::any_of(entry->said, [](const Said& said) { return said.found != nullptr; });
  line_up(answered.digest, *entry);
  make_room();
}

void AnswerCache::take(Said& said, const config::SourceSettings& source, KeyAnswer&& answer,
                       MonoTime now) {
  if (answer.kind == KeyAnswer::Kind::kFailed) {
    said.has_failed = true;
    said.failed_until = now + kFailedHold;
    return;
  }
  const bool is_found = answer.kind == KeyAnswer::Kind::kFound;
  const Duration usual = is_found ? source.ttl : source.negative_ttl;
  const Duration ttl = answer.ttl > Duration::zero() ? std::min(answer.ttl, usual) : usual;
  said.is_known = true;
  said.has_failed = false;
  said.found = is_found ? std::make_unique<AnsweredKey>(std::move(answer.record)) : nullptr;
  said.fresh_until = now + ttl;
  said.stale_until = now + std::max(ttl, source.stale_max);
  said.failed_until = MonoTime::min();
}

void AnswerCache::line_up(const crypto::Digest& digest, Entry& entry) {
  entry.stamp = ++last_stamp_;
  (entry.is_of_known ? known_ : unknown_).push_back({digest, entry.stamp});
}

void AnswerCache::make_room() {
  const auto drop_first = [this](std::deque<Place>& line) {
    const Place place = line.front();
    line.pop_front();
    const auto found = entries_.find(place.digest);
    if (found != entries_.end() && found->second->stamp == place.stamp) entries_.erase(found);
  };
  // Each key stands in line once for each time it was put; the lines are bounded like the entries.
  while (unknown_.size() > settings_.cache_entries / 4) drop_first(unknown_);
  while (known_.size() > settings_.cache_entries) drop_first(known_);
}

}  // namespace sluice::auth
