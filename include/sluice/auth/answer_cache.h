// What the sources outside the process said of keys, as one shard remembers it.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/auth/directory.h>
#include <sluice/auth/key_messages.h>
#include <sluice/base/clock.h>
#include <sluice/config/auth.h>

namespace sluice::auth {

// A key that a source has, taken apart as the directory takes apart its own.
struct AnsweredKey {
  // Owners that `directory` knows bind the key; others are names only.
  explicit AnsweredKey(KeyRecord&& record);
  [[nodiscard]] FoundKey view(const Directory& directory) const noexcept;

  KeyRecord record;  // Without what `terms` has.
  KeyTerms terms;
  std::array<Owner, 3> owners;
};

// Bounded: the oldest answers go first, those of keys that nobody knows before all others, so that
// a flood of made-up keys costs nobody else's answer. One shard's; allocates when something is put.
class AnswerCache {
 public:
  // A source that could not be asked is not asked again about a key for so long.
  static constexpr Duration kFailedHold = seconds(1);

  struct Said {
    bool is_known = false;               // An answer has come at all.
    bool has_failed = false;             // The last question got none.
    std::unique_ptr<AnsweredKey> found;  // Null: not known there.
    MonoTime fresh_until = MonoTime::min();
    MonoTime stale_until = MonoTime::min();  // May stand in while the source cannot be asked.
    MonoTime failed_until = MonoTime::min();
  };

  // Forgets all when the sources differ from before.
  void follow(const config::AuthSettings& settings);
  // Null when nothing is remembered. Good until the next call of put() or follow().
  [[nodiscard]] const Said* find(const crypto::Digest& digest, uint32_t source) const noexcept;
  // `answered` is of the sources followed.
  void put(LookupAnswered&& answered, MonoTime now);

  [[nodiscard]] size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::vector<Said> said;  // By source.
    uint64_t stamp = 0;      // Of its place in line.
    bool is_of_known = false;
  };
  struct Place {
    crypto::Digest digest;
    uint64_t stamp;
  };

  void take(Said& said, const config::SourceSettings& source, KeyAnswer&& answer, MonoTime now);
  void line_up(const crypto::Digest& digest, Entry& entry);
  void make_room();

  config::AuthSettings settings_;
  absl::flat_hash_map<crypto::Digest, std::unique_ptr<Entry>> entries_;
  std::deque<Place> unknown_;  // In the order in which they were put; stale places are passed over.
  std::deque<Place> known_;
  uint64_t last_stamp_ = 0;
};

}  // namespace sluice::auth
