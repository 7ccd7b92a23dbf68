#include <sluice/store/sqlite_db.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>
#include <sqlite3.h>

#include "sqlite_file.h"

namespace sluice::store {
namespace {

// Of SQLite's machine, between two looks at the clock: well below a millisecond.
constexpr int kStepsBetweenLooks = 10'000;

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};
struct KeptStatement {
  sqlite3_stmt* statement = nullptr;
  bool in_use = false;
};
using Statements = std::unordered_map<std::string, KeptStatement, TextHash, std::equal_to<>>;

SqliteFault fault_of(int code, int system_error) noexcept {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SqliteFault::kLocked;
    case SQLITE_FULL: return SqliteFault::kFull;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SqliteFault::kCorrupt;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return SqliteFault::kReadOnly;
    case SQLITE_CONSTRAINT: return SqliteFault::kConstraint;
    case SQLITE_INTERRUPT: return SqliteFault::kLate;
    case SQLITE_IOERR:
      return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG
                 ? SqliteFault::kFull
                 : SqliteFault::kOther;
    default: return SqliteFault::kOther;
  }
}

int bind(sqlite3_stmt* statement, int index, const SqliteValue& value) noexcept {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *number);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return sqlite3_bind_double(statement, index, *number);
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    // A null pointer would bind NULL where "" is meant.
    return sqlite3_bind_text64(statement, index, text->data() != nullptr ? text->data() : "",
                               text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  if (const auto* bytes = std::get_if<SqliteBytes>(&value)) {
    if (bytes->empty()) return sqlite3_bind_zeroblob(statement, index, 0);
    return sqlite3_bind_blob64(statement, index, bytes->data(), bytes->size(), SQLITE_TRANSIENT);
  }
  return sqlite3_bind_null(statement, index);
}

std::string corruption_text(int code, const std::string& path) {
  if ((code & 0xff) == SQLITE_NOTADB) {
    return fmt::format("{} is no SQLite database; move it away, or name another path", path);
  }
  return fmt::format(
      "{} is damaged; keep a copy, then put a backup in its place, or save what can be read with "
      "`sqlite3 {} .recover`",
      path, path);
}

}  // namespace

struct SqliteDb::Parts {
  // SQLite calls it while a statement runs; other than 0 ends it.
  static int is_late(void* parts) noexcept {
    const auto* const self = static_cast<const Parts*>(parts);
    return self->deadline.has_passed(self->clock->now()) ? 1 : 0;
  }

  std::string path;
  SqliteLock lock;
  sqlite3* handle = nullptr;
  Statements statements;
  SqliteWatcher* watcher = nullptr;
  Clock* clock = nullptr;
  Deadline deadline;

  ~Parts() {
    for (const auto& [sql, kept] : statements) sqlite3_finalize(kept.statement);
    sqlite3_close_v2(handle);
  }
};

// --- statements ---------------------------------------------------------------------------------

SqliteQuery::SqliteQuery(SqliteQuery&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      in_use_(other.in_use_) {}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  if (in_use_ == nullptr) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *in_use_ = false;
}

SqliteResult<bool> SqliteQuery::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(db_->error_of(code));
}

bool SqliteQuery::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

int64_t SqliteQuery::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_, column);
}

double SqliteQuery::real(int column) const noexcept {
  return sqlite3_column_double(statement_, column);
}

