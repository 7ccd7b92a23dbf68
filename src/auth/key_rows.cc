#include "key_rows.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include <sluice/config/address_text.h>
#include <sluice/config/limit_amounts.h>
#include <sluice/json/value.h>
#include <sluice/json/writer.h>

namespace sluice::auth {
namespace {

using config::LimitRule;
using config::LimitScope;
using store::SqliteBytes;
using store::SqliteQuery;
using store::SqliteValue;

constexpr std::string_view kKeyOwner = "key";

SqliteValue of_text(const std::string& text) { return std::string_view(text); }
SqliteValue of_id(const std::string& id) {
  return id.empty() ? SqliteValue() : SqliteValue(std::string_view(id));
}
SqliteValue of_time(std::optional<WallTime> time) {
  return time ? SqliteValue(time->unix_us) : SqliteValue();
}
template <class T>
SqliteValue of_number(T number) {
  return static_cast<int64_t>(number);
}

std::optional<WallTime> time_at(const SqliteQuery& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return WallTime{row.integer(column)};
}

bool read_digest(const SqliteQuery& row, int column, crypto::Digest& digest) {
  const SqliteBytes bytes = row.bytes(column);
  if (bytes.size() != digest.size()) return false;
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return true;
}

std::string model_owner(std::string_view models) { return fmt::format("{}/{}", kKeyOwner, models); }

// What `read` makes of `text`, kept for the next row that has it.
template <class T, class Read>
bool read_kept(std::unordered_map<std::string, std::vector<T>>& kept, std::string_view text,
               std::vector<T>& out, Read read) {
  if (text.empty()) return true;
  if (kept.size() >= RowReader::kTextsKept) kept.clear();
  const auto [entry, is_new] = kept.try_emplace(std::string(text));
  if (is_new) {
    const auto value = json::parse_value(text);
    if (!value || !read(*value, entry->second)) {
      kept.erase(entry);
      return false;
    }
  }
  out = entry->second;
  return true;
}

bool read_list(const json::Value& value, std::vector<std::string>& out) {
  const json::Array* const array = value.as_array();
  if (array == nullptr) return false;
  for (const json::Value& item : *array) {
    const std::string* const text = item.as_string();
    if (text == nullptr) return false;
    out.push_back(*text);
  }
  return true;
}

bool read_addresses(const json::Value& value, std::vector<config::AddressRange>& out) {
  std::vector<std::string> texts;
  if (!read_list(value, texts)) return false;
  for (const std::string& text : texts) {
    const auto range = config::read_address_range(text);
    if (!range) return false;
    out.push_back(*range);
  }
  return true;
}

bool read_limits(const json::Value& value, LimitScope scope, std::string_view owner,
                 std::vector<LimitRule>& out) {
  const json::Object* const object = value.as_object();
  if (object == nullptr) return false;
  return std::ranges::all_of(*object, [&](const json::Member& member) {
    double most = 0;
    return member.value.as_number(most) &&
           config::add_limit(out, scope, owner, member.name, most).has_value();
  });
}

bool read_model_limits(const json::Value& value, std::vector<ModelRule>& out) {
  const json::Array* const array = value.as_array();
  if (array == nullptr) return false;
  for (const json::Value& item : *array) {
    const json::Value* const models = item.find("models");
    const json::Value* const limits = item.find("limits");
    if (models == nullptr || models->as_string() == nullptr || limits == nullptr) return false;
    std::vector<LimitRule> rules;
    const std::string& glob = *models->as_string();
    if (!read_limits(*limits, LimitScope::kKeyModel, model_owner(glob), rules)) return false;
    for (LimitRule& rule : rules) out.push_back({glob, std::move(rule)});
  }
  return true;
}

void write_limit(json::Writer& writer, const LimitRule& rule) {
  writer.key(config::limit_word_of(rule)).number(config::limit_amount_of(rule));
}

void rename(std::vector<LimitRule>& rules, LimitScope scope, std::string_view owner) {
  for (LimitRule& rule : rules) {
    rule.scope = scope;
    rule.name = fmt::format("{}/{}", owner, config::limit_word_of(rule));
  }
}

std::unexpected<std::string> unreadable(std::string_view what, std::string_view id,
                                        std::string_view column) {
  return std::unexpected(fmt::format(
      "the {} {} has a column `{}` that cannot be read; it was changed by hand, so mend "
      "it with sqlite3, or put a backup in the file's place",
      what, id, column));
}

}  // namespace

std::string limits_text(std::span<const LimitRule> limits) {
  std::string text;
  if (limits.empty()) return text;
  json::Writer writer(text);
  writer.begin_object();
  for (const LimitRule& rule : limits) write_limit(writer, rule);
  writer.end_object();
  return text;
}

std::string model_limits_text(std::span<const ModelRule> limits) {
  std::string text;
  if (limits.empty()) return text;
  json::Writer writer(text);
  writer.begin_array();
  for (const ModelRule& limit : limits) {
    writer.begin_object().key("models").string(limit.models).key("limits").begin_object();
    write_limit(writer, limit.rule);
    writer.end_object().end_object();
  }
  writer.end_array();
  return text;
}

std::string list_text(std::span<const std::string> list) {
  std::string text;
  if (list.empty()) return text;
  json::Writer writer(text);
  writer.begin_array();
  for (const std::string& item : list) writer.string(item);
  writer.end_array();
  return text;
}

std::string addresses_text(std::span<const config::AddressRange> ranges) {
  std::vector<std::string> list;
  list.reserve(ranges.size());
  for (const config::AddressRange& range : ranges)
    list.push_back(config::address_range_text(range));
  return list_text(list);
}

KeyRow::KeyRow(const KeyRecord& key)
    : texts_{list_text(key.models),
             limits_text(key.limits),
             model_limits_text(key.model_limits),
             addresses_text(key.allowed_addresses),
             addresses_text(key.denied_addresses),
             list_text(key.tags)},
      values_{of_text(key.id),
              of_text(key.name),
              of_text(key.prefix),
              SqliteBytes(key.digest),
              key.former_digest ? SqliteValue(SqliteBytes(*key.former_digest)) : SqliteValue(),
              of_time(key.former_until),
              of_number(key.kind),
              of_id(key.organisation),
              of_id(key.team),
              of_id(key.user),
              of_number(key.is_blocked),
              of_time(key.not_before),
              of_time(key.expires),
              of_text(texts_[0]),
              of_text(texts_[1]),
              of_text(texts_[2]),
              of_text(texts_[3]),
              of_text(texts_[4]),
              of_number(key.weight),
              of_number(key.priority_max),
              of_text(texts_[5]),
              of_text(key.metadata),
              of_time(key.created),
              of_time(key.updated)} {}

OwnerRow::OwnerRow(const Owner& owner)
    : texts_{list_text(owner.models), limits_text(owner.limits)},
      values_{of_text(owner.id),         of_number(owner.level), of_text(owner.name),
              of_id(owner.organisation), of_id(owner.team),      of_number(owner.is_blocked),
              of_time(owner.expires),    of_text(texts_[0]),     of_text(texts_[1]),
              of_text(owner.metadata),   of_time(owner.created), of_time(owner.updated)} {}

std::expected<KeyRecord, std::string> RowReader::key(const SqliteQuery& row) {
  KeyRecord key;
  key.id = row.text(0);
  key.name = row.text(1);
  key.prefix = row.text(2);
  if (!read_digest(row, 3, key.digest)) return unreadable("key", key.id, "digest");
  if (!row.is_null(4) && !read_digest(row, 4, key.former_digest.emplace())) {
    return unreadable("key", key.id, "former_digest");
  }
  key.former_until = time_at(row, 5);
  const int64_t kind = row.integer(6);
  if (kind < 0 || kind >= static_cast<int64_t>(kKeyKindNames.size())) {
    return unreadable("key", key.id, "kind");
  }
  key.kind = static_cast<KeyKind>(kind);
  key.organisation = row.text(7);
  key.team = row.text(8);
  key.user = row.text(9);
  key.is_blocked = row.integer(10) != 0;
  key.not_before = time_at(row, 11);
  key.expires = time_at(row, 12);
  const auto own_limits = [](const json::Value& value, std::vector<LimitRule>& out) {
    return read_limits(value, LimitScope::kKey, kKeyOwner, out);
  };
  const char* bad = nullptr;
  if (!read_kept(lists_, row.text(13), key.models, read_list)) bad = "models";
  if (!read_kept(limits_, row.text(14), key.limits, own_limits)) bad = "limits";
  if (!read_kept(model_limits_, row.text(15), key.model_limits, read_model_limits)) {
    bad = "model_limits";
  }
  if (!read_kept(addresses_, row.text(16), key.allowed_addresses, read_addresses)) {
    bad = "allowed_addresses";
  }
  if (!read_kept(addresses_, row.text(17), key.denied_addresses, read_addresses)) {
    bad = "denied_addresses";
  }
  if (!read_kept(lists_, row.text(20), key.tags, read_list)) bad = "tags";
  const int64_t weight = row.integer(18);
  if (weight < 1 || weight > kWeightMax) bad = "weight";
  const int64_t priority = row.integer(19);
  if (priority < 0 || priority > kPriorityMax) bad = "priority_max";
  if (bad != nullptr) return unreadable("key", key.id, bad);
  key.weight = static_cast<uint32_t>(weight);
  key.priority_max = static_cast<uint32_t>(priority);
  key.metadata = row.text(21);
  key.created = WallTime{row.integer(22)};
  key.updated = WallTime{row.integer(23)};
  return key;
}

std::expected<Owner, std::string> RowReader::owner(const SqliteQuery& row) {
  Owner owner;
  owner.id = row.text(0);
  const int64_t level = row.integer(1);
  if (level < 0 || level >= static_cast<int64_t>(kOwnerLevelNames.size())) {
    return unreadable("owner", owner.id, "level");
  }
  owner.level = static_cast<OwnerLevel>(level);
  owner.name = row.text(2);
  owner.organisation = row.text(3);
  owner.team = row.text(4);
  owner.is_blocked = row.integer(5) != 0;
  owner.expires = time_at(row, 6);
  const std::string_view level_name = kOwnerLevelNames[static_cast<size_t>(level)];
  if (!read_kept(lists_, row.text(7), owner.models, read_list)) {
    return unreadable("owner", owner.id, "models");
  }
  // Not kept: their names depend on the level, and owners are few.
  if (const std::string_view text = row.text(8); !text.empty()) {
    const auto value = json::parse_value(text);
    if (!value || !read_limits(*value, LimitScope::kTenant, level_name, owner.limits)) {
      return unreadable("owner", owner.id, "limits");
    }
  }
  owner.metadata = row.text(9);
  owner.created = WallTime{row.integer(10)};
  owner.updated = WallTime{row.integer(11)};
  return owner;
}

void RowReader::name_rules(KeyRecord& key) {
  rename(key.limits, LimitScope::kKey, kKeyOwner);
  for (ModelRule& limit : key.model_limits) {
    limit.rule.scope = LimitScope::kKeyModel;
    limit.rule.name =
        fmt::format("{}/{}", model_owner(limit.models), config::limit_word_of(limit.rule));
  }
}

void RowReader::name_rules(Owner& owner) {
  rename(owner.limits, LimitScope::kTenant, kOwnerLevelNames[static_cast<size_t>(owner.level)]);
}

}  // namespace sluice::auth
