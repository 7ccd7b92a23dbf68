#include <sluice/auth/database_source.h>

#include <utility>

#include <fmt/format.h>

#include <sluice/auth/record_fields.h>
#include <sluice/base/assert.h>
#include <sluice/crypto/secret.h>
#include <sluice/io/timer.h>

namespace sluice::auth {
namespace {

constexpr size_t kColumnsMost = 64;

store::SqlDriver driver_of(const config::SqlSettings& settings) noexcept {
  return settings.driver == config::SqlDriver::kPostgres ? store::SqlDriver::kPostgres
                                                         : store::SqlDriver::kMysql;
}

store::SqlOptions options_of(const config::SqlSettings& settings) {
  return {.driver = driver_of(settings),
          .host = settings.host,
          .port = settings.port,
          .user = settings.user,
          .password = settings.password,
          .database = settings.database,
          .tls = settings.tls,
          .tls_ca_file = settings.tls_ca,
          .timeout = settings.timeout};
}

std::string hex_of(const crypto::Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

// Two rows are enough to see that there is more than one.
std::expected<std::string, std::string> statement_of(const config::SourceSettings& settings) {
  const store::SqlDriver driver = driver_of(*settings.sql);
  const auto wrong = [](std::string_view setting) {
    return std::unexpected(
        fmt::format("{} must have 1-63 letters, digits and _ $ - in each part", setting));
  };
  if (settings.columns.size() > kColumnsMost) {
    return std::unexpected(fmt::format("columns must not be more than {}", kColumnsMost));
  }
  std::string statement = settings.columns.empty() ? "SELECT *" : "SELECT ";
  for (const auto& [column, field] : settings.columns) {
    const auto quoted = store::quote_sql_name(driver, column);
    if (!quoted) return wrong("columns");
    if (statement.ends_with(' ')) {
      statement += *quoted;
    } else {
      statement += ", " + *quoted;
    }
  }
  const auto table = store::quote_sql_name(driver, settings.table);
  if (!table) return wrong("table");
  const auto key_column = store::quote_sql_name(driver, settings.key_column);
  if (!key_column) return wrong("key_column");
  return fmt::format("{} FROM {} WHERE {} = {} LIMIT 2", statement, *table, *key_column,
                     store::placeholder(driver, 1));
}

}  // namespace

// What a lane runs; the key is wiped with it.
struct DatabaseSource::Job {
  DatabaseSource& source;
  Flights::iterator flight;
  std::string key;
  crypto::Digest digest;
  Deadline deadline;

