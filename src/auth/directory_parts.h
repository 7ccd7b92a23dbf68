// What a directory is made of: the entries of its index and the nodes of its delta.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/auth/directory.h>
#include <sluice/crypto/constant_time.h>

namespace sluice::auth {

inline constexpr int64_t kSinceEver = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();

// Digests are evenly spread already.
struct DigestHash {
  size_t operator()(const crypto::Digest& digest) const noexcept;
};
struct DigestEqual {
  bool operator()(const crypto::Digest& left, const crypto::Digest& right) const noexcept {
    return crypto::equal_constant_time(left, right);
  }
};

// A few bits that an id has in common with few others.
[[nodiscard]] uint16_t mark_of(std::string_view id) noexcept;

// Which marks there are. Spares what is not in a delta, which is nearly everything, the look at its
// id: a cache miss.
class Marks {
 public:
  void put(uint16_t mark) noexcept { words_[mark / 64] |= uint64_t{1} << mark % 64; }
  [[nodiscard]] bool may_have(uint16_t mark) const noexcept {
    return (words_[mark / 64] >> mark % 64 & 1) != 0;
  }

 private:
  std::array<uint64_t, 1024> words_{};
};

// One digest of one key. Just a cache line, so that a look-up reads one besides the bucket's place.
struct alignas(64) IndexEntry {
  crypto::Digest digest{};
  int64_t not_before = kSinceEver;
  int64_t expires = kForEver;
  uint32_t terms = 0;
  uint32_t lineage = 0;
  uint32_t text = 0;     // Chunk of the texts, and place there: the id, and behind it the name.
  uint16_t id_mark = 0;  // mark_of() the id.
  uint8_t name_bytes = 0;
  uint8_t id_bytes : 6 = 0;
  bool is_blocked : 1 = false;
  bool is_former : 1 = false;
};
static_assert(sizeof(IndexEntry) == 64 && kIdBytesMax < 64);

// An owner of the index, or one that its keys name and that is not known there.
struct OwnerEntry {
  Owner owner;
  uint16_t id_mark = 0;
  bool is_known = false;
};
// From the nearest to the farthest; null where the key names none.
using Lineage = std::array<const OwnerEntry*, 3>;

// Ids and names, never moved.
class TextChunks {
 public:
  // Texts begin at multiples of this, which is what lets 32 bits name 32 GiB of them.
  static constexpr uint32_t kStep = 8;
  static constexpr uint32_t kChunkSteps = 1u << 17;

  // The place of `first` with `second` behind it.
  [[nodiscard]] uint32_t add(std::string_view first, std::string_view second);
  [[nodiscard]] const char* at(uint32_t place) const noexcept {
    return chunks_[place / kChunkSteps].get() + size_t{place % kChunkSteps} * kStep;
  }
  [[nodiscard]] size_t bytes() const noexcept {
    return chunks_.size() * size_t{kChunkSteps} * kStep;
  }

 private:
  std::vector<std::unique_ptr<char[]>> chunks_;
  uint32_t used_ = kChunkSteps;  // Steps of the last one.
};

class DirectoryIndex {
 public:
  // Those whose digests begin as `digest` does; about one.
  [[nodiscard]] std::span<const IndexEntry> bucket(const crypto::Digest& digest) const noexcept;
  [[nodiscard]] const OwnerEntry* find_owner(std::string_view id) const noexcept;
  // Null for one that is not known.
  [[nodiscard]] const IndexEntry* find_key(std::string_view id) const noexcept;
  [[nodiscard]] std::string_view id_of(const IndexEntry& entry) const noexcept {
    return {texts_.at(entry.text), entry.id_bytes};
  }
  [[nodiscard]] std::string_view name_of(const IndexEntry& entry) const noexcept {
    return {texts_.at(entry.text) + entry.id_bytes, entry.name_bytes};
  }
  [[nodiscard]] const KeyTerms& terms_of(const IndexEntry& entry) const noexcept {
    return terms_[entry.terms];
  }
  [[nodiscard]] const Lineage& lineage_of(const IndexEntry& entry) const noexcept {
    return lineages_[entry.lineage];
  }
  [[nodiscard]] std::span<const IndexEntry> entries() const noexcept { return entries_; }
  [[nodiscard]] const std::deque<OwnerEntry>& owners() const noexcept { return owners_; }
  [[nodiscard]] size_t terms_count() const noexcept { return terms_.size(); }
  [[nodiscard]] size_t lineage_count() const noexcept { return lineages_.size(); }
  [[nodiscard]] DirectoryFigures figures() const noexcept;

