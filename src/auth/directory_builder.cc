#include <vector>

#include "directory_parts.h"
#include "index_maker.h"

namespace sluice::auth {

struct DirectoryBuilder::Parts {
  IndexMaker maker;
  KeyNode scratch;  // Filled anew for each key, so that its room is used again.
};

DirectoryBuilder::DirectoryBuilder() : parts_(std::make_unique<Parts>()) {}
DirectoryBuilder::~DirectoryBuilder() = default;
DirectoryBuilder::DirectoryBuilder(DirectoryBuilder&&) noexcept = default;
DirectoryBuilder& DirectoryBuilder::operator=(DirectoryBuilder&&) noexcept = default;

void DirectoryBuilder::reserve(size_t keys) { parts_->maker.reserve(keys); }

void DirectoryBuilder::add(const Owner& owner) { parts_->maker.add(owner); }

void DirectoryBuilder::add(const KeyRecord& key) {
  fill(parts_->scratch, key);
  parts_->maker.add(parts_->scratch);
}

IndexPtr DirectoryBuilder::finish() { return parts_->maker.finish(); }

namespace {

// Carries an index over into a new one, but for what a delta says otherwise.
class Carrier {
 public:
  Carrier(IndexMaker& maker, const DirectoryIndex& index, const DirectoryDelta* delta)
      : maker_(maker),
        index_(index),
        delta_(delta),
        terms_(index.terms_count(), kNotYet),
        lineages_(index.lineage_count(), kNotYet) {}

  void carry_owners() {
    for (const OwnerEntry& entry : index_.owners()) {
      if (!entry.is_known) continue;
      if (delta_ != nullptr && delta_->find_owner(entry.owner.id) != nullptr) continue;
      maker_.add(entry.owner);
    }
  }

  void carry_keys() {
    for (const IndexEntry& entry : index_.entries()) {
      if (entry.is_former && !is_replaced(entry)) texts_.emplace(entry.text, 0);
    }
    for (const IndexEntry& entry : index_.entries()) {
      if (entry.is_former || is_replaced(entry)) continue;
      const IndexEntry added =
          maker_.add(carried(entry), index_.id_of(entry), index_.name_of(entry));
      if (const auto former = texts_.find(entry.text); former != texts_.end()) {
        former->second = added.text;
      }
    }
    for (const IndexEntry& entry : index_.entries()) {
      if (!entry.is_former || is_replaced(entry)) continue;
      IndexEntry former = carried(entry);
      former.text = texts_[entry.text];
      maker_.add_former(former);
    }
  }

 private:
  static constexpr uint32_t kNotYet = UINT32_MAX;

  [[nodiscard]] bool is_replaced(const IndexEntry& entry) const noexcept {
    return delta_ != nullptr && delta_->find_key(index_.id_of(entry)) != nullptr;
  }

  IndexEntry carried(IndexEntry entry) {
    uint32_t& terms = terms_[entry.terms];
    if (terms == kNotYet) terms = maker_.terms(index_.terms_of(entry));
    uint32_t& lineage = lineages_[entry.lineage];
    if (lineage == kNotYet) {
      IndexMaker::OwnerIds ids;
      const Lineage& owners = index_.lineage_of(entry);
      for (size_t i = 0; i < owners.size(); ++i) {
        if (owners[i] != nullptr) ids[i] = owners[i]->owner.id;
      }
      lineage = maker_.lineage(ids);
    }
    entry.terms = terms;
    entry.lineage = lineage;
    return entry;
  }

  IndexMaker& maker_;
  const DirectoryIndex& index_;
  const DirectoryDelta* delta_;
  std::vector<uint32_t> terms_;  // By the old number, the new one.
  std::vector<uint32_t> lineages_;
  absl::flat_hash_map<uint32_t, uint32_t> texts_;  // The same, of keys with a former digest.
};

}  // namespace

IndexPtr fold(const DirectoryIndex* index, const DirectoryDelta* delta) {
  IndexMaker maker;
  maker.reserve((index == nullptr ? 0 : index->entries().size()) +
                (delta == nullptr ? 0 : delta->size()));
  if (index != nullptr) {
    Carrier carrier(maker, *index, delta);
    carrier.carry_owners();
    carrier.carry_keys();
  }
  if (delta != nullptr) {
    delta->for_each_owner([&maker](const OwnerNode& node) {
      if (!node.is_gone) maker.add(node.owner);
    });
    delta->for_each_key([&maker](const KeyNode& node) { maker.add(node); });
  }
  return maker.finish();
}

}  // namespace sluice::auth
