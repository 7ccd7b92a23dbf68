#include "usage_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <sluice/usage/spend_record.h>

namespace sluice::control {
namespace {

using store::SqliteValue;

// The id is in two columns, since numbers are smaller and faster than their text.
constexpr std::string_view kSchemaText = R"(
CREATE TABLE usage (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  exchange INTEGER NOT NULL,
  began INTEGER NOT NULL,
  at INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  key TEXT NOT NULL,
  tenant TEXT NOT NULL,
  organisation TEXT NOT NULL,
  team TEXT NOT NULL,
  user TEXT NOT NULL,
  model TEXT NOT NULL,
  served_model TEXT NOT NULL,
  deployment TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  status INTEGER NOT NULL,
  error TEXT NOT NULL,
  is_stream INTEGER NOT NULL,
  is_partial INTEGER NOT NULL,
  source TEXT NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_tokens INTEGER,
  reasoning_tokens INTEGER,
  micro_dollars INTEGER,
  duration_us INTEGER,
  ttft_us INTEGER
);
CREATE UNIQUE INDEX usage_id ON usage (run, exchange);
CREATE INDEX usage_at ON usage (at);
CREATE TABLE reporters (name TEXT PRIMARY KEY, told INTEGER NOT NULL) WITHOUT ROWID;
)";

constexpr std::string_view kInsert =
    "INSERT OR IGNORE INTO usage (run, exchange, began, at, request_id, key, tenant, organisation, "
    "team, user, model, served_model, deployment, endpoint, status, error, is_stream, is_partial, "
    "source, input_tokens, output_tokens, cached_tokens, reasoning_tokens, micro_dollars, "
    "duration_us, ttft_us) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

template <class T>
auto told_of(store::SqliteResult<T>&& result) {
  return std::unexpected(std::move(result.error().text));
}

SqliteValue value_of(const std::optional<uint64_t>& number) noexcept {
  if (!number) return std::monostate{};
  return static_cast<int64_t>(std::min(*number, UsageFile::kNumberMost));
}

std::array<SqliteValue, 26> values_of(const usage::SpendRecord& record) noexcept {
  return {static_cast<int64_t>(record.run),
          static_cast<int64_t>(record.exchange),
          record.began.unix_us,
          record.at.unix_us,
          record.request_id.view(),
          record.key.view(),
          record.tenant.view(),
          record.organisation.view(),
          record.team.view(),
          record.user.view(),
          record.model.view(),
          record.served_model.view(),
          record.upstream.view(),
          to_string(record.endpoint),
          int64_t{record.status},
          record.error ? to_string(*record.error) : std::string_view(),
          int64_t{record.is_stream},
          int64_t{record.is_partial},
          usage::to_string(record.source),
          value_of(record.input_tokens),
          value_of(record.output_tokens),
          value_of(record.cached_tokens),
          value_of(record.reasoning_tokens),
          value_of(record.cost_micro_dollars),
          value_of(record.duration_us),
          value_of(record.ttft_us)};
}

std::optional<uint64_t> number_of(const store::SqliteQuery& query, int column) noexcept {
  if (query.is_null(column)) return std::nullopt;
  return static_cast<uint64_t>(query.integer(column));
}

}  // namespace

std::string_view usage_columns() noexcept {
  return "number, run, exchange, began, at, request_id, key, tenant, organisation, team, user, "
         "model, served_model, deployment, endpoint, status, error, is_stream, is_partial, source, "
         "input_tokens, output_tokens, cached_tokens, reasoning_tokens, micro_dollars, "
         "duration_us, ttft_us";
}

UsageRow read_usage_row(const store::SqliteQuery& query) {
  UsageRow row;
  int column = 0;
  row.number = static_cast<uint64_t>(query.integer(column++));
  const auto run = static_cast<uint64_t>(query.integer(column++));
  row.id = fmt::format("{:016x}-{:x}", run, static_cast<uint64_t>(query.integer(column++)));
  row.began.unix_us = query.integer(column++);
  row.at.unix_us = query.integer(column++);
  for (std::string* text :
       {&row.request_id, &row.key, &row.tenant, &row.organisation, &row.team, &row.user, &row.model,
        &row.served_model, &row.deployment, &row.endpoint}) {
    *text = query.text(column++);
  }
  row.status = static_cast<uint16_t>(query.integer(column++));
  row.error = query.text(column++);
  row.is_stream = query.integer(column++) != 0;
  row.is_partial = query.integer(column++) != 0;
  row.source = query.text(column++);
  for (std::optional<uint64_t>* number :
       {&row.input_tokens, &row.output_tokens, &row.cached_tokens, &row.reasoning_tokens,
        &row.micro_dollars, &row.duration_us, &row.ttft_us}) {
    *number = number_of(query, column++);
  }
  return row;
}

UsageResult<std::unique_ptr<UsageFile>> UsageFile::open(const std::string& path) {
  auto db = store::SqliteDb::open(path, {.busy_wait = seconds(1)});
  if (!db) return told_of(std::move(db));
  std::unique_ptr<UsageFile> file(new UsageFile(std::move(*db)));
  if (auto made = file->make_schema(); !made) return std::unexpected(std::move(made.error()));
  return file;
}

