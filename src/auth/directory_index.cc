#include <algorithm>
#include <bit>
#include <cstring>

#include <absl/hash/hash.h>

#include <sluice/base/assert.h>

#include "directory_parts.h"
#include "index_maker.h"

namespace sluice::auth {
namespace {

size_t bytes_of(const std::string& text) noexcept {
  return text.capacity() <= std::string().capacity() ? 0 : text.capacity() + 1;
}

size_t bytes_of(const std::vector<std::string>& texts) noexcept {
  size_t bytes = texts.capacity() * sizeof(std::string);
  for (const std::string& text : texts) bytes += bytes_of(text);
  return bytes;
}

size_t bytes_of(const std::vector<config::LimitRule>& rules) noexcept {
  size_t bytes = rules.capacity() * sizeof(config::LimitRule);
  for (const config::LimitRule& rule : rules) bytes += bytes_of(rule.name);
  return bytes;
}

size_t bytes_of(const KeyTerms& terms) noexcept {
  size_t bytes = sizeof terms + bytes_of(terms.models) + bytes_of(terms.limits) +
                 bytes_of(terms.tags) + bytes_of(terms.metadata) +
                 terms.model_limits.capacity() * sizeof(ModelRule) +
                 (terms.allowed_addresses.capacity() + terms.denied_addresses.capacity()) *
                     sizeof(config::AddressRange);
  for (const ModelRule& limit : terms.model_limits) {
    bytes += bytes_of(limit.models) + bytes_of(limit.rule.name);
  }
  return bytes;
}

size_t bytes_of(const Owner& owner) noexcept {
  return sizeof owner + bytes_of(owner.id) + bytes_of(owner.name) + bytes_of(owner.organisation) +
         bytes_of(owner.team) + bytes_of(owner.models) + bytes_of(owner.limits) +
         bytes_of(owner.metadata);
}

// Of absl's map: a slot and a byte of control.
template <class Map>
size_t table_bytes(const Map& map) noexcept {
  return map.capacity() * (sizeof(typename Map::value_type) + 1);
}

}  // namespace

uint32_t TextChunks::add(std::string_view first, std::string_view second) {
  const auto steps = static_cast<uint32_t>((first.size() + second.size() + kStep - 1) / kStep);
  SLUICE_ASSERT(steps <= kChunkSteps && chunks_.size() < UINT32_MAX / kChunkSteps);
  if (used_ + steps > kChunkSteps) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size_t{kChunkSteps} * kStep));
    used_ = 0;
  }
  char* const text = chunks_.back().get() + size_t{used_} * kStep;
  std::copy(first.begin(), first.end(), text);
  std::copy(second.begin(), second.end(), text + first.size());
  const auto place = static_cast<uint32_t>(chunks_.size() - 1) * kChunkSteps + used_;
  used_ += steps;
  return place;
}

uint32_t DirectoryIndex::bucket_of(const crypto::Digest& digest) const noexcept {
  uint32_t front = 0;
  std::memcpy(&front, digest.data(), sizeof front);
  return front >> bucket_shift_;
}

std::span<const IndexEntry> DirectoryIndex::bucket(const crypto::Digest& digest) const noexcept {
  const uint32_t number = bucket_of(digest);
  return {entries_.data() + starts_[number], entries_.data() + starts_[number + 1]};
}

const OwnerEntry* DirectoryIndex::find_owner(std::string_view id) const noexcept {
  const auto found = owners_by_id_.find(id);
  return found == owners_by_id_.end() ? nullptr : found->second;
}

const IndexEntry* DirectoryIndex::find_key(std::string_view id) const noexcept {
  const size_t mask = by_id_.size() - 1;
  for (size_t at = absl::HashOf(id) & mask;; at = (at + 1) & mask) {
    if (by_id_[at] == 0) return nullptr;
    const IndexEntry& entry = entries_[by_id_[at] - 1];
    if (id_of(entry) == id) return &entry;
  }
}

DirectoryFigures DirectoryIndex::figures() const noexcept {
  DirectoryFigures figures{.keys = keys_};
  figures.bytes = sizeof *this + entries_.capacity() * sizeof(IndexEntry) +
                  (starts_.capacity() + by_id_.capacity()) * sizeof(uint32_t) + texts_.bytes() +
                  lineages_.capacity() * sizeof(Lineage) + table_bytes(owners_by_id_);
  for (const KeyTerms& terms : terms_) figures.bytes += bytes_of(terms);
  for (const OwnerEntry& entry : owners_) {
    figures.bytes += bytes_of(entry.owner);
    if (entry.is_known) ++figures.owners;
  }
  return figures;
}

// --- making one --------------------------------------------------------------------------------

namespace {

size_t hash_of(size_t seed, const config::LimitRule& rule) noexcept {
  return absl::HashOf(seed, rule.name, rule.measure, rule.most, rule.window, rule.length.count());
}

size_t hash_of(size_t seed, const config::AddressRange& range) noexcept {
  const std::string_view prefix(reinterpret_cast<const char*>(range.prefix.data()),
                                range.prefix.size());
  return absl::HashOf(seed, prefix, range.bits);
}

}  // namespace

