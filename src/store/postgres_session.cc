#include <poll.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "sql_session.h"

namespace sluice::store {
namespace {

constexpr Oid kBoolean = 16;  // The type's number in every PostgreSQL.

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, Clear>;

void ignore_notice(void*, const PGresult*) {}

class PostgresSession final : public SqlSession {
 public:
  PostgresSession(const SqlOptions& options, SqlWait& wait) : options_(options), wait_(wait) {}

  bool is_connected() noexcept override {
    if (connection_ == nullptr) return false;
    // What an idle server says is notices, or that it goes away.
    const bool has_word = wait_.wait(PQsocket(connection_.get()), POLLIN, MonoTime::min()) ==
                          SqlWait::Outcome::kReady;
    if (has_word && PQconsumeInput(connection_.get()) == 0) connection_.reset();
    if (connection_ != nullptr && PQstatus(connection_.get()) != CONNECTION_OK) connection_.reset();
    return connection_ != nullptr;
  }

  std::expected<void, SqlFault> connect(MonoTime until) override {
    auto made = begin();
    if (made) made = finish_connecting(until);
    // What a server shows of times does not depend on how it is set up.
    if (made) {
      auto set = run("SET TIME ZONE 'UTC'", {}, until);
      if (!set) made = std::unexpected(std::move(set.error()));
    }
    if (!made) connection_.reset();
    return made;
  }

  std::expected<SqlOutcome, SqlFault> run(const std::string& statement,
                                          std::span<const SqlText> parameters,
                                          MonoTime until) override {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const SqlText& value : parameters) values.push_back(value ? value->c_str() : nullptr);
    if (PQsendQueryParams(connection_.get(), statement.c_str(), static_cast<int>(values.size()),
                          nullptr, values.data(), nullptr, nullptr, 0) == 0) {
      return lose(false);
    }
    if (auto fault = send_all(until)) return give_up(*std::move(fault));
    return read_outcome(until);
  }

 private:
  std::expected<void, SqlFault> begin() {
    const bool is_path = options_.host.starts_with('/');
    const bool has_tls = options_.tls && !is_path;
    std::string authorities;
    if (has_tls) {
      auto file = authorities_of(options_);
      if (!file) return std::unexpected(std::move(file.error()));
      authorities = *std::move(file);
    }
    const std::string port = fmt::format("{}", options_.port);
    const std::array<std::pair<const char*, const char*>, 11> settings = {{
        {"host", options_.host.c_str()},
        {"port", port.c_str()},
        {"user", options_.user.c_str()},
        {"password", options_.password.c_str()},
        {"dbname", options_.database.c_str()},
        {"sslmode", has_tls ? "verify-full" : "disable"},
        {"sslrootcert", authorities.c_str()},
        {"gssencmode", "disable"},
        {"client_encoding", "UTF8"},
        {"application_name", "sluice"},
        {nullptr, nullptr},
    }};
    std::array<const char*, settings.size()> words{};
    std::array<const char*, settings.size()> values{};
    for (size_t i = 0; i < settings.size(); ++i) std::tie(words[i], values[i]) = settings[i];
    connection_.reset(PQconnectStartParams(words.data(), values.data(), 0));
    if (connection_ == nullptr || PQstatus(connection_.get()) == CONNECTION_BAD) {
      return std::unexpected(unreachable());
    }
    PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
    return {};
  }

  std::expected<void, SqlFault> finish_connecting(MonoTime until) {
    // The state machine begins as if it had asked to write.
    for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;
         state = PQconnectPoll(connection_.get())) {
      if (state == PGRES_POLLING_FAILED) return std::unexpected(unreachable());
      const short events = state == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
      const auto outcome = wait_.wait(PQsocket(connection_.get()), events, until);
      if (outcome != SqlWait::Outcome::kReady) {
        return std::unexpected(wait_fault(outcome, "connecting"));
      }
    }
    if (PQsetnonblocking(connection_.get(), 1) != 0) return std::unexpected(unreachable());
    return {};
  }