UsageResult<void> UsageFile::make_schema() {
  auto schema = db_->integer_of("PRAGMA user_version");
  if (!schema) return told_of(std::move(schema));
  if (*schema == kSchema) return {};
  if (*schema > kSchema) {
    return std::unexpected(
        fmt::format("{} was written by a later version of Sluice (its schema is {}, this one knows "
                    "{}); run that version, or name another path",
                    db_->path(), *schema, kSchema));
  }
  auto tables = db_->integer_of("SELECT COUNT(*) FROM sqlite_master");
  if (!tables) return told_of(std::move(tables));
  if (*tables != 0) {
    return std::unexpected(fmt::format(
        "{} holds tables of something else; name a file of the usage log's own", db_->path()));
  }
  // So that pages which old records leave can go back to the disk; it counts before the first table
  // only, and the log that is written ahead has made the first page by now.
  if (auto done = db_->run_all("PRAGMA auto_vacuum = INCREMENTAL; VACUUM"); !done) {
    return told_of(std::move(done));
  }
  auto transaction = db_->begin();
  if (!transaction) return told_of(std::move(transaction));
  const std::string script = fmt::format("{}PRAGMA user_version = {};", kSchemaText, kSchema);
  if (auto done = db_->run_all(script); !done) return told_of(std::move(done));
  if (auto done = transaction->commit(); !done) return told_of(std::move(done));
  return {};
}

UsageResult<uint64_t> UsageFile::add(std::span<const std::string> records) {
  auto transaction = db_->begin();
  if (!transaction) return told_of(std::move(transaction));
  uint64_t added = 0;
  for (const std::string& bytes : records) {
    const auto record = usage::read_spend(bytes);
    if (!record || record->run == 0) continue;
    auto done = db_->run(kInsert, values_of(*record));
    if (!done) return told_of(std::move(done));
    added += *done;
  }
  if (auto done = transaction->commit(); !done) return told_of(std::move(done));
  return added;
}

UsageResult<UsageFile::Trimmed> UsageFile::trim(WallTime oldest, uint64_t bytes_max,
                                                uint64_t told) {
  auto page = db_->integer_of("PRAGMA page_size");
  if (!page) return told_of(std::move(page));
  auto pages = db_->integer_of("PRAGMA page_count");
  if (!pages) return told_of(std::move(pages));
  auto spare = db_->integer_of("PRAGMA freelist_count");
  if (!spare) return told_of(std::move(spare));
  const auto used = static_cast<uint64_t>((*pages - *spare) * *page);
  const int64_t before = used > bytes_max ? INT64_MAX : oldest.unix_us;

  auto transaction = db_->begin();
  if (!transaction) return told_of(std::move(transaction));
  const auto told_number = static_cast<int64_t>(std::min<uint64_t>(told, INT64_MAX));
  Trimmed trimmed;
  auto untold = db_->integer_of(
      "SELECT COUNT(*) FROM (SELECT number FROM usage WHERE at < ? ORDER BY at LIMIT ?) "
      "WHERE number > ?",
      {before, int64_t{kTrimMost}, told_number});
  if (!untold) return told_of(std::move(untold));
  auto removed = db_->run(
      "DELETE FROM usage WHERE number IN "
      "(SELECT number FROM usage WHERE at < ? ORDER BY at LIMIT ?)",
      {before, int64_t{kTrimMost}});
  if (!removed) return told_of(std::move(removed));
  if (auto done = transaction->commit(); !done) return told_of(std::move(done));
  trimmed.removed = *removed;
  trimmed.untold = static_cast<uint64_t>(*untold);
  trimmed.has_more = *removed == kTrimMost;
  if (*removed > 0 || *spare > 0) {
    auto freed = db_->run(fmt::format("PRAGMA incremental_vacuum({})", kPagesFreed));
    if (!freed) return told_of(std::move(freed));
    trimmed.has_more = trimmed.has_more || *spare > kPagesFreed;
  }
  return trimmed;
}

UsageResult<uint64_t> UsageFile::bytes() {
  auto bytes = db_->bytes();
  if (!bytes) return told_of(std::move(bytes));
  return *bytes;
}

UsageResult<uint64_t> UsageFile::last_number() {
  auto number = db_->integer_of("SELECT seq FROM sqlite_sequence WHERE name = 'usage'");
  if (!number) return told_of(std::move(number));
  return static_cast<uint64_t>(*number);
}

UsageResult<std::vector<UsageRow>> UsageFile::rows_after(uint64_t number, uint32_t most) {
  auto rows = db_->query(
      fmt::format("SELECT {} FROM usage WHERE number > ? ORDER BY number LIMIT ?", usage_columns()),
      {static_cast<int64_t>(number), int64_t{most}});
  if (!rows) return told_of(std::move(rows));
  std::vector<UsageRow> found;
  for (;;) {
    auto row = rows->next();
    if (!row) return told_of(std::move(row));
    if (!*row) return found;
    found.push_back(read_usage_row(*rows));
  }
}

UsageResult<uint64_t> UsageFile::told(std::string_view reporter) {
  auto made = db_->run(
      "INSERT OR IGNORE INTO reporters (name, told) VALUES "
      "(?, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'usage'), 0))",
      {reporter});
  if (!made) return told_of(std::move(made));
  auto number = db_->integer_of("SELECT told FROM reporters WHERE name = ?", {reporter});
  if (!number) return told_of(std::move(number));
  return static_cast<uint64_t>(*number);
}

UsageResult<void> UsageFile::set_told(std::string_view reporter, uint64_t number) {
  auto done = db_->run("UPDATE reporters SET told = MAX(told, ?) WHERE name = ?",
                       {static_cast<int64_t>(number), reporter});
  if (!done) return told_of(std::move(done));
  return {};
}

}  // namespace sluice::control
