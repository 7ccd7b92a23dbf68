#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <sluice/json/writer.h>

#include "key_scope.h"
#include "key_tables.h"

namespace sluice::auth {
namespace {

using store::SqliteBytes;
using store::SqliteValue;

// The conditions of a list, each with its value.
class Conditions {
 public:
  // `condition` has one `?`. The value is copied.
  void add(std::string_view condition, std::string value) {
    texts_.push_back(std::move(value));
    append(condition);
  }
  void add_number(std::string_view condition, int64_t value) {
    texts_.push_back(std::nullopt);
    numbers_.push_back(value);
    append(condition);
  }
  void add_unless_empty(std::string_view condition, const std::string& value) {
    if (!value.empty()) add(condition, value);
  }
  // Words in a name, an id or a prefix, as people type them.
  void add_search(std::string_view columns, const std::string& search) {
    if (search.empty()) return;
    add(fmt::format("instr(lower({}), lower(?)) > 0", columns), search);
  }
  // For an `id` that is text.
  void add_page(const Page& page) { add_unless_empty("id > ?", page.after); }

  [[nodiscard]] const std::string& sql() const noexcept { return sql_; }
  // Good until the next add.
  [[nodiscard]] std::vector<SqliteValue> values() const {
    std::vector<SqliteValue> values;
    size_t number = 0;
    for (const auto& text : texts_) {
      if (text) {
        values.emplace_back(std::string_view(*text));
      } else {
        values.emplace_back(numbers_[number++]);
      }
    }
    return values;
  }

 private:
  void append(std::string_view condition) {
    sql_ += sql_.empty() ? " WHERE " : " AND ";
    sql_ += condition;
  }

  std::string sql_;
  std::vector<std::optional<std::string>> texts_;  // Nothing for a number.
  std::vector<int64_t> numbers_;
};

uint32_t rows_of(uint32_t most) noexcept { return std::clamp(most, 1u, KeyStore::kPageMost); }

// SQLite's GLOB has more wildcards than `*`.
std::string sqlite_glob(std::string_view glob) {
  std::string text;
  for (const char c : glob) {
    if (c == '?' || c == '[') {
      text += fmt::format("[{}]", c);
    } else {
      text += c;
    }
  }
  return text;
}

AuditEntry entry_of(const store::SqliteQuery& row) {
  AuditEntry entry;
  entry.id = static_cast<uint64_t>(row.integer(0));
  entry.at = WallTime{row.integer(1)};
  entry.actor = row.text(2);
  entry.origin = row.text(3);
  entry.action = row.text(4);
  entry.object = row.text(5);
  entry.before = row.text(6);
  entry.after = row.text(7);
  entry.outcome = row.text(8);
  return entry;
}

StoreResult<void> check_answer_key(std::string_view key) {
  if (!key.empty() && key.size() <= KeyStore::kAnswerKeyBytesMax) return {};
  return refusal(
      StoreFault::kInvalid,
      fmt::format("the idempotency key must have 1 to {} bytes", KeyStore::kAnswerKeyBytesMax),
      "idempotency_key");
}

}  // namespace

StoreResult<KeyRecord> KeyStore::find_key(const Actor& actor, std::string_view id) {
  return parts_->key_for(actor, id);
}

StoreResult<KeyRecord> KeyStore::find_key(const Actor& actor, const crypto::Digest& digest) {
  auto found = parts_->key_with(digest);
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found || !may_see(actor, **found)) return no_such("key");
  const KeyRecord& key = **found;
  const bool is_over =
      key.digest != digest && (!key.former_until || *key.former_until <= parts_->clock.wall());
  if (is_over) return no_such("key");
  return std::move(**found);
}

StoreResult<std::vector<KeyRecord>> KeyStore::list_keys(const Actor& actor, const KeyFilter& filter,
                                                        const Page& page) {
  Conditions where;
  where.add_unless_empty("organisation = ?", actor.organisation);
  where.add_unless_empty("team = ?", actor.team);
  where.add_unless_empty("organisation = ?", filter.organisation);
  where.add_unless_empty("team = ?", filter.team);
  where.add_unless_empty("user = ?", filter.user);
  if (filter.kind) where.add_number("kind = ?", static_cast<int64_t>(*filter.kind));
  if (filter.is_blocked) where.add_number("is_blocked = ?", *filter.is_blocked ? 1 : 0);
  if (!filter.tag.empty()) where.add("instr(tags, ?) > 0", json::quote(filter.tag));
  where.add_search("name || char(10) || id || char(10) || prefix", filter.search);
  where.add_page(page);
  return parts_->keys(fmt::format("SELECT {} FROM keys{} ORDER BY id LIMIT {}", kKeyColumns,
                                  where.sql(), rows_of(page.most)),
                      where.values());
}

