#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <mysql.h>

#include "sql_session.h"

namespace sluice::store {
namespace {

constexpr unsigned kClientErrorsFirst = 2000;  // Errors that the library itself finds.
constexpr unsigned kClientErrorsLast = 2999;
// Of the server: that it shuts down, that it closes or has killed this connection.
constexpr std::array<unsigned, 4> kLosses = {1053, 1080, 1927, 4031};

// The library calls back for each wait, without saying of which connection.
struct CurrentWait {
  SqlWait* wait = nullptr;
  MonoTime until;
  SqlWait::Outcome outcome = SqlWait::Outcome::kReady;  // Of the last one that was not ready.
};
thread_local CurrentWait current;

// Less than 1 ends what the library is at.
int wait_for_socket(my_socket socket, my_bool is_read, int) {
  const short events = is_read != 0 ? POLLIN : POLLOUT;
  const auto outcome = current.wait->wait(socket, events, current.until);
  if (outcome == SqlWait::Outcome::kReady) return 1;
  current.outcome = outcome;
  return 0;
}

// Rounded up; zero would be no timeout at all.
unsigned whole_seconds(Duration timeout) noexcept {
  constexpr Duration kMost = seconds(3600);
  const Duration bounded = std::clamp(timeout, Duration(1), kMost);
  return static_cast<unsigned>((bounded + seconds(1) - Duration(1)) / seconds(1));
}

struct Close {
  void operator()(MYSQL* connection) const noexcept { mysql_close(connection); }
};
struct CloseStatement {
  void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
};

std::string socket_path(const std::string& host) {
  struct stat found{};
  const bool is_directory = ::stat(host.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
  return is_directory ? host + "/mysqld.sock" : host;
}

// Big-endian bytes, as a BIT column has them.
std::string bits_as_number(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes.substr(0, 8)) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  return fmt::format("{}", number);
}

class MysqlSession final : public SqlSession {
 public:
  MysqlSession(const SqlOptions& options, SqlWait& wait) : options_(options), wait_(wait) {}
  ~MysqlSession() override {
    begin_waits(MonoTime::min());
    close();
  }

  bool is_connected() noexcept override {
    if (connection_ == nullptr) return false;
    // An idle server says nothing but that it goes away.
    if (wait_.wait(mysql_get_socket(connection_.get()), POLLIN, MonoTime::min()) ==
        SqlWait::Outcome::kReady) {
      begin_waits(MonoTime::min());
      close();
    }
    return connection_ != nullptr;
  }

  std::expected<void, SqlFault> connect(MonoTime until) override {
    begin_waits(until);
    static const int is_broken = mysql_server_init(0, nullptr, nullptr);
    connection_.reset(is_broken != 0 ? nullptr : mysql_init(nullptr));
    if (connection_ == nullptr) return std::unexpected(SqlFault{.text = "there is no memory"});
    const bool is_path = options_.host.starts_with('/');
    const bool has_tls = options_.tls && !is_path;
    set_options(until);
    if (auto set = set_tls(has_tls); !set) return set;
    const std::string path = is_path ? socket_path(options_.host) : "";
    set_protocol(is_path);
    MYSQL* const made = mysql_real_connect(
        connection_.get(), is_path ? nullptr : options_.host.c_str(), options_.user.c_str(),
        options_.password.c_str(), options_.database.c_str(), options_.port,
        is_path ? path.c_str() : nullptr, 0);
    if (made == nullptr) {
      SqlFault fault = fault_of("connecting", mysql_errno(connection_.get()), "",
                                mysql_error(connection_.get()));
      close();
      return std::unexpected(std::move(fault));
    }
    if (has_tls && mysql_get_ssl_cipher(connection_.get()) == nullptr) {
      close();
      return std::unexpected(SqlFault{.text = "the server does not speak TLS"});
    }
    // Else TLS would block, and wait_for_socket() would not be called.
    const my_socket socket = mysql_get_socket(connection_.get());
    if (::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK) < 0) {
      close();
      return std::unexpected(SqlFault{.text = "its socket cannot be set up"});
    }
    return {};
  }

