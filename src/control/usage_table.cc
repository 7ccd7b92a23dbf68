#include "usage_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/telemetry/time_text.h>

namespace sluice::control {
namespace {

using store::SqlDriver;
using store::SqlText;

SqlDriver driver_of(config::SqlDriver driver) noexcept {
  return driver == config::SqlDriver::kMysql ? SqlDriver::kMysql : SqlDriver::kPostgres;
}

// "2026-11-27T00:00:00.000000Z" for PostgreSQL; MySQL knows neither the T nor the Z.
std::string time_of(SqlDriver driver, WallTime time) {
  std::array<char, telemetry::kTimeTextBytes> text;
  const char* const end = telemetry::write_time(text.data(), time);
  std::string value(text.data(), static_cast<size_t>(end - text.data()));
  if (driver == SqlDriver::kPostgres) return value;
  value.pop_back();
  value[value.find('T')] = ' ';
  return value;
}

std::string truth_of(SqlDriver driver, bool value) {
  if (driver == SqlDriver::kPostgres) return value ? "true" : "false";
  return value ? "1" : "0";
}

SqlText text_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

SqlText number_of(const std::optional<uint64_t>& number) {
  if (!number) return std::nullopt;
  return std::to_string(*number);
}

}  // namespace

std::string usage_insert(SqlDriver driver, std::string_view quoted_table, size_t rows) {
  std::string columns;
  for (const std::string_view column : kUsageTableColumns) {
    columns += columns.empty() ? "" : ", ";
    columns += store::quote_sql_name(driver, column).value_or("");
  }
  const bool is_mysql = driver == SqlDriver::kMysql;
  return fmt::format("INSERT INTO {} ({}) VALUES {} {}", quoted_table, columns,
                     store::placeholder_rows(driver, rows, kUsageTableColumns.size()),
                     is_mysql ? "ON DUPLICATE KEY UPDATE `id` = `id`" : "ON CONFLICT DO NOTHING");
}

std::vector<SqlText> usage_values(SqlDriver driver, std::span<const UsageRow> rows) {
  std::vector<SqlText> values;
  values.reserve(rows.size() * kUsageTableColumns.size());
  for (const UsageRow& row : rows) {
    values.emplace_back(row.id);
    values.push_back(text_of(row.request_id));
    values.emplace_back(time_of(driver, row.began));
    values.emplace_back(time_of(driver, row.at));
    for (const std::string* text :
         {&row.key, &row.tenant, &row.organisation, &row.team, &row.user, &row.model,
          &row.served_model, &row.deployment, &row.endpoint}) {
      values.push_back(text_of(*text));
    }
    values.emplace_back(std::to_string(row.status));
    values.push_back(text_of(row.error));
    values.emplace_back(truth_of(driver, row.is_stream));
    values.emplace_back(truth_of(driver, row.is_partial));
    values.emplace_back(row.source);
    for (const std::optional<uint64_t>* number :
         {&row.input_tokens, &row.output_tokens, &row.cached_tokens, &row.reasoning_tokens,
          &row.micro_dollars, &row.duration_us, &row.ttft_us}) {
      values.push_back(number_of(*number));
    }
  }
  return values;
}

UsageResult<std::unique_ptr<UsageTarget>> UsageTable::make(const config::ReporterSettings& settings,
                                                           io::Ring& ring,
                                                           io::OffloadReturns& returns) {
  if (!settings.sql) return std::unexpected("a database reporter needs the section `database`");
  const config::SqlSettings& sql = *settings.sql;
  const SqlDriver driver = driver_of(sql.driver);
  auto table = store::quote_sql_name(driver, settings.table);
  if (!table) {
    return std::unexpected(
        fmt::format("table {}: is no name of a table, such as sluice_usage", settings.table));
  }
  auto db = store::make_sql_db({.driver = driver,
                                .host = sql.host,
                                .port = sql.port,
                                .user = sql.user,
                                .password = sql.password,
                                .database = sql.database,
                                .tls = sql.tls,
                                .tls_ca_file = sql.tls_ca,
                                .timeout = sql.timeout});
  return std::make_unique<UsageTable>(std::move(db), driver, std::move(*table), ring, returns);
}

UsageTable::UsageTable(std::unique_ptr<store::SqlDb> db, SqlDriver driver, std::string quoted_table,
                       io::Ring& ring, io::OffloadReturns& returns)
    : db_(std::move(db)),
      driver_(driver),
      table_(std::move(quoted_table)),
      ring_(ring),
      returns_(returns),
      done_(ring.ready()),
      is_idle_(ring.ready()) {}

UsageResult<void> UsageTable::insert(const std::vector<UsageRow>& rows, Deadline deadline) {
  std::span<const UsageRow> rest(rows);
  while (!rest.empty()) {
    const auto now = rest.first(std::min(rest.size(), kRowsMost));
    rest = rest.subspan(now.size());
    const auto done = db_->execute(usage_insert(driver_, table_, now.size()),
                                   usage_values(driver_, now), deadline);
    if (!done) return std::unexpected(done.error().text);
  }
  return {};
}

// A call that outlives its deadline goes on in the lane; its rows then come once more, and are
// passed over by their ids.
Task<UsageResult<void>> UsageTable::deliver(const std::vector<UsageRow>& rows, Deadline deadline) {
  if (is_running_) co_return std::unexpected("the database has not answered the call before");
  rows_ = rows;
  done_.reset();
  is_running_ = lane_->post([this, deadline] {
    auto result = insert(rows_, deadline);
    returns_.push([this, result = std::move(result)] {
      result_ = result;
      is_running_ = false;
      done_.trigger();
      is_idle_.trigger();
    });
  });
  if (!is_running_) co_return std::unexpected("the database's lane is full");
  io::Timer patience(ring_.ready(), ring_.timers());
  patience.set(deadline);
  co_await io::first_of(&done_, &patience);
  if (!done_.is_ready()) co_return std::unexpected("the database did not answer in time");
  co_return result_;
}

Task<void> UsageTable::end() {
  db_->interrupt();
  io::Timer patience(ring_.ready(), ring_.timers());
  patience.set(Deadline{ring_.now() + kEndTime});
  while (is_running_ && !patience.is_ready()) {
    is_idle_.reset();
    co_await io::first_of(&is_idle_, &patience);
  }
}

}  // namespace sluice::control