  [[nodiscard]] std::optional<SqlFault> send_all(MonoTime until) {
    for (;;) {
      const int left = PQflush(connection_.get());
      if (left == 0) return std::nullopt;
      if (left < 0) return unreachable();
      // A server that answers before it has read all must be read from, or both wait.
      const auto outcome = wait_.wait(PQsocket(connection_.get()), POLLIN | POLLOUT, until);
      if (outcome != SqlWait::Outcome::kReady) return wait_fault(outcome, "the statement");
      if (PQconsumeInput(connection_.get()) == 0) return unreachable();
    }
  }

  std::expected<SqlOutcome, SqlFault> read_outcome(MonoTime until) {
    SqlOutcome outcome;
    std::optional<SqlFault> refused;
    for (;;) {
      while (PQisBusy(connection_.get()) != 0) {
        const auto waited = wait_.wait(PQsocket(connection_.get()), POLLIN, until);
        if (waited != SqlWait::Outcome::kReady) {
          return give_up(wait_fault(waited, "the statement"));
        }
        if (PQconsumeInput(connection_.get()) == 0) return lose(true);
      }
      const ResultPtr result(PQgetResult(connection_.get()));
      if (result == nullptr) break;
      if (auto fault = take(result.get(), outcome)) refused = std::move(fault);
    }
    // An end of the connection comes as a result that is an error, without a state.
    if (PQstatus(connection_.get()) != CONNECTION_OK) return lose(true);
    if (refused) return std::unexpected(*std::move(refused));
    return outcome;
  }

  [[nodiscard]] static std::optional<SqlFault> take(PGresult* result, SqlOutcome& outcome) {
    switch (PQresultStatus(result)) {
      case PGRES_COMMAND_OK:
        outcome.changed = std::strtoull(PQcmdTuples(result), nullptr, 10);
        return std::nullopt;
      case PGRES_TUPLES_OK: return take_rows(result, outcome);
      default: break;
    }
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    return refusal(state == nullptr ? "XX000" : state, message == nullptr ? "" : message);
  }

  [[nodiscard]] static std::optional<SqlFault> take_rows(PGresult* result, SqlOutcome& outcome) {
    const int rows = PQntuples(result);
    if (static_cast<size_t>(rows) > SqlDb::kRowsMost) {
      return SqlFault{.kind = SqlFault::Kind::kRefused, .text = "the answer has too many rows"};
    }
    for (int column = 0; column < PQnfields(result); ++column) {
      outcome.table.columns.emplace_back(PQfname(result, column));
    }
    for (int i = 0; i < rows; ++i) {
      SqlRow& row = outcome.table.rows.emplace_back();
      for (int column = 0; column < PQnfields(result); ++column) {
        const auto size = static_cast<size_t>(PQgetlength(result, i, column));
        if (size > SqlDb::kValueBytesMax) {
          return SqlFault{.kind = SqlFault::Kind::kRefused, .text = "a value is too long"};
        }
        std::string_view text(PQgetvalue(result, i, column), size);
        if (PQftype(result, column) == kBoolean) text = text == "t" ? "true" : "false";
        row.push_back(PQgetisnull(result, i, column) != 0 ? SqlText() : SqlText(std::string(text)));
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] SqlFault unreachable() const {
    const char* message = connection_ == nullptr ? "" : PQerrorMessage(connection_.get());
    return {.kind = SqlFault::Kind::kUnreachable, .text = one_line(message)};
  }

  [[nodiscard]] std::unexpected<SqlFault> lose(bool may_have_run) {
    SqlFault fault = unreachable();
    fault.may_have_run = may_have_run;
    if (fault.text.empty()) fault.text = "the connection was lost";
    connection_.reset();
    return std::unexpected(std::move(fault));
  }

  [[nodiscard]] std::unexpected<SqlFault> give_up(SqlFault fault) {
    fault.may_have_run = true;
    connection_.reset();
    return std::unexpected(std::move(fault));
  }

  const SqlOptions options_;
  SqlWait& wait_;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace

std::unique_ptr<SqlSession> make_postgres_session(const SqlOptions& options, SqlWait& wait) {
  return std::make_unique<PostgresSession>(options, wait);
}

}  // namespace sluice::store
