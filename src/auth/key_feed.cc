#include "key_feed.h"

#include <fmt/format.h>

namespace sluice::auth {
namespace {

constexpr uint64_t kKeysBetweenReports = 100'000;

// Into the directory, with reports of how far it is.
class DirectoryFeed final : public KeyFeed {
 public:
  explicit DirectoryFeed(KeyStore::Progress& progress) noexcept : progress_(progress) {}
  void reserve(size_t keys) { builder_.reserve(keys); }
  void on_owner(const Owner& owner) override { builder_.add(owner); }
  void on_key(const KeyRecord& key) override {
    builder_.add(key);
    if (++read_ % kKeysBetweenReports == 0) progress_.on_keys(read_);
  }
  [[nodiscard]] IndexPtr finish() { return builder_.finish(); }

 private:
  KeyStore::Progress& progress_;
  DirectoryBuilder builder_;
  uint64_t read_ = 0;
};

}  // namespace

StoreResult<void> feed_all(KeyTables& tables, KeyFeed& feed) {
  auto owners = tables.db->query(fmt::format("SELECT {} FROM owners", kOwnerColumns));
  if (!owners) return refusal(owners.error());
  for (;;) {
    const auto row = owners->next();
    if (!row) return refusal(row.error());
    if (!*row) break;
    const auto owner = tables.reader.owner(*owners);
    if (!owner) return refusal(StoreFault::kBroken, owner.error());
    feed.on_owner(*owner);
  }
  auto keys = tables.db->query(fmt::format("SELECT {} FROM keys", kKeyColumns));
  if (!keys) return refusal(keys.error());
  for (;;) {
    const auto row = keys->next();
    if (!row) return refusal(row.error());
    if (!*row) return {};
    const auto key = tables.reader.key(*keys);
    if (!key) return refusal(StoreFault::kBroken, key.error());
    feed.on_key(*key);
  }
}

StoreResult<IndexPtr> KeyStore::load(Progress& progress) {
  const auto count = parts_->db->integer_of("SELECT count(*) FROM keys");
  if (!count) return refusal(count.error());
  DirectoryFeed feed(progress);
  feed.reserve(static_cast<size_t>(*count));
  if (auto done = feed_all(*parts_, feed); !done) return std::unexpected(done.error());
  return feed.finish();
}

}  // namespace sluice::auth
