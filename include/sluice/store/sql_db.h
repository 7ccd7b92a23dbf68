// One connection to PostgreSQL, MySQL or MariaDB, for a lane whose calls may block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/base/deadline.h>

namespace sluice::store {

enum class SqlDriver : uint8_t { kPostgres, kMysql };

struct SqlOptions {
  SqlDriver driver = SqlDriver::kPostgres;
  // A name, an address, or a full path: of PostgreSQL the directory of its socket, of MySQL that
  // directory (the socket is then its mysqld.sock) or the socket itself.
  std::string host;
  uint16_t port = 5432;
  std::string user;
  std::string password;
  std::string database;
  bool tls = true;                // With the server's name verified; not on a Unix socket.
  std::string tls_ca_file;        // "" is the system's bundle.
  Duration timeout = seconds(5);  // Of connecting, and of one statement.
};

using SqlText = std::optional<std::string>;  // Nothing is NULL.
using SqlRow = std::vector<SqlText>;         // Truth values are "true" and "false" of PostgreSQL,
                                             // "1" and "0" of MySQL; times are in UTC.

struct SqlTable {
  std::vector<std::string> columns;  // Their names.
  std::vector<SqlRow> rows;
};

struct SqlFault {
  enum class Kind : uint8_t {
    kUnreachable,  // No connection, or it was lost.
    kTimeout,
    kRefused,      // The server says that the statement is wrong, or may not be run.
    kInterrupted,  // By interrupt().
  };
  Kind kind = Kind::kUnreachable;
  bool may_have_run = false;  // The statement had gone out and was not answered.
  std::string sqlstate;       // Of kRefused: five characters, such as "23505".
  std::string text;           // A sentence with its cause; holds no parameter and no password.
};

// Connects at need, and again when the connection was lost. Each call ends within twice
// `SqlOptions::timeout`, and at its deadline (of the kernel's monotonic clock), whatever the server
// does. Only the system's look-up of a name takes as long as it takes, and connecting to MySQL
// with TLS up to a second longer. One thread at a time.
class SqlDb {
 public:
  // Of one statement, so that it is within what both protocols can carry.
  static constexpr size_t kParametersMost = 60'000;
  static constexpr size_t kRowsMost = 10'000;                // Of an answer; more is a fault.
  static constexpr size_t kValueBytesMax = size_t{1} << 20;  // Of one column of an answer.

  virtual ~SqlDb() = default;

  // A statement that changes nothing: it is sent a second time when a kept connection turns out to
  // be dead. Values go in by parameters only; placeholder() writes their marks.
  [[nodiscard]] virtual std::expected<SqlTable, SqlFault> query(const std::string& statement,
                                                                std::span<const SqlText> parameters,
                                                                Deadline deadline) = 0;
  // How many rows it changed. Never sent twice: see `may_have_run`.
  [[nodiscard]] virtual std::expected<uint64_t, SqlFault> execute(
      const std::string& statement, std::span<const SqlText> parameters, Deadline deadline) = 0;
  // Ends the call under way (but for those two waits), and each one after it. Any thread.
  virtual void interrupt() noexcept = 0;
};

// Connects to nothing yet.
[[nodiscard]] std::unique_ptr<SqlDb> make_sql_db(SqlOptions options);

// The mark of the parameter with that number, from 1 on: "$1" or "?".
[[nodiscard]] std::string placeholder(SqlDriver driver, size_t number);
// "($1, $2), ($3, $4)": what stands behind VALUES.
[[nodiscard]] std::string placeholder_rows(SqlDriver driver, size_t rows, size_t columns);

// "accounts.keys" as "accounts"."keys" (or with backticks). Nothing unless each part is 1-63
// letters, digits, `_`, `$` and `-`.
[[nodiscard]] std::optional<std::string> quote_sql_name(SqlDriver driver, std::string_view name);

}  // namespace sluice::store
