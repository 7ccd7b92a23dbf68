// Makes an index, one key after the other.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "directory_parts.h"

namespace sluice::auth {

// One thread. Keeps equal terms and equal lineages once.
class IndexMaker {
 public:
  // Ids, from the nearest to the farthest; "" is none.
  using OwnerIds = std::array<std::string_view, 3>;

  IndexMaker();

  void reserve(size_t keys);
  void add(const Owner& owner);
  // With the entry of its former digest, if it has one. Nothing of one that is gone.
  void add(const KeyNode& node);
  // The entry that is returned has what is of `id` and `name`, too.
  IndexEntry add(IndexEntry entry, std::string_view id, std::string_view name);
  // The former digest of a key that is in, with the text of the entry of the key itself.
  void add_former(const IndexEntry& entry);
  [[nodiscard]] uint32_t terms(const KeyTerms& terms);
  [[nodiscard]] uint32_t lineage(const OwnerIds& ids);
  // Once.
  [[nodiscard]] IndexPtr finish();

 private:
  struct TermsHash {
    size_t operator()(const KeyTerms* terms) const noexcept;
  };
  struct TermsEqual {
    bool operator()(const KeyTerms* left, const KeyTerms* right) const noexcept {
      return *left == *right;
    }
  };

  OwnerEntry* owner(std::string_view id);
  void sort_into_buckets();
  void number_ids();

  std::unique_ptr<DirectoryIndex> index_;
  absl::flat_hash_map<const KeyTerms*, uint32_t, TermsHash, TermsEqual> terms_;
  absl::flat_hash_map<Lineage, uint32_t> lineages_;
};

}  // namespace sluice::auth