  void operator()() {
    KeyAnswer answer = source.look_up(key, digest, deadline);
    crypto::wipe(key.data(), key.size());
    source.parts_.returns.push([&of = source, at = flight, told = std::move(answer)]() mutable {
      of.land(at, std::move(told));
    });
  }
};

std::expected<std::unique_ptr<DatabaseSource>, std::string> DatabaseSource::make(
    Parts parts, config::SourceSettings settings) {
  SLUICE_ASSERT(settings.sql.has_value());
  auto db = store::make_sql_db(options_of(*settings.sql));
  return make(parts, std::move(settings), std::move(db));
}

std::expected<std::unique_ptr<DatabaseSource>, std::string> DatabaseSource::make(
    Parts parts, config::SourceSettings settings, std::unique_ptr<store::SqlDb> db) {
  auto statement = statement_of(settings);
  if (!statement) return std::unexpected(std::move(statement.error()));
  return std::unique_ptr<DatabaseSource>(
      new DatabaseSource(parts, std::move(settings), *std::move(statement), std::move(db)));
}

DatabaseSource::DatabaseSource(Parts parts, config::SourceSettings settings, std::string statement,
                               std::unique_ptr<store::SqlDb> db)
    : parts_(parts),
      settings_(std::move(settings)),
      statement_(std::move(statement)),
      db_(std::move(db)),
      emptied_(parts.ring.ready()) {}

DatabaseSource::~DatabaseSource() { SLUICE_ASSERT(flights_.empty() && !is_looking_); }

void DatabaseSource::start() {
  is_looking_ = true;
  io::start_detached(look_once());
}

Task<void> DatabaseSource::look_once() {
  const KeyQuestion question{.secret = "", .digest = {}};
  const KeyAnswer answer =
      co_await ask(question, Deadline::after(parts_.ring.now(), settings_.sql->timeout));
  if (answer.kind == KeyAnswer::Kind::kFailed && !is_ending_) {
    parts_.log.write(
        LogLevel::kWarn, "auth",
        fmt::format("{}: {}; it is asked again with the next key", settings_.name, answer.reason));
  }
  is_looking_ = false;
  if (is_ending_) emptied_.trigger();
}

Task<KeyAnswer> DatabaseSource::ask(const KeyQuestion& question, Deadline deadline) {
  if (is_ending_) co_return failed("the gateway ends");
  if (flights_.size() >= kWaitingMost) {
    co_return failed(fmt::format("{} questions wait for the database", kWaitingMost));
  }
  const auto flight = flights_.emplace(flights_.end(), parts_.ring.ready());
  const bool is_plain = settings_.key_form == config::SecretForm::kPlain;
  const bool was_taken = lane_.post(Job{.source = *this,
                                        .flight = flight,
                                        .key = is_plain ? question.secret : hex_of(question.digest),
                                        .digest = question.digest,
                                        .deadline = deadline});
  if (!was_taken) {
    forget(flight);
    co_return failed("too many questions wait for the database");
  }
  io::Timer timer(parts_.ring.ready(), parts_.ring.timers());
  timer.set(deadline);
  co_await io::first_of(&flight->landed, &timer);
  if (!flight->landed.is_ready()) {
    flight->is_left = true;
    co_return failed("the database had no answer in time");
  }
  KeyAnswer answer = *std::move(flight->answer);
  forget(flight);
  co_return answer;
}

Task<void> DatabaseSource::end() {
  is_ending_ = true;
  db_->interrupt();
  while (!flights_.empty() || is_looking_) {
    emptied_.reset();
    co_await io::first_of(&emptied_);
  }
}

void DatabaseSource::land(Flights::iterator flight, KeyAnswer answer) {
  if (flight->is_left) return forget(flight);
  flight->answer = std::move(answer);
  flight->landed.trigger();
}

void DatabaseSource::forget(Flights::iterator flight) {
  flights_.erase(flight);
  if (is_ending_ && flights_.empty()) emptied_.trigger();
}

KeyAnswer DatabaseSource::failed(std::string_view cause) const {
  return {.kind = KeyAnswer::Kind::kFailed, .reason = std::string(cause)};
}

KeyAnswer DatabaseSource::look_up(const std::string& key, const crypto::Digest& digest,
                                  Deadline deadline) const {
  std::vector<store::SqlText> parameters = {key};
  auto rows = db_->query(statement_, parameters, deadline);
  crypto::wipe(parameters[0]->data(), parameters[0]->size());
  if (!rows) return failed(rows.error().text);
  if (rows->rows.empty()) return {.kind = KeyAnswer::Kind::kNotFound};
  if (rows->rows.size() > 1) return failed("several rows have this key; make its column unique");
  return read(*rows, digest);
}

KeyAnswer DatabaseSource::read(const store::SqlTable& found, const crypto::Digest& digest) const {
  RecordFields fields(settings_.name, digest);
  const store::SqlRow& row = found.rows.front();
  for (size_t i = 0; i < row.size(); ++i) {
    if (!row[i]) continue;
    const std::string& column = found.columns[i];
    // The key column may be called as a field is, without being it.
    if (settings_.columns.empty() && column == settings_.key_column) continue;
    const std::string& field = settings_.columns.empty() ? column : settings_.columns[i].second;
    if (const auto set = fields.set(field, *row[i]); !set) {
      return failed(fmt::format("column {}: {}", column, set.error()));
    }
  }
  auto record = fields.finish();
  if (!record) return failed(record.error());
  return {.kind = KeyAnswer::Kind::kFound, .record = *std::move(record)};
}

}  // namespace sluice::auth
