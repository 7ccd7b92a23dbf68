// One SQLite file: opened with care, statements by their text, transactions, errors as sentences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>

struct sqlite3_stmt;

namespace sluice::store {

enum class SqliteFault : uint8_t {
  kLocked,      // Another process has it.
  kFull,        // The disk, or `bytes_max`.
  kCorrupt,     // Damaged, or no database at all.
  kReadOnly,    // May not be written, or not be opened.
  kConstraint,  // A rule of the schema; `text` names the column.
  kLate,        // A deadline has passed.
  kOther,
};

struct SqliteError {
  SqliteFault fault = SqliteFault::kOther;
  std::string text;  // A sentence with cause, place and remedy; holds no value that was bound.
};
template <class T>
using SqliteResult = std::expected<T, SqliteError>;

// What is put in the place of a `?`: nothing, a number, text, or bytes. Copied when it is bound.
using SqliteBytes = std::span<const uint8_t>;
using SqliteValue = std::variant<std::monostate, int64_t, double, std::string_view, SqliteBytes>;

// Hears of each statement before it runs; for tests that stop the process there.
class SqliteWatcher {
 public:
  virtual ~SqliteWatcher() = default;
  virtual void on_statement(std::string_view sql) = 0;
};

struct SqliteOptions {
  // Refuses a second process by a lock on `<path>.lock`. A second connection of one process does
  // without.
  bool is_exclusive = true;
  bool is_read_only = false;  // The file must exist; nothing is made or locked.
  // Every page is looked at; reads the whole file.
  bool checks_pages = false;
  // A transaction is on the disk when commit() returns. Without, a power cut may lose the last
  // ones; neither damages the file.
  bool syncs_commits = true;
  // For others that read or write the file, as the shell does.
  Duration busy_wait = seconds(5);
  uint64_t bytes_max = 0;  // Beyond it writes fail with kFull; 0 is no bound.
  SqliteWatcher* watcher = nullptr;
};

class SqliteDb;

// A statement with its values, and the row it is at. Given back to its database, which outlives
// it, at its end. Views of columns are good until the next call of next().
class SqliteQuery {
 public:
  SqliteQuery(SqliteQuery&& other) noexcept;
  SqliteQuery& operator=(SqliteQuery&&) = delete;
  ~SqliteQuery();

  // To the next row, the first one at first; false behind the last. Not again after that.
  [[nodiscard]] SqliteResult<bool> next();

  [[nodiscard]] bool is_null(int column) const noexcept;
  [[nodiscard]] int64_t integer(int column) const noexcept;  // 0 for null.
  [[nodiscard]] double real(int column) const noexcept;
  [[nodiscard]] std::string_view text(int column) const noexcept;  // "" for null.
  [[nodiscard]] SqliteBytes bytes(int column) const noexcept;

 private:
  friend class SqliteDb;
  SqliteQuery(SqliteDb& db, sqlite3_stmt* statement, bool* in_use) noexcept
      : db_(&db), statement_(statement), in_use_(in_use) {}

  SqliteDb* db_;
  sqlite3_stmt* statement_;  // Null when moved from.
  bool* in_use_;             // Of a statement that the database keeps; else null.
};

// Rolls back at its end unless it was committed. One at a time on a database.
class SqliteTransaction {
 public:
  SqliteTransaction(SqliteTransaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();

  // On an error nothing of it has happened, and the transaction has ended.
  [[nodiscard]] SqliteResult<void> commit();

 private:
  friend class SqliteDb;
  explicit SqliteTransaction(SqliteDb& db) noexcept : db_(&db) {}
  SqliteDb* db_;  // Null when it has ended.
};

// Foreign keys are checked, the log is written ahead (WAL). A file that is made gets mode 0600, and
// so do the two that SQLite keeps beside it. Blocks; one thread at a time.
class SqliteDb {
 public:
  static constexpr size_t kStatementsKept = 64;
  static constexpr uint64_t kLogBytesKept = 64u << 20;  // Of the WAL, once it is written back.

  [[nodiscard]] static SqliteResult<std::unique_ptr<SqliteDb>> open(const std::string& path,
                                                                    const SqliteOptions& options);
  ~SqliteDb();
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  // One statement with a value for each `?`, to be stepped through. Statements are kept by their
  // text, so that the same text is parsed once.
  [[nodiscard]] SqliteResult<SqliteQuery> query(std::string_view sql,
                                                std::span<const SqliteValue> values);
  [[nodiscard]] SqliteResult<SqliteQuery> query(std::string_view sql,
                                                std::initializer_list<SqliteValue> values = {}) {
    return query(sql, std::span(values.begin(), values.size()));
  }
  // One statement to its end; how many rows it changed.
  [[nodiscard]] SqliteResult<uint64_t> run(std::string_view sql,
                                           std::span<const SqliteValue> values);
  [[nodiscard]] SqliteResult<uint64_t> run(std::string_view sql,
                                           std::initializer_list<SqliteValue> values = {}) {
    return run(sql, std::span(values.begin(), values.size()));
  }
  // Statements without values, one after another.
  [[nodiscard]] SqliteResult<void> run_all(std::string_view script);

  // Waits for other writers, up to `busy_wait`.
  [[nodiscard]] SqliteResult<SqliteTransaction> begin();

  // Statements end with kLate at `deadline`, until another one is set; never() is none. `clock`
  // outlives the database.
  void set_deadline(Clock& clock, Deadline deadline) noexcept;

  // The first column of the first row; 0 without one.
  [[nodiscard]] SqliteResult<int64_t> integer_of(std::string_view sql,
                                                 std::initializer_list<SqliteValue> values = {});
  [[nodiscard]] int64_t last_row_id() const noexcept;
  // What the file occupies, free pages within it included.
  [[nodiscard]] SqliteResult<uint64_t> bytes();
  [[nodiscard]] const std::string& path() const noexcept;

 private:
  friend class SqliteQuery;
  friend class SqliteTransaction;
  struct Parts;
  explicit SqliteDb(std::unique_ptr<Parts> parts) noexcept;
  [[nodiscard]] SqliteResult<void> prepare_file(const SqliteOptions& options);
  [[nodiscard]] SqliteResult<void> connect(const SqliteOptions& options);
  [[nodiscard]] SqliteResult<void> set_up(const SqliteOptions& options);
  [[nodiscard]] SqliteResult<void> check_pages();
  [[nodiscard]] SqliteError error_of(int code) const;

  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::store