std::string_view SqliteQuery::text(int column) const noexcept {
  const unsigned char* const text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

SqliteBytes SqliteQuery::bytes(int column) const noexcept {
  const void* const bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const uint8_t*>(bytes),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

// --- transactions -------------------------------------------------------------------------------

SqliteTransaction::~SqliteTransaction() {
  if (db_ == nullptr) return;
  // Some errors have rolled back already.
  if (sqlite3_get_autocommit(db_->parts_->handle) == 0) {
    sqlite3_exec(db_->parts_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

SqliteResult<void> SqliteTransaction::commit() {
  if (auto done = db_->run("COMMIT"); !done) {
    SqliteTransaction ended(std::move(*this));
    return std::unexpected(std::move(done.error()));
  }
  db_ = nullptr;
  return {};
}

// --- the database -------------------------------------------------------------------------------

SqliteDb::SqliteDb(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}

SqliteDb::~SqliteDb() = default;

SqliteResult<std::unique_ptr<SqliteDb>> SqliteDb::open(const std::string& path,
                                                       const SqliteOptions& options) {
  auto parts = std::make_unique<Parts>();
  parts->path = resolved_path(path);
  parts->watcher = options.watcher;
  std::unique_ptr<SqliteDb> db(new SqliteDb(std::move(parts)));
  if (auto ready = db->prepare_file(options); !ready) return std::unexpected(ready.error());
  if (auto ready = db->connect(options); !ready) return std::unexpected(ready.error());
  if (auto ready = db->set_up(options); !ready) return std::unexpected(ready.error());
  if (options.checks_pages) {
    if (auto sound = db->check_pages(); !sound) return std::unexpected(sound.error());
  }
  return db;
}

SqliteResult<void> SqliteDb::prepare_file(const SqliteOptions& options) {
  if (options.is_read_only) return {};
  std::string fault = access_fault(parts_->path);
  if (!fault.empty()) return std::unexpected(SqliteError{SqliteFault::kReadOnly, fault});
  if (options.is_exclusive) {
    auto lock = SqliteLock::take(parts_->path);
    if (!lock) return std::unexpected(SqliteError{SqliteFault::kLocked, lock.error()});
    parts_->lock = std::move(*lock);
  }
  if (auto made = make_private_file(parts_->path); !made) {
    return std::unexpected(SqliteError{SqliteFault::kReadOnly, made.error()});
  }
  return {};
}

SqliteResult<void> SqliteDb::connect(const SqliteOptions& options) {
  const int mode = options.is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int code = sqlite3_open_v2(parts_->path.c_str(), &parts_->handle,
                                   mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error_of(code));
  const auto wait = std::chrono::duration_cast<milliseconds>(options.busy_wait);
  sqlite3_busy_timeout(parts_->handle, static_cast<int>(wait.count()));
  // A file that someone has tampered with runs nothing of its own.
  sqlite3_db_config(parts_->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(parts_->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return {};
}

SqliteResult<void> SqliteDb::set_up(const SqliteOptions& options) {
  if (auto done = run_all("PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON"); !done) {
    return done;
  }
  if (options.is_read_only) return {};
  {
    auto mode = query("PRAGMA journal_mode = WAL");
    if (!mode) return std::unexpected(mode.error());
    const auto row = mode->next();
    if (!row) return std::unexpected(row.error());
    if (mode->text(0) != "wal") {
      return std::unexpected(
          SqliteError{SqliteFault::kOther,
                      fmt::format("{} lies on a file system that shares no memory, which a log "
                                  "written ahead needs; name a path on a local disk",
                                  parts_->path)});
    }
  }
  if (auto done = run_all(fmt::format("PRAGMA synchronous = {}; PRAGMA journal_size_limit = {}",
                                      options.syncs_commits ? "FULL" : "NORMAL", kLogBytesKept));
      !done) {
    return done;
  }
  if (options.bytes_max == 0) return {};
  const auto page = integer_of("PRAGMA page_size");
  if (!page) return std::unexpected(page.error());
  return run_all(
      fmt::format("PRAGMA max_page_count = {}",
                  std::max<uint64_t>(1, options.bytes_max / static_cast<uint64_t>(*page))));
}

SqliteResult<void> SqliteDb::check_pages() {
  auto check = query("PRAGMA quick_check(1)");
  if (!check) return std::unexpected(check.error());
  const auto row = check->next();
  if (!row) return std::unexpected(row.error());
  if (check->text(0) == "ok") return {};
  return std::unexpected(error_of(SQLITE_CORRUPT));
}

SqliteResult<SqliteQuery> SqliteDb::query(std::string_view sql,
                                          std::span<const SqliteValue> values) {
  if (parts_->watcher != nullptr) parts_->watcher->on_statement(sql);
  auto kept = parts_->statements.find(sql);
  sqlite3_stmt* statement = nullptr;
  if (kept == parts_->statements.end() || kept->second.in_use) {
    const int code = sqlite3_prepare_v3(parts_->handle, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return std::unexpected(error_of(code));
    if (kept == parts_->statements.end() && parts_->statements.size() < kStatementsKept) {
      kept = parts_->statements.try_emplace(std::string(sql), KeptStatement{statement}).first;
    } else {
      kept = parts_->statements.end();
    }
  } else {
    statement = kept->second.statement;
  }
  const bool is_kept = kept != parts_->statements.end();
  if (is_kept) kept->second.in_use = true;
  SqliteQuery query(*this, statement, is_kept ? &kept->second.in_use : nullptr);
  int index = 0;
  for (const SqliteValue& value : values) {
    const int code = bind(statement, ++index, value);
    if (code != SQLITE_OK) return std::unexpected(error_of(code));
  }
  return query;
}

SqliteResult<uint64_t> SqliteDb::run(std::string_view sql, std::span<const SqliteValue> values) {
  auto statement = query(sql, values);
  if (!statement) return std::unexpected(std::move(statement.error()));
  for (;;) {
    const auto row = statement->next();
    if (!row) return std::unexpected(row.error());
    if (!*row) return static_cast<uint64_t>(sqlite3_changes64(parts_->handle));
  }
}

SqliteResult<void> SqliteDb::run_all(std::string_view script) {
  const std::string text(script);
  const char* rest = text.c_str();
  while (*rest != '\0') {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v2(parts_->handle, rest, -1, &statement, &rest);
    if (code != SQLITE_OK) return std::unexpected(error_of(code));
    if (statement == nullptr) continue;  // White space or a comment.
    SqliteQuery query(*this, statement, nullptr);
    if (parts_->watcher != nullptr) parts_->watcher->on_statement(sqlite3_sql(statement));
    for (;;) {
      const auto row = query.next();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
    }
  }
  return {};
}

SqliteResult<SqliteTransaction> SqliteDb::begin() {
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
  return SqliteTransaction(*this);
}

void SqliteDb::set_deadline(Clock& clock, Deadline deadline) noexcept {
  parts_->clock = &clock;
  parts_->deadline = deadline;
  sqlite3_progress_handler(parts_->handle, deadline.is_never() ? 0 : kStepsBetweenLooks,
                           deadline.is_never() ? nullptr : &Parts::is_late, parts_.get());
}

SqliteResult<int64_t> SqliteDb::integer_of(std::string_view sql,
                                           std::initializer_list<SqliteValue> values) {
  auto rows = query(sql, values);
  if (!rows) return std::unexpected(std::move(rows.error()));
  const auto row = rows->next();
  if (!row) return std::unexpected(row.error());
  return *row ? rows->integer(0) : 0;
}

int64_t SqliteDb::last_row_id() const noexcept { return sqlite3_last_insert_rowid(parts_->handle); }

SqliteResult<uint64_t> SqliteDb::bytes() {
  const auto pages = integer_of("PRAGMA page_count");
  if (!pages) return std::unexpected(pages.error());
  const auto page = integer_of("PRAGMA page_size");
  if (!page) return std::unexpected(page.error());
  return static_cast<uint64_t>(*pages) * static_cast<uint64_t>(*page);
}

const std::string& SqliteDb::path() const noexcept { return parts_->path; }

SqliteError SqliteDb::error_of(int code) const {
  const std::string& path = parts_->path;
  // SQLite keeps the system's error of these two alone.
  const bool is_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  const int system_error =
      is_system && parts_->handle != nullptr ? sqlite3_system_errno(parts_->handle) : 0;
  const std::string cause = system_error != 0 ? std::system_category().message(system_error)
                                              : std::string(sqlite3_errstr(code));
  SqliteError error{fault_of(code, system_error), {}};
  switch (error.fault) {
    case SqliteFault::kLocked:
      error.text = fmt::format(
          "{} is locked by another program; close it (a sqlite3 shell, a backup) and try again",
          path);
      break;
    case SqliteFault::kFull:
      error.text = fmt::format(
          "{} cannot grow: the disk is full, or the file has reached its bound; make room", path);
      break;
    case SqliteFault::kCorrupt: error.text = corruption_text(code, path); break;
    case SqliteFault::kReadOnly:
      error.text = access_fault(path);
      if (!error.text.empty()) break;
      error.text = fmt::format(
          "{} cannot be opened or written: {}; let the user that this runs as write it and its "
          "directory",
          path, cause);
      break;
    case SqliteFault::kConstraint:
      error.text = fmt::format("{}: {}", path, sqlite3_errmsg(parts_->handle));
      break;
    case SqliteFault::kLate:
      error.text = fmt::format("{} did not answer in time; ask for less at once", path);
      break;
    case SqliteFault::kOther:
      error.text =
          fmt::format("{} failed: {} ({}); look at its disk and the kernel's log", path, cause,
                      parts_->handle != nullptr ? sqlite3_errmsg(parts_->handle) : "not opened");
      break;
  }
  return error;
}

}  // namespace sluice::store
