// Every key of the store in memory: an index that nobody changes, and what has changed since.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/auth/key_record.h>

namespace sluice::auth {

// What of a key most keys have alike; kept once for all that have the same.
struct KeyTerms {
  KeyKind kind = KeyKind::kInference;
  uint32_t weight = 1;
  uint32_t priority_max = 0;
  std::vector<std::string> models;
  std::vector<config::LimitRule> limits;
  std::vector<ModelRule> model_limits;
  std::vector<config::AddressRange> allowed_addresses;
  std::vector<config::AddressRange> denied_addresses;
  std::vector<std::string> tags;
  std::string metadata;
  bool operator==(const KeyTerms&) const = default;
};

// One key as find() sees it. Refers to the directory, and is good only as long as that.
struct FoundKey {
  std::string_view id;
  std::string_view name;
  bool is_blocked = false;
  bool is_former = false;  // Found by the secret before the last rotation; its end is `expires`.
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires;
  const KeyTerms* terms = nullptr;
  // From the nearest to the farthest: user, team, organisation; null where there is none.
  std::array<const Owner*, 3> owners{};
};

// What one change of the store amounts to.
struct DirectoryChange {
  std::vector<KeyRecord> keys;           // As they are now, new ones too.
  std::vector<KeyRecord> gone;           // As they were.
  std::vector<Owner> owners;             // As they are now.
  std::vector<std::string> gone_owners;  // Ids. Keys below them are in `gone` or in `keys`.
  [[nodiscard]] bool is_empty() const noexcept {
    return keys.empty() && gone.empty() && owners.empty() && gone_owners.empty();
  }
};

class DirectoryIndex;  // The large one.
class DirectoryDelta;  // The small one, over it.
struct IndexEntry;
struct KeyNode;
struct OwnerEntry;

struct DeleteDirectoryPart {
  void operator()(const DirectoryIndex* part) const noexcept;
  void operator()(const DirectoryDelta* part) const noexcept;
};
using DeltaPtr = std::unique_ptr<const DirectoryDelta, DeleteDirectoryPart>;
using IndexPtr = std::unique_ptr<const DirectoryIndex, DeleteDirectoryPart>;

// What all shards look keys up in. A value of a few words that refers to two immutable parts, owned
// by whoever made them; any number of threads may look at the same time.
class Directory {
 public:
  Directory() = default;  // Knows no key.
  Directory(const DirectoryIndex* index, const DirectoryDelta* delta, uint64_t version) noexcept
      : index_(index), delta_(delta), version_(version) {}

  // By the SHA-256 of a secret; the digest is compared in constant time. Allocates nothing.
  [[nodiscard]] std::optional<FoundKey> find(const crypto::Digest& digest) const noexcept;
  // Null for one that is not known.
  [[nodiscard]] const Owner* find_owner(std::string_view id) const noexcept;
  [[nodiscard]] bool has_key(std::string_view id) const noexcept;
  // By what limits, spend and logs call it. Allocates nothing.
  [[nodiscard]] std::optional<FoundKey> find_by_id(std::string_view id) const noexcept;
  // Grows with every change; an answer of find() holds while it is the same.
  [[nodiscard]] uint64_t version() const noexcept { return version_; }
  [[nodiscard]] bool is_empty() const noexcept { return index_ == nullptr && delta_ == nullptr; }

 private:
  // Whether the delta says something else of that key.
  [[nodiscard]] bool is_replaced(const IndexEntry& entry) const noexcept;
  [[nodiscard]] FoundKey found_in_index(const IndexEntry& entry) const noexcept;
  [[nodiscard]] FoundKey found_in_delta(const KeyNode& node, bool is_former) const noexcept;
  [[nodiscard]] const Owner* present(const OwnerEntry* owner) const noexcept;
  void climb(FoundKey& key, const std::array<bool, 3>& is_named) const noexcept;

  const DirectoryIndex* index_ = nullptr;
  const DirectoryDelta* delta_ = nullptr;
  uint64_t version_ = 0;
};

// Makes the parts. Owned by whoever publishes directories; any one thread.
class DirectoryBuilder {
 public:
  DirectoryBuilder();
  ~DirectoryBuilder();
  DirectoryBuilder(DirectoryBuilder&&) noexcept;
  DirectoryBuilder& operator=(DirectoryBuilder&&) noexcept;

  void reserve(size_t keys);
  // Owners and keys in any order. A key whose id is longer than kIdBytesMax is left out, here and
  // in apply(), and a name is cut at kNameBytesMax.
  void add(const Owner& owner);
  void add(const KeyRecord& key);
  // Once.
  [[nodiscard]] IndexPtr finish();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// `before` (may be null) with `change` applied; cheap while the delta is small. What is in `gone`
// goes first; a key in `keys` takes the place of whatever had its id, with all its digests.
// Deltas share what they have alike, and may be made and freed on several threads.
[[nodiscard]] DeltaPtr apply(const DirectoryDelta* before, const DirectoryChange& change);
// Keys and owners that it holds: above kDeltaMost it is worth a new index.
[[nodiscard]] size_t size_of(const DirectoryDelta& delta) noexcept;
inline constexpr size_t kDeltaMost = 1'000;
// A new index of all that `index` and `delta` hold together; either may be null. Takes about a
// microsecond for each key, so it belongs on a lane; both must live until it returns.
[[nodiscard]] IndexPtr fold(const DirectoryIndex* index, const DirectoryDelta* delta);

// Bytes that an index occupies, and how many keys it has: for metrics.
struct DirectoryFigures {
  size_t keys = 0;
  size_t owners = 0;
  size_t bytes = 0;
};
[[nodiscard]] DirectoryFigures figures_of(const DirectoryIndex& index) noexcept;

}  // namespace sluice::auth
