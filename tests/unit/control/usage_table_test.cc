#include "usage_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <sluice/control/run_to_end.h>

#include "../store/lane_world.h"
#include "usage_records.h"

namespace sluice::control {
namespace {

using store::SqlDriver;
using store::SqlFault;
using store::SqlText;

// Counts rows; hangs until it is interrupted, when told so.
class FakeDb final : public store::SqlDb {
 public:
  [[nodiscard]] std::expected<store::SqlTable, SqlFault> query(const std::string&,
                                                               std::span<const SqlText>,
                                                               Deadline) override {
    return std::unexpected(SqlFault{});
  }
  [[nodiscard]] std::expected<uint64_t, SqlFault> execute(const std::string& statement,
                                                          std::span<const SqlText> parameters,
                                                          Deadline) override {
    statements.push_back(statement);
    while (hangs && !is_interrupted) std::this_thread::yield();
    if (fails || is_interrupted) {
      return std::unexpected(SqlFault{.text = "no connection to the database"});
    }
    return rows += parameters.size() / kUsageTableColumns.size();
  }
  void interrupt() noexcept override { is_interrupted = true; }

  std::vector<std::string> statements;
  uint64_t rows = 0;
  std::atomic<bool> hangs{false};
  std::atomic<bool> fails{false};
  std::atomic<bool> is_interrupted{false};
};

UsageRow row() {
  UsageRow row;
  row.id = "7-1";
  row.request_id = "req_1";
  row.began = WallTime{kUsageEpoch};
  row.at = WallTime{kUsageEpoch + 250'000};
  row.key = "app";
  row.endpoint = "/v1/embeddings";
  row.status = 200;
  row.is_partial = true;
  row.source = "reported";
  row.input_tokens = 10;
  return row;
}

TEST(UsageTable, statement_names_its_columns_and_passes_over_what_is_there) {
  const std::string postgres = usage_insert(SqlDriver::kPostgres, "\"t\"", 2);
  EXPECT_TRUE(postgres.starts_with("INSERT INTO \"t\" (\"id\", \"request_id\", \"began\""))
      << postgres;
  EXPECT_TRUE(postgres.ends_with("$50) ON CONFLICT DO NOTHING")) << postgres;
  const std::string mysql = usage_insert(SqlDriver::kMysql, "`t`", 1);
  EXPECT_TRUE(mysql.contains("`ttft_us`) VALUES (?, ?")) << mysql;
  EXPECT_TRUE(mysql.ends_with("ON DUPLICATE KEY UPDATE `id` = `id`")) << mysql;
}

TEST(UsageTable, values_are_in_the_order_of_the_columns_and_absent_ones_null) {
  const std::vector<UsageRow> rows = {row(), row()};
  const auto values = usage_values(SqlDriver::kPostgres, rows);
  ASSERT_EQ(values.size(), 2 * kUsageTableColumns.size());
  const auto value = [&values](std::string_view name) {
    const auto* const place = std::ranges::find(kUsageTableColumns, name);
    return values[static_cast<size_t>(place - kUsageTableColumns.begin())];
  };
  EXPECT_EQ(value("id"), "7-1");
  EXPECT_EQ(value("began"), "2026-11-27T00:00:00.000000Z");
  EXPECT_EQ(value("key"), "app");
  EXPECT_EQ(value("team"), std::nullopt);
  EXPECT_EQ(value("endpoint"), "/v1/embeddings");
  EXPECT_EQ(value("status"), "200");
  EXPECT_EQ(value("error"), std::nullopt);
  EXPECT_EQ(value("stream"), "false");
  EXPECT_EQ(value("partial"), "true");
  EXPECT_EQ(value("source"), "reported");
  EXPECT_EQ(value("input_tokens"), "10");
  EXPECT_EQ(value("ttft_us"), std::nullopt);
  const auto mysql = usage_values(SqlDriver::kMysql, rows);
  EXPECT_EQ(mysql[3], "2026-11-27 00:00:00.250000");
  EXPECT_EQ(mysql[16], "1");
}

class UsageTableTest : public testing::Test, public io::TurnHook {
 protected:
  UsageTableTest() {
    auto db = std::make_unique<FakeDb>();
    db_ = db.get();
    table_.emplace(std::move(db), SqlDriver::kPostgres, "\"t\"", world_.ring, world_.returns);
    world_.ring.set_hook(*this);
  }
  ~UsageTableTest() override {
    run_to_end(world_.ring, table_->end());
    EXPECT_FALSE(table_->is_hanging());
    table_.reset();
    world_.ring.clear_hook();
  }
  [[nodiscard]] bool has_work() const noexcept override { return returns_.has_work(); }
  void run() override { world_.returns.run(); }

  Task<void> deliver_task(const std::vector<UsageRow>* rows, Duration patience,
                          UsageResult<void>* out) {
    auto result = co_await table_->deliver(*rows, Deadline{world_.ring.now() + patience});
    *out = std::move(result);
  }
  UsageResult<void> deliver(size_t count, Duration patience = seconds(100)) {
    const std::vector<UsageRow> rows(count, row());
    UsageResult<void> result;
    run_to_end(world_.ring, deliver_task(&rows, patience, &result));
    return result;
  }

  store::LaneWorld world_;
  io::OffloadReturns& returns_ = world_.returns;
  std::optional<UsageTable> table_;
  FakeDb* db_ = nullptr;
};

TEST_F(UsageTableTest, large_batch_goes_in_several_statements) {
  ASSERT_TRUE(deliver(2 * UsageTable::kRowsMost + 1));
  EXPECT_EQ(db_->statements.size(), 3u);
  EXPECT_EQ(db_->rows, 2 * UsageTable::kRowsMost + 1);
}

TEST_F(UsageTableTest, failure_is_told_and_the_next_call_may_do_better) {
  db_->fails = true;
  const auto taken = deliver(1);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error(), "no connection to the database");
  db_->fails = false;
  EXPECT_TRUE(deliver(1));
}

TEST_F(UsageTableTest, d071_database_that_hangs_is_left_at_the_deadline) {
  db_->hangs = true;
  const auto taken = deliver(1, milliseconds(20));
  ASSERT_FALSE(taken);
  EXPECT_TRUE(taken.error().contains("did not answer in time")) << taken.error();
  EXPECT_TRUE(table_->is_hanging());
  const auto next = deliver(1);
  ASSERT_FALSE(next);
  EXPECT_TRUE(next.error().contains("not answered the call before")) << next.error();
}

TEST(UsageTable, settings_that_name_no_table_are_refused) {
  store::LaneWorld world;
  config::ReporterSettings settings{.kind = config::ReporterSettings::Kind::kDatabase,
                                    .sql = config::SqlSettings{},
                                    .table = "usage; DROP TABLE keys"};
  const auto made = UsageTable::make(settings, world.ring, world.returns);
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().contains("is no name of a table")) << made.error();
}

}  // namespace
}  // namespace sluice::control
