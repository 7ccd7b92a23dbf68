// What one driver can do; sql_db.cc decides when.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/store/sql_db.h>

#include "sql_wait.h"

namespace sluice::store {

struct SqlOutcome {
  SqlTable table;
  uint64_t changed = 0;
};

// One connection or none.
class SqlSession {
 public:
  virtual ~SqlSession() = default;
  // False also when the server has closed it meanwhile.
  [[nodiscard]] virtual bool is_connected() noexcept = 0;
  [[nodiscard]] virtual std::expected<void, SqlFault> connect(MonoTime until) = 0;
  // After any fault but kRefused the connection is closed.
  [[nodiscard]] virtual std::expected<SqlOutcome, SqlFault> run(const std::string& statement,
                                                                std::span<const SqlText> parameters,
                                                                MonoTime until) = 0;
};

[[nodiscard]] std::unique_ptr<SqlSession> make_postgres_session(const SqlOptions& options,
                                                                SqlWait& wait);
[[nodiscard]] std::unique_ptr<SqlSession> make_mysql_session(const SqlOptions& options,
                                                             SqlWait& wait);
// Over a session of the caller's, which waits by `wait`.
[[nodiscard]] std::unique_ptr<SqlDb> make_sql_db(std::unique_ptr<SqlWait> wait,
                                                 std::unique_ptr<SqlSession> session,
                                                 Duration timeout);

// The file with the certificate authorities: the configured one, else the system's.
[[nodiscard]] std::expected<std::string, SqlFault> authorities_of(const SqlOptions& options);

// A driver's or server's own words, as one short line.
[[nodiscard]] std::string one_line(std::string_view message);
// What a server says of a statement. Its words are left out where they may quote a parameter.
[[nodiscard]] SqlFault refusal(std::string_view sqlstate, std::string_view message);
// Of what a wait came to.
[[nodiscard]] SqlFault wait_fault(SqlWait::Outcome outcome, std::string_view what);

}  // namespace sluice::store
