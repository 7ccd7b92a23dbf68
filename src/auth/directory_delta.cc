#include <algorithm>
#include <cstring>

#include <absl/hash/hash.h>

#include "directory_parts.h"

namespace sluice::auth {

size_t DigestHash::operator()(const crypto::Digest& digest) const noexcept {
  size_t front = 0;
  std::memcpy(&front, digest.data(), sizeof front);
  return front;
}

uint16_t mark_of(std::string_view id) noexcept {
  return static_cast<uint16_t>(absl::HashOf(id) >> 32);
}

void fill(KeyNode& node, const KeyRecord& key) {
  node.is_gone = key.id.size() > kIdBytesMax;
  node.is_blocked = key.is_blocked;
  node.id = key.id;
  node.name = std::string_view(key.name).substr(0, kNameBytesMax);
  node.digest = key.digest;
  node.not_before = since(key.not_before);
  node.expires = until(key.expires);
  // A former secret without an end is not good at all.
  node.former_digest = key.former_until ? key.former_digest : std::nullopt;
  node.former_expires = std::min(until(key.former_until), node.expires);
  node.owners = {key.user, key.team, key.organisation};
  KeyTerms& terms = node.terms;
  terms.kind = key.kind;
  terms.weight = key.weight;
  terms.priority_max = key.priority_max;
  terms.models = key.models;
  terms.limits = key.limits;
  terms.model_limits = key.model_limits;
  terms.allowed_addresses = key.allowed_addresses;
  terms.denied_addresses = key.denied_addresses;
  terms.tags = key.tags;
  terms.metadata = key.metadata;
}

DirectoryDelta::Hit DirectoryDelta::find(const crypto::Digest& digest) const noexcept {
  if (const auto found = by_digest_.find(digest); found != by_digest_.end()) {
    return {found->second, false};
  }
  if (const auto found = by_former_.find(digest); found != by_former_.end()) {
    return {found->second, true};
  }
  return {};
}

const KeyNode* DirectoryDelta::find_key(std::string_view id) const noexcept {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : found->second.get();
}

const OwnerNode* DirectoryDelta::find_owner(std::string_view id) const noexcept {
  const auto found = owners_.find(id);
  return found == owners_.end() ? nullptr : found->second.get();
}

void DirectoryDelta::forget(const KeyNode& node) {
  if (node.is_gone) return;
  const auto erase = [&node](ByDigest& map, const crypto::Digest& digest) {
    const auto found = map.find(digest);
    if (found != map.end() && found->second == &node) map.erase(found);
  };
  erase(by_digest_, node.digest);
  if (node.former_digest) erase(by_former_, *node.former_digest);
}

void DirectoryDelta::put(std::unique_ptr<KeyNode> node) {
  if (const auto before = keys_.find(node->id); before != keys_.end()) {
    forget(*before->second.get());
    // With its node goes the name that the map knows it by.
    keys_.erase(before);
  }
  Ref<KeyNode> ref(std::move(node));
  if (!ref->is_gone) {
    by_digest_[ref->digest] = ref.get();
    if (ref->former_digest) by_former_[*ref->former_digest] = ref.get();
  }
  const std::string_view id = ref->id;
  key_marks_.put(mark_of(id));
  keys_.emplace(id, std::move(ref));
}

void DirectoryDelta::put(std::unique_ptr<OwnerNode> node) {
  owners_.erase(std::string_view(node->owner.id));
  Ref<OwnerNode> ref(std::move(node));
  const std::string_view id = ref->owner.id;
  owner_marks_.put(mark_of(id));
  owners_.emplace(id, std::move(ref));
}

DeltaPtr apply(const DirectoryDelta* before, const DirectoryChange& change) {
  auto delta = before == nullptr ? std::make_unique<DirectoryDelta>()
                                 : std::make_unique<DirectoryDelta>(*before);
  for (const std::string& id : change.gone_owners) {
    auto node = std::make_unique<OwnerNode>();
    node->is_gone = true;
    node->owner.id = id;
    delta->put(std::move(node));
  }
  for (const Owner& owner : change.owners) {
    auto node = std::make_unique<OwnerNode>();
    node->owner = owner;
    delta->put(std::move(node));
  }
  for (const KeyRecord& key : change.gone) {
    auto node = std::make_unique<KeyNode>();
    node->is_gone = true;
    node->id = key.id;
    delta->put(std::move(node));
  }
  for (const KeyRecord& key : change.keys) {
    auto node = std::make_unique<KeyNode>();
    fill(*node, key);
    delta->put(std::move(node));
  }
  return DeltaPtr(delta.release());
}

}  // namespace sluice::auth