 private:
  friend class IndexMaker;

  [[nodiscard]] uint32_t bucket_of(const crypto::Digest& digest) const noexcept;

  std::vector<IndexEntry> entries_;  // By bucket.
  std::vector<uint32_t> starts_;     // Of each bucket, and the end of the last.
  uint32_t bucket_shift_ = 31;       // Of the digest's first 32 bits.
  std::vector<uint32_t> by_id_;      // Open addressing; the entry's number and 1, or 0.
  TextChunks texts_;
  std::deque<KeyTerms> terms_;
  std::vector<Lineage> lineages_;
  std::deque<OwnerEntry> owners_;
  absl::flat_hash_map<std::string_view, OwnerEntry*> owners_by_id_;
  size_t keys_ = 0;
};

// Shared by the deltas that hold it, which may be freed on different threads.
template <class Node>
class Ref {
 public:
  explicit Ref(std::unique_ptr<Node> node) noexcept : node_(node.release()) {}
  Ref(const Ref& other) noexcept : node_(other.node_) {
    node_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Ref() {
    if (node_ != nullptr && node_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete node_;
  }
  [[nodiscard]] const Node* get() const noexcept { return node_; }
  const Node* operator->() const noexcept { return node_; }

 private:
  Node* node_;
};

// A key as it is now, or that it is gone. Never changed once a delta has it.
struct KeyNode {
  std::atomic<uint32_t> refs{1};
  bool is_gone = false;
  bool is_blocked = false;
  std::string id;
  std::string name;
  crypto::Digest digest{};
  std::optional<crypto::Digest> former_digest;
  int64_t not_before = kSinceEver;
  int64_t expires = kForEver;
  int64_t former_expires = kForEver;
  std::array<std::string, 3> owners;  // Ids, from the nearest to the farthest.
  KeyTerms terms;
};

struct OwnerNode {
  std::atomic<uint32_t> refs{1};
  bool is_gone = false;
  Owner owner;
};

// Everything in it goes before what the index says of the same id.
class DirectoryDelta {
 public:
  struct Hit {
    const KeyNode* node = nullptr;
    bool is_former = false;
  };
  // `node` is null when no key here has the digest.
  [[nodiscard]] Hit find(const crypto::Digest& digest) const noexcept;
  [[nodiscard]] const KeyNode* find_key(std::string_view id) const noexcept;
  [[nodiscard]] const OwnerNode* find_owner(std::string_view id) const noexcept;
  // False when neither finds an id of this mark.
  [[nodiscard]] bool may_have_key(uint16_t mark) const noexcept {
    return key_marks_.may_have(mark);
  }
  [[nodiscard]] bool may_have_owner(uint16_t mark) const noexcept {
    return owner_marks_.may_have(mark);
  }
  [[nodiscard]] size_t size() const noexcept { return keys_.size() + owners_.size(); }

  template <class Visit>
  void for_each_key(Visit visit) const {
    for (const auto& [id, node] : keys_) visit(*node.get());
  }
  template <class Visit>
  void for_each_owner(Visit visit) const {
    for (const auto& [id, node] : owners_) visit(*node.get());
  }

  void put(std::unique_ptr<KeyNode> node);
  void put(std::unique_ptr<OwnerNode> node);

 private:
  using ByDigest = absl::flat_hash_map<crypto::Digest, const KeyNode*, DigestHash, DigestEqual>;

  void forget(const KeyNode& node);

  // The names are those in the nodes.
  absl::flat_hash_map<std::string_view, Ref<KeyNode>> keys_;
  absl::flat_hash_map<std::string_view, Ref<OwnerNode>> owners_;
  ByDigest by_digest_;
  ByDigest by_former_;
  Marks key_marks_;
  Marks owner_marks_;
};

[[nodiscard]] inline int64_t since(const std::optional<WallTime>& time) noexcept {
  return time ? time->unix_us : kSinceEver;
}
[[nodiscard]] inline int64_t until(const std::optional<WallTime>& time) noexcept {
  return time ? time->unix_us : kForEver;
}
// Replaces all that `node` says.
void fill(KeyNode& node, const KeyRecord& key);

}  // namespace sluice::auth