  std::expected<SqlOutcome, SqlFault> run(const std::string& statement,
                                          std::span<const SqlText> parameters,
                                          MonoTime until) override {
    begin_waits(until);
    if (auto ready = prepare(statement); !ready) return std::unexpected(std::move(ready.error()));
    if (mysql_stmt_param_count(statement_.get()) != parameters.size()) {
      return std::unexpected(
          SqlFault{.kind = SqlFault::Kind::kRefused, .text = "the statement has other parameters"});
    }
    std::vector<MYSQL_BIND> binds(parameters.size());
    for (size_t i = 0; i < binds.size(); ++i) {
      binds[i].buffer_type = parameters[i] ? MYSQL_TYPE_STRING : MYSQL_TYPE_NULL;
      if (!parameters[i]) continue;
      // Only read, but the structure takes no constants.
      binds[i].buffer = const_cast<char*>(parameters[i]->data());
      binds[i].buffer_length = parameters[i]->size();
    }
    if ((!binds.empty() && mysql_stmt_bind_param(statement_.get(), binds.data()) != 0) ||
        mysql_stmt_execute(statement_.get()) != 0 ||
        mysql_stmt_store_result(statement_.get()) != 0) {
      return give_up(true);
    }
    auto outcome = read_outcome();
    mysql_stmt_free_result(statement_.get());
    return outcome;
  }

 private:
  void begin_waits(MonoTime until) noexcept { current = {.wait = &wait_, .until = until}; }

