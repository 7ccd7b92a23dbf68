#include <sluice/store/sql_db.h>

#include <unistd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <sluice/base/assert.h>

#include "sql_session.h"

namespace sluice::store {
namespace {

constexpr size_t kNameBytesMax = 63;
constexpr size_t kMessageBytesMax = 300;
constexpr int kTriesOfQuery = 2;

class SqlClient final : public SqlDb {
 public:
  SqlClient(std::unique_ptr<SqlWait> wait, std::unique_ptr<SqlSession> session, Duration timeout)
      : wait_(std::move(wait)), session_(std::move(session)), timeout_(timeout) {}

  std::expected<SqlTable, SqlFault> query(const std::string& statement,
                                          std::span<const SqlText> parameters,
                                          Deadline deadline) override {
    auto outcome = run(statement, parameters, deadline, kTriesOfQuery);
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    return std::move(outcome->table);
  }

  std::expected<uint64_t, SqlFault> execute(const std::string& statement,
                                            std::span<const SqlText> parameters,
                                            Deadline deadline) override {
    auto outcome = run(statement, parameters, deadline, 1);
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    return outcome->changed;
  }

  void interrupt() noexcept override { wait_->interrupt(); }

 private:
  std::expected<SqlOutcome, SqlFault> run(const std::string& statement,
                                          std::span<const SqlText> parameters, Deadline deadline,
                                          int tries) {
    SLUICE_ASSERT(parameters.size() <= kParametersMost);
    for (int left = tries;; --left) {
      if (auto fault = look_at_time(deadline)) return std::unexpected(*std::move(fault));
      const bool was_connected = session_->is_connected();
      if (!was_connected) {
        if (auto made = session_->connect(until(deadline)); !made) {
          return std::unexpected(std::move(made.error()));
        }
      }
      auto outcome = session_->run(statement, parameters, until(deadline));
      if (outcome || outcome.error().kind != SqlFault::Kind::kUnreachable) return outcome;
      if (!was_connected || left <= 1) return outcome;
    }
  }

  [[nodiscard]] std::optional<SqlFault> look_at_time(Deadline deadline) {
    if (wait_->is_interrupted()) {
      return wait_fault(SqlWait::Outcome::kInterrupted, "the statement");
    }
    if (!deadline.has_passed(wait_->now())) return std::nullopt;
    return SqlFault{.kind = SqlFault::Kind::kTimeout,
                    .text = "earlier statements took all the time there was for this one"};
  }

  [[nodiscard]] MonoTime until(Deadline deadline) {
    return deadline.sooner(Deadline::after(wait_->now(), timeout_)).at;
  }

  std::unique_ptr<SqlWait> wait_;
  std::unique_ptr<SqlSession> session_;
  Duration timeout_;
};

// The classes of SQLSTATE whose messages name tables, columns and users, and no values.
bool is_quotable(std::string_view sqlstate) noexcept {
  static constexpr std::array<std::string_view, 8> kClasses = {"08", "28", "3D", "3F",
                                                               "42", "53", "55", "57"};
  return std::ranges::find(kClasses, sqlstate.substr(0, 2)) != kClasses.end();
}

bool is_name_byte(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte == '$' || byte == '-';
}

}  // namespace

std::string one_line(std::string_view message) {
  std::string line;
  for (const char byte : message.substr(0, kMessageBytesMax)) {
    const bool is_blank = static_cast<unsigned char>(byte) <= ' ' || byte == 0x7f;
    if (!is_blank) {
      line += byte;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (line.ends_with(' ') || line.ends_with('.')) line.pop_back();
  return line;
}

SqlFault refusal(std::string_view sqlstate, std::string_view message) {
  SqlFault fault{.kind = SqlFault::Kind::kRefused, .sqlstate = std::string(sqlstate)};
  fault.text = is_quotable(sqlstate)
                   ? fmt::format("the server refused it: {} (SQLSTATE {})", one_line(message),
                                 one_line(sqlstate))
                   : fmt::format("the server refused it (SQLSTATE {})", one_line(sqlstate));
  return fault;
}

SqlFault wait_fault(SqlWait::Outcome outcome, std::string_view what) {
  if (outcome == SqlWait::Outcome::kInterrupted) {
    return {.kind = SqlFault::Kind::kInterrupted, .text = fmt::format("{} was given up", what)};
  }
  return {.kind = SqlFault::Kind::kTimeout, .text = fmt::format("{} had no answer in time", what)};
}

std::expected<std::string, SqlFault> authorities_of(const SqlOptions& options) {
  static constexpr std::array<const char*, 3> kBundles = {"/etc/ssl/certs/ca-certificates.crt",
                                                          "/etc/pki/tls/certs/ca-bundle.crt",
                                                          "/etc/ssl/cert.pem"};
  if (!options.tls_ca_file.empty()) {
    if (::access(options.tls_ca_file.c_str(), R_OK) == 0) return options.tls_ca_file;
    return std::unexpected(SqlFault{.text = options.tls_ca_file + " cannot be read"});
  }
  for (const char* bundle : kBundles) {
    if (::access(bundle, R_OK) == 0) return bundle;
  }
  return std::unexpected(SqlFault{
      .text =
          "the system has no certificate authorities; install ca-certificates, or name a file"});
}

std::unique_ptr<SqlDb> make_sql_db(std::unique_ptr<SqlWait> wait,
                                   std::unique_ptr<SqlSession> session, Duration timeout) {
  return std::make_unique<SqlClient>(std::move(wait), std::move(session), timeout);
}

std::unique_ptr<SqlDb> make_sql_db(SqlOptions options) {
  auto wait = std::make_unique<SqlWait>();
  auto session = options.driver == SqlDriver::kPostgres ? make_postgres_session(options, *wait)
                                                        : make_mysql_session(options, *wait);
  return make_sql_db(std::move(wait), std::move(session), options.timeout);
}

std::string placeholder(SqlDriver driver, size_t number) {
  return driver == SqlDriver::kPostgres ? fmt::format("${}", number) : "?";
}

std::string placeholder_rows(SqlDriver driver, size_t rows, size_t columns) {
  std::string text;
  size_t number = 0;
  for (size_t row = 0; row < rows; ++row) {
    text += row == 0 ? "(" : ", (";
    for (size_t column = 0; column < columns; ++column) {
      if (column > 0) text += ", ";
      text += placeholder(driver, ++number);
    }
    text += ')';
  }
  return text;
}

std::optional<std::string> quote_sql_name(SqlDriver driver, std::string_view name) {
  const char mark = driver == SqlDriver::kPostgres ? '"' : '`';
  std::string quoted;
  for (;;) {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string_view part = name.substr(0, dot);
    if (part.empty() || part.size() > kNameBytesMax || !std::ranges::all_of(part, is_name_byte)) {
      return std::nullopt;
    }
    quoted += mark;
    quoted += part;
    quoted += mark;
    if (dot == name.size()) return quoted;
    quoted += '.';
    name.remove_prefix(dot + 1);
  }
}

}  // namespace sluice::store