StoreResult<Owner> KeyStore::find_owner(const Actor& actor, std::string_view id) {
  return parts_->owner_for(actor, id);
}

StoreResult<std::vector<Owner>> KeyStore::list_owners(const Actor& actor, const OwnerFilter& filter,
                                                      const Page& page) {
  Conditions where;
  // As may_see() has it.
  where.add_unless_empty("? IN (organisation, id)", actor.organisation);
  where.add_unless_empty("? IN (team, id)", actor.team);
  if (filter.level) where.add_number("level = ?", static_cast<int64_t>(*filter.level));
  where.add_unless_empty("organisation = ?", filter.organisation);
  where.add_unless_empty("team = ?", filter.team);
  where.add_search("name || char(10) || id", filter.search);
  where.add_page(page);
  return parts_->owners(fmt::format("SELECT {} FROM owners{} ORDER BY id LIMIT {}", kOwnerColumns,
                                    where.sql(), rows_of(page.most)),
                        where.values());
}

StoreResult<std::vector<AuditEntry>> KeyStore::list_audit(const Actor& actor,
                                                          const AuditFilter& filter) {
  Conditions where;
  where.add_unless_empty("organisation = ?", actor.organisation);
  where.add_unless_empty("team = ?", actor.team);
  where.add_unless_empty("actor = ?", filter.actor);
  if (!filter.action.empty()) where.add("action GLOB ?", sqlite_glob(filter.action));
  where.add_unless_empty("object = ?", filter.object);
  if (filter.from) where.add_number("at >= ?", filter.from->unix_us);
  if (filter.to) where.add_number("at < ?", filter.to->unix_us);
  if (filter.before_id != 0) {
    where.add_number("id < ?",
                     static_cast<int64_t>(std::min<uint64_t>(filter.before_id, INT64_MAX)));
  }
  auto rows = parts_->db->query(
      fmt::format("SELECT id, at, actor, origin, action, object, before, after, outcome FROM "
                  "audit{} ORDER BY id DESC LIMIT {}",
                  where.sql(), rows_of(filter.most)),
      where.values());
  if (!rows) return refusal(rows.error());
  std::vector<AuditEntry> entries;
  for (;;) {
    const auto row = rows->next();
    if (!row) return refusal(row.error());
    if (!*row) return entries;
    entries.push_back(entry_of(*rows));
  }
}

StoreResult<std::optional<RememberedAnswer>> KeyStore::recall(const Actor& actor,
                                                              std::string_view key) {
  if (auto good = check_answer_key(key); !good) return std::unexpected(good.error());
  auto rows = parts_->db->query(
      "SELECT request, status, body FROM answers WHERE actor = ? AND key = ? AND until > ?",
      {std::string_view(actor.name), key, parts_->clock.wall().unix_us});
  if (!rows) return refusal(rows.error());
  const auto row = rows->next();
  if (!row) return refusal(row.error());
  if (!*row) return std::nullopt;
  RememberedAnswer answer;
  // The schema checks the length.
  std::ranges::copy(rows->bytes(0), answer.request.begin());
  answer.status = static_cast<uint16_t>(rows->integer(1));
  answer.body = rows->text(2);
  return answer;
}

StoreResult<void> KeyStore::remember(const Actor& actor, std::string_view key,
                                     const RememberedAnswer& answer) {
  if (auto good = check_answer_key(key); !good) return good;
  auto transaction = parts_->db->begin();
  if (!transaction) return refusal(transaction.error());
  const int64_t now = parts_->clock.wall().unix_us;
  const auto until = now + std::chrono::duration_cast<microseconds>(kRememberAnswers).count();
  const auto purged = parts_->db->run("DELETE FROM answers WHERE until <= ?", {now});
  if (!purged) return refusal(purged.error());
  const auto known =
      parts_->db->integer_of("SELECT count(*) FROM answers WHERE actor = ? AND key = ?",
                             {std::string_view(actor.name), key});
  if (!known) return refusal(known.error());
  if (*known != 0) {
    return refusal(StoreFault::kConflict, "this idempotency key has an answer already",
                   "idempotency_key");
  }
  const auto kept = parts_->db->run(
      "INSERT INTO answers(actor, key, request, status, body, until) VALUES (?, ?, ?, ?, ?, ?)",
      {std::string_view(actor.name), key, SqliteBytes(answer.request),
       static_cast<int64_t>(answer.status), std::string_view(answer.body), until});
  if (!kept) return refusal(kept.error());
  // Numbers only grow, so that those beyond the bound are the oldest.
  const auto cut =
      parts_->db->run("DELETE FROM answers WHERE number <= ?",
                      {parts_->db->last_row_id() - static_cast<int64_t>(kAnswersMost)});
  if (!cut) return refusal(cut.error());
  if (auto done = transaction->commit(); !done) return refusal(done.error());
  return {};
}

}  // namespace sluice::auth