  void set_options(MonoTime until) {
    MYSQL* const connection = connection_.get();
    // While it connects with TLS the library blocks; otherwise it waits by wait_for_socket().
    const unsigned timeout = whole_seconds(until - wait_.now());
    mysql_optionsv(connection, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_optionsv(connection, MYSQL_OPT_READ_TIMEOUT, &timeout);
    mysql_optionsv(connection, MYSQL_OPT_WRITE_TIMEOUT, &timeout);
    mysql_optionsv(connection, MARIADB_OPT_IO_WAIT, wait_for_socket);
    mysql_optionsv(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    // What a server shows of times does not depend on how it is set up.
    mysql_optionsv(connection, MYSQL_INIT_COMMAND, "SET time_zone = '+00:00'");
    // A server may otherwise ask for any file that we can read.
    const unsigned no = 0;
    mysql_optionsv(connection, MYSQL_OPT_LOCAL_INFILE, &no);
    // None that sends the password as it is.
    mysql_optionsv(connection, MARIADB_OPT_RESTRICTED_AUTH,
                   "mysql_native_password,client_ed25519,caching_sha2_password");
  }

  void set_protocol(bool is_path) {
    // Otherwise "localhost" stands for a Unix socket.
    const unsigned protocol = is_path ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_optionsv(connection_.get(), MYSQL_OPT_PROTOCOL, &protocol);
  }

  std::expected<void, SqlFault> set_tls(bool has_tls) {
    const my_bool is_wanted = has_tls ? 1 : 0;
    mysql_optionsv(connection_.get(), MYSQL_OPT_SSL_ENFORCE, &is_wanted);
    mysql_optionsv(connection_.get(), MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &is_wanted);
    if (!has_tls) return {};
    auto authorities = authorities_of(options_);
    if (!authorities) {
      close();
      return std::unexpected(std::move(authorities.error()));
    }
    mysql_optionsv(connection_.get(), MYSQL_OPT_SSL_CA, authorities->c_str());
    return {};
  }

  // The last statement is kept, for it mostly comes again.
  std::expected<void, SqlFault> prepare(const std::string& text) {
    if (statement_ != nullptr && statement_text_ == text) return {};
    statement_.reset(mysql_stmt_init(connection_.get()));
    statement_text_ = text;
    if (statement_ == nullptr) {
      close();
      return std::unexpected(SqlFault{.text = "there is no memory"});
    }
    if (mysql_stmt_prepare(statement_.get(), text.data(), text.size()) == 0) return {};
    auto fault = give_up(false);
    statement_.reset();
    return fault;
  }

  std::expected<SqlOutcome, SqlFault> read_outcome() {
    SqlOutcome outcome;
    const unsigned columns = mysql_stmt_field_count(statement_.get());
    if (columns == 0) {
      outcome.changed = mysql_stmt_affected_rows(statement_.get());
      return outcome;
    }
    // Without room for any value, so that the first look only tells how long each is.
    std::vector<MYSQL_BIND> binds(columns);
    std::vector<unsigned long> lengths(columns);
    std::vector<my_bool> nulls(columns);
    for (unsigned i = 0; i < columns; ++i) {
      binds[i].buffer_type = MYSQL_TYPE_STRING;
      binds[i].length = &lengths[i];
      binds[i].is_null = &nulls[i];
      outcome.table.columns.emplace_back(statement_->fields[i].name);
    }
    if (mysql_stmt_bind_result(statement_.get(), binds.data()) != 0) return give_up(true);
    for (;;) {
      const int fetched = mysql_stmt_fetch(statement_.get());
      if (fetched == MYSQL_NO_DATA) return outcome;
      if (fetched != 0 && fetched != MYSQL_DATA_TRUNCATED) return give_up(true);
      if (outcome.table.rows.size() == SqlDb::kRowsMost)
        return refuse("the answer has too many rows");
      SqlRow& row = outcome.table.rows.emplace_back();
      for (unsigned i = 0; i < columns; ++i) {
        if (nulls[i] != 0) {
          row.emplace_back();
          continue;
        }
        if (lengths[i] > SqlDb::kValueBytesMax) return refuse("a value is too long");
        auto value = read_value(i, lengths[i]);
        if (!value) return give_up(true);
        row.push_back(*std::move(value));
      }
    }
  }

  [[nodiscard]] std::optional<std::string> read_value(unsigned column, unsigned long length) {
    std::string value(length, '\0');
    MYSQL_BIND bind{};
    unsigned long written = 0;
    my_bool is_null = 0;
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = value.data();
    bind.buffer_length = value.size();
    bind.length = &written;
    bind.is_null = &is_null;
    if (length > 0 && mysql_stmt_fetch_column(statement_.get(), &bind, column, 0) != 0) {
      return std::nullopt;
    }
    return statement_->fields[column].type == MYSQL_TYPE_BIT ? bits_as_number(value) : value;
  }

  [[nodiscard]] static std::unexpected<SqlFault> refuse(std::string_view text) {
    return std::unexpected(SqlFault{.kind = SqlFault::Kind::kRefused, .text = std::string(text)});
  }

  [[nodiscard]] std::unexpected<SqlFault> give_up(bool may_have_run) {
    SqlFault fault =
        fault_of("the statement", mysql_stmt_errno(statement_.get()),
                 mysql_stmt_sqlstate(statement_.get()), mysql_stmt_error(statement_.get()));
    if (fault.kind != SqlFault::Kind::kRefused) {
      fault.may_have_run = may_have_run;
      close();
    }
    return std::unexpected(std::move(fault));
  }

  [[nodiscard]] static SqlFault fault_of(std::string_view what, unsigned code,
                                         std::string_view sqlstate, std::string_view message) {
    if (current.outcome != SqlWait::Outcome::kReady) return wait_fault(current.outcome, what);
    const bool is_lost = sqlstate.empty() || sqlstate.starts_with("08") ||
                         (code >= kClientErrorsFirst && code <= kClientErrorsLast) ||
                         std::ranges::find(kLosses, code) != kLosses.end();
    return is_lost ? SqlFault{.kind = SqlFault::Kind::kUnreachable, .text = one_line(message)}
                   : refusal(sqlstate, message);
  }

  // Without a farewell that could wait: both ends of the socket are shut first.
  void close() noexcept {
    if (connection_ != nullptr) {
      const my_socket socket = mysql_get_socket(connection_.get());
      if (socket != MARIADB_INVALID_SOCKET) ::shutdown(socket, SHUT_RDWR);
    }
    statement_.reset();
    connection_.reset();
  }

  const SqlOptions options_;
  SqlWait& wait_;
  std::unique_ptr<MYSQL, Close> connection_;
  std::unique_ptr<MYSQL_STMT, CloseStatement> statement_;  // Dies before its connection.
  std::string statement_text_;
};

}  // namespace

std::unique_ptr<SqlSession> make_mysql_session(const SqlOptions& options, SqlWait& wait) {
  return std::make_unique<MysqlSession>(options, wait);
}

}  // namespace sluice::store
