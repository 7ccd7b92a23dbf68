#include <sluice/auth/directory.h>

#include "directory_parts.h"

namespace sluice::auth {
namespace {

std::optional<WallTime> begin_of(int64_t not_before) noexcept {
  if (not_before == kSinceEver) return std::nullopt;
  return WallTime{not_before};
}

std::optional<WallTime> end_of(int64_t expires) noexcept {
  if (expires == kForEver) return std::nullopt;
  return WallTime{expires};
}

}  // namespace

void DeleteDirectoryPart::operator()(const DirectoryIndex* part) const noexcept { delete part; }

void DeleteDirectoryPart::operator()(const DirectoryDelta* part) const noexcept { delete part; }

std::optional<FoundKey> Directory::find(const crypto::Digest& digest) const noexcept {
  if (delta_ != nullptr) {
    const DirectoryDelta::Hit hit = delta_->find(digest);
    if (hit.node != nullptr) return found_in_delta(*hit.node, hit.is_former);
  }
  if (index_ == nullptr) return std::nullopt;
  const IndexEntry* found = nullptr;
  for (const IndexEntry& entry : index_->bucket(digest)) {
    if (!crypto::equal_constant_time(entry.digest, digest)) continue;
    // What the delta knows of a key holds for all its digests.
    if (is_replaced(entry)) continue;
    if (found == nullptr || found->is_former) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return found_in_index(*found);
}

bool Directory::is_replaced(const IndexEntry& entry) const noexcept {
  return delta_ != nullptr && delta_->may_have_key(entry.id_mark) &&
         delta_->find_key(index_->id_of(entry)) != nullptr;
}

const Owner* Directory::find_owner(std::string_view id) const noexcept {
  if (delta_ != nullptr) {
    const OwnerNode* const node = delta_->find_owner(id);
    if (node != nullptr) return node->is_gone ? nullptr : &node->owner;
  }
  const OwnerEntry* const entry = index_ == nullptr ? nullptr : index_->find_owner(id);
  return entry != nullptr && entry->is_known ? &entry->owner : nullptr;
}

bool Directory::has_key(std::string_view id) const noexcept {
  if (delta_ != nullptr) {
    const KeyNode* const node = delta_->find_key(id);
    if (node != nullptr) return !node->is_gone;
  }
  return index_ != nullptr && index_->find_key(id) != nullptr;
}

std::optional<FoundKey> Directory::find_by_id(std::string_view id) const noexcept {
  if (delta_ != nullptr) {
    const KeyNode* const node = delta_->find_key(id);
    if (node != nullptr) {
      return node->is_gone ? std::nullopt : std::optional(found_in_delta(*node, false));
    }
  }
  const IndexEntry* const entry = index_ == nullptr ? nullptr : index_->find_key(id);
  return entry == nullptr ? std::nullopt : std::optional(found_in_index(*entry));
}

const Owner* Directory::present(const OwnerEntry* owner) const noexcept {
  if (owner == nullptr) return nullptr;
  if (delta_ != nullptr && delta_->may_have_owner(owner->id_mark)) {
    return find_owner(owner->owner.id);
  }
  return owner->is_known ? &owner->owner : nullptr;
}

// A key is bound by those above its owners, also when it does not name them itself.
void Directory::climb(FoundKey& key, const std::array<bool, 3>& is_named) const noexcept {
  const Owner* const user = key.owners[0];
  const Owner*& team = key.owners[1];
  if (!is_named[1] && user != nullptr && !user->team.empty()) team = find_owner(user->team);
  if (is_named[2]) return;
  if (team != nullptr && !team->organisation.empty()) {
    key.owners[2] = find_owner(team->organisation);
  } else if (user != nullptr && !user->organisation.empty()) {
    key.owners[2] = find_owner(user->organisation);
  }
}

FoundKey Directory::found_in_index(const IndexEntry& entry) const noexcept {
  FoundKey key{.id = index_->id_of(entry),
               .name = index_->name_of(entry),
               .is_blocked = entry.is_blocked,
               .is_former = entry.is_former,
               .not_before = begin_of(entry.not_before),
               .expires = end_of(entry.expires),
               .terms = &index_->terms_of(entry)};
  const Lineage& lineage = index_->lineage_of(entry);
  for (size_t i = 0; i < lineage.size(); ++i) key.owners[i] = present(lineage[i]);
  climb(key, {lineage[0] != nullptr, lineage[1] != nullptr, lineage[2] != nullptr});
  return key;
}

FoundKey Directory::found_in_delta(const KeyNode& node, bool is_former) const noexcept {
  FoundKey key{.id = node.id,
               .name = node.name,
               .is_blocked = node.is_blocked,
               .is_former = is_former,
               .not_before = begin_of(node.not_before),
               .expires = end_of(is_former ? node.former_expires : node.expires),
               .terms = &node.terms};
  std::array<bool, 3> is_named{};
  for (size_t i = 0; i < node.owners.size(); ++i) {
    is_named[i] = !node.owners[i].empty();
    if (is_named[i]) key.owners[i] = find_owner(node.owners[i]);
  }
  climb(key, is_named);
  return key;
}

size_t size_of(const DirectoryDelta& delta) noexcept { return delta.size(); }

DirectoryFigures figures_of(const DirectoryIndex& index) noexcept { return index.figures(); }

}  // namespace sluice::auth