size_t IndexMaker::TermsHash::operator()(const KeyTerms* terms) const noexcept {
  size_t hash = absl::HashOf(terms->kind, terms->weight, terms->priority_max, terms->models,
                             terms->tags, terms->metadata);
  for (const config::LimitRule& rule : terms->limits) hash = hash_of(hash, rule);
  for (const ModelRule& limit : terms->model_limits) {
    hash = absl::HashOf(hash_of(hash, limit.rule), limit.models);
  }
  for (const config::AddressRange& range : terms->allowed_addresses) hash = hash_of(hash, range);
  for (const config::AddressRange& range : terms->denied_addresses) hash = hash_of(~hash, range);
  return hash;
}

IndexMaker::IndexMaker() : index_(std::make_unique<DirectoryIndex>()) {}

void IndexMaker::reserve(size_t keys) { index_->entries_.reserve(keys); }

OwnerEntry* IndexMaker::owner(std::string_view id) {
  const auto found = index_->owners_by_id_.find(id);
  if (found != index_->owners_by_id_.end()) return found->second;
  OwnerEntry& entry = index_->owners_.emplace_back();
  entry.owner.id = id;
  entry.id_mark = mark_of(id);
  index_->owners_by_id_.emplace(entry.owner.id, &entry);
  return &entry;
}

void IndexMaker::add(const Owner& owner) {
  OwnerEntry* const entry = this->owner(owner.id);
  // The table's name of it is a view into `id`, which the assignment may move.
  index_->owners_by_id_.erase(std::string_view(owner.id));
  entry->owner = owner;
  entry->is_known = true;
  index_->owners_by_id_.emplace(entry->owner.id, entry);
}

void IndexMaker::add(const KeyNode& node) {
  if (node.is_gone) return;
  IndexEntry entry{.digest = node.digest,
                   .not_before = node.not_before,
                   .expires = node.expires,
                   .terms = terms(node.terms),
                   .lineage = lineage({node.owners[0], node.owners[1], node.owners[2]}),
                   .is_blocked = node.is_blocked};
  entry = add(entry, node.id, node.name);
  if (!node.former_digest) return;
  entry.digest = *node.former_digest;
  entry.expires = node.former_expires;
  entry.is_former = true;
  add_former(entry);
}

IndexEntry IndexMaker::add(IndexEntry entry, std::string_view id, std::string_view name) {
  name = name.substr(0, kNameBytesMax);
  entry.text = index_->texts_.add(id, name);
  entry.id_mark = mark_of(id);
  entry.id_bytes = static_cast<uint8_t>(id.size() & 63);
  entry.name_bytes = static_cast<uint8_t>(name.size());
  index_->entries_.push_back(entry);
  ++index_->keys_;
  return entry;
}

void IndexMaker::add_former(const IndexEntry& entry) { index_->entries_.push_back(entry); }

uint32_t IndexMaker::terms(const KeyTerms& terms) {
  const auto found = terms_.find(&terms);
  if (found != terms_.end()) return found->second;
  const auto number = static_cast<uint32_t>(index_->terms_.size());
  terms_.emplace(&index_->terms_.emplace_back(terms), number);
  return number;
}

uint32_t IndexMaker::lineage(const OwnerIds& ids) {
  Lineage lineage{};
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i].empty()) lineage[i] = owner(ids[i]);
  }
  const auto number = static_cast<uint32_t>(index_->lineages_.size());
  const auto [place, is_new] = lineages_.try_emplace(lineage, number);
  if (is_new) index_->lineages_.push_back(lineage);
  return place->second;
}

IndexPtr IndexMaker::finish() {
  sort_into_buckets();
  number_ids();
  return IndexPtr(index_.release());
}

// In place, so that a million keys do not need their room twice.
void IndexMaker::sort_into_buckets() {
  std::vector<IndexEntry>& entries = index_->entries_;
  if (entries.capacity() > entries.size() + entries.size() / 8) entries.shrink_to_fit();
  const size_t buckets = std::max<size_t>(2, std::bit_ceil(entries.size()));
  SLUICE_ASSERT(buckets <= size_t{1} << 31);
  index_->bucket_shift_ = 32 - static_cast<uint32_t>(std::countr_zero(buckets));
  std::vector<uint32_t>& starts = index_->starts_;
  starts.assign(buckets + 1, 0);
  for (const IndexEntry& entry : entries) ++starts[index_->bucket_of(entry.digest) + 1];
  for (size_t i = 0; i < buckets; ++i) starts[i + 1] += starts[i];
  std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
  for (uint32_t bucket = 0; bucket < buckets; ++bucket) {
    while (next[bucket] < starts[bucket + 1]) {
      IndexEntry& entry = entries[next[bucket]];
      const uint32_t home = index_->bucket_of(entry.digest);
      const uint32_t place = next[home]++;
      if (home != bucket) std::swap(entry, entries[place]);
    }
  }
}

void IndexMaker::number_ids() {
  std::vector<uint32_t>& by_id = index_->by_id_;
  by_id.assign(std::bit_ceil(index_->keys_ + index_->keys_ / 2 + 1), 0);
  const size_t mask = by_id.size() - 1;
  for (uint32_t i = 0; i < index_->entries_.size(); ++i) {
    if (index_->entries_[i].is_former) continue;
    size_t at = absl::HashOf(index_->id_of(index_->entries_[i])) & mask;
    while (by_id[at] != 0) at = (at + 1) & mask;
    by_id[at] = i + 1;
  }
}

}  // namespace sluice::auth
