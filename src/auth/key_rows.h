// Keys and owners as rows of the store's tables.
#pragma once

#include <array>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sluice/auth/key_record.h>
#include <sluice/store/sqlite_db.h>

namespace sluice::auth {

inline constexpr std::string_view kKeyColumns =
    "id, name, prefix, digest, former_digest, former_until, kind, organisation, team, user, "
    "is_blocked, not_before, expires, models, limits, model_limits, allowed_addresses, "
    "denied_addresses, weight, priority_max, tags, metadata, created, updated";
inline constexpr size_t kKeyColumnCount = 24;
inline constexpr std::string_view kOwnerColumns =
    "id, level, name, organisation, team, is_blocked, expires, models, limits, metadata, created, "
    "updated";
inline constexpr size_t kOwnerColumnCount = 12;

// Lists and limits as the tables and the audit log have them: JSON, or "" when there are none.
[[nodiscard]] std::string limits_text(std::span<const config::LimitRule> limits);
[[nodiscard]] std::string model_limits_text(std::span<const ModelRule> limits);
[[nodiscard]] std::string list_text(std::span<const std::string> list);
[[nodiscard]] std::string addresses_text(std::span<const config::AddressRange> ranges);

// The values of the columns, in their order. Refers to the record, which must live as long.
class KeyRow {
 public:
  explicit KeyRow(const KeyRecord& key);
  KeyRow(const KeyRow&) = delete;
  KeyRow& operator=(const KeyRow&) = delete;
  [[nodiscard]] std::span<const store::SqliteValue> values() const noexcept { return values_; }

 private:
  std::array<std::string, 6> texts_;
  std::array<store::SqliteValue, kKeyColumnCount> values_;
};

class OwnerRow {
 public:
  explicit OwnerRow(const Owner& owner);
  OwnerRow(const OwnerRow&) = delete;
  OwnerRow& operator=(const OwnerRow&) = delete;
  [[nodiscard]] std::span<const store::SqliteValue> values() const noexcept { return values_; }

 private:
  std::array<std::string, 2> texts_;
  std::array<store::SqliteValue, kOwnerColumnCount> values_;
};

// Reads rows of those columns. Most keys have the same limits, lists and addresses as others, so
// what their texts mean is kept, for up to kTextsKept of each.
class RowReader {
 public:
  static constexpr size_t kTextsKept = 1'024;

  // The error is a sentence: someone has changed the table by hand.
  [[nodiscard]] std::expected<KeyRecord, std::string> key(const store::SqliteQuery& row);
  [[nodiscard]] std::expected<Owner, std::string> owner(const store::SqliteQuery& row);

  // As they are when they have been written and read: rules named after their owner.
  static void name_rules(KeyRecord& key);
  static void name_rules(Owner& owner);

 private:
  template <class T>
  using Kept = std::unordered_map<std::string, std::vector<T>>;
  Kept<config::LimitRule> limits_;
  Kept<ModelRule> model_limits_;
  Kept<std::string> lists_;
  Kept<config::AddressRange> addresses_;
};

}  // namespace sluice::auth
