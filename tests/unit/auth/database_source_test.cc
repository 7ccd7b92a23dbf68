#include <sluice/auth/database_source.h>

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>

#include <sluice/io/uring_kernel.h>

#include "fake_key_fetch.h"

namespace sluice::auth {
namespace {

using Kind = KeyAnswer::Kind;
using store::SqlFault;
using store::SqlRow;
using store::SqlText;

// Used by the lane while it runs, by the test before and after.
struct Table {
  std::expected<std::vector<SqlRow>, SqlFault> answer;
  std::vector<std::string> columns = {"key_id", "team", "off"};
  std::string statement;
  std::vector<SqlText> parameters;
  std::atomic<int> questions = 0;
  std::atomic<bool> hangs = false;  // Until interrupt().
  std::counting_semaphore<> interrupted{0};
};

class FakeSqlDb final : public store::SqlDb {
 public:
  explicit FakeSqlDb(Table& table) : table_(table) {}
  std::expected<store::SqlTable, SqlFault> query(const std::string& statement,
                                                 std::span<const SqlText> parameters,
                                                 Deadline) override {
    ++table_.questions;
    table_.statement = statement;
    table_.parameters.assign(parameters.begin(), parameters.end());
    if (table_.hangs) {
      table_.interrupted.acquire();
      table_.interrupted.release();
      return std::unexpected(SqlFault{.kind = SqlFault::Kind::kInterrupted, .text = "given up"});
    }
    if (!table_.answer) return std::unexpected(table_.answer.error());
    return store::SqlTable{.columns = table_.columns, .rows = *table_.answer};
  }
  std::expected<uint64_t, SqlFault> execute(const std::string&, std::span<const SqlText>,
                                            Deadline) override {
    return 0;
  }
  void interrupt() noexcept override { table_.interrupted.release(); }

 private:
  Table& table_;
};

class ReturnsHook final : public io::TurnHook {
 public:
  explicit ReturnsHook(io::OffloadReturns& returns) noexcept : returns_(returns) {}
  [[nodiscard]] bool has_work() const noexcept override { return returns_.has_work(); }
  void run() override { returns_.run(); }

 private:
  io::OffloadReturns& returns_;
};

class DatabaseSourceTest : public testing::Test {
 protected:
  DatabaseSourceTest() {
    ring_.set_hook(hook_);
    settings_.kind = config::SourceKind::kDatabase;
    settings_.name = "accounts";
    settings_.sql = config::SqlSettings{.host = "db.example"};
    settings_.table = "app.api_keys";
    settings_.key_column = "hash";
    settings_.columns = {{"key_id", "id"}, {"team", "team"}, {"off", "blocked"}};
    table_.answer = std::vector<SqlRow>{};
  }
  ~DatabaseSourceTest() override { end(); }

  [[nodiscard]] auto try_make() {
    return DatabaseSource::make({.ring = ring_, .returns = returns_, .log = log_}, settings_,
                                std::make_unique<FakeSqlDb>(table_));
  }
  void make() {
    auto made = try_make();
    ASSERT_TRUE(made) << made.error();
    source_ = *std::move(made);
  }
  Task<void> put(KeyQuestion question, Deadline deadline, std::vector<KeyAnswer>* out) {
    KeyAnswer answer = co_await source_->ask(question, deadline);
    out->push_back(std::move(answer));
  }
  KeyAnswer ask(const std::string& secret = "sk-1", Duration patience = seconds(20)) {
    if (source_ == nullptr) make();
    std::vector<KeyAnswer> answers;
    io::start_detached(put({.secret = secret, .digest = crypto::sha256(secret)},
                           Deadline::after(ring_.now(), patience), &answers));
    while (answers.empty()) ring_.turn(false);
    return answers.front();
  }
  Task<void> end_source(bool* is_done) {
    co_await source_->end();
    *is_done = true;
  }
  void end() {
    if (source_ == nullptr) return;
    bool is_done = false;
    io::start_detached(end_source(&is_done));
    while (!is_done) ring_.turn(false);
    source_.reset();
  }

  io::SystemSyscalls syscalls_;
  SystemClock clock_;
  std::unique_ptr<io::Kernel> kernel_ =
      io::open_uring_kernel({.submissions = 8, .completions = 64, .buffers_most = 64}).value();
  io::Ring ring_{*kernel_, syscalls_, clock_, {.hot = 64, .most = 64}};
  io::OffloadReturns returns_{ring_};
  ReturnsHook hook_{returns_};
  support::KeptLines log_;
  Table table_;
  config::SourceSettings settings_;
  std::unique_ptr<DatabaseSource> source_;
};

TEST_F(DatabaseSourceTest, a_row_is_a_key) {
  table_.answer = {{"7", "blue", "false"}};
  const KeyAnswer answer = ask();
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_EQ(answer.record.id, "accounts:7");
  EXPECT_EQ(answer.record.team, "blue");
  EXPECT_FALSE(answer.record.is_blocked);
  EXPECT_EQ(answer.record.digest, crypto::sha256("sk-1"));
  EXPECT_EQ(table_.statement,
            R"(SELECT "key_id", "team", "off" FROM "app"."api_keys" WHERE "hash" = $1 LIMIT 2)");
  EXPECT_EQ(
      table_.parameters,
      std::vector<SqlText>{"0f2c10bf3d128c719c6bfa4ecbae94b7fceebaea6e4438fef38a90e5acc326f3"});
}

TEST_F(DatabaseSourceTest, d131_mysql_has_its_own_marks) {
  settings_.sql->driver = config::SqlDriver::kMysql;
  settings_.key_form = config::SecretForm::kPlain;
  EXPECT_EQ(ask("sk-plain").kind, Kind::kNotFound);
  EXPECT_EQ(table_.statement,
            "SELECT `key_id`, `team`, `off` FROM `app`.`api_keys` WHERE `hash` = ? LIMIT 2");
  EXPECT_EQ(table_.parameters, std::vector<SqlText>{"sk-plain"});
}

TEST_F(DatabaseSourceTest, without_columns_all_are_fields_by_their_names) {
  settings_.columns.clear();
  settings_.key_column = "id";
  table_.columns = {"id", "team", "blocked", "shoe_size"};
  table_.answer = {{"x", "blue", "true", "43"}};
  const KeyAnswer answer = ask();
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_TRUE(table_.statement.starts_with("SELECT * FROM ")) << table_.statement;
  EXPECT_EQ(answer.record.team, "blue");
  EXPECT_TRUE(answer.record.is_blocked);
  EXPECT_NE(answer.record.id, "accounts:x");
}

TEST_F(DatabaseSourceTest, a_blocked_row_is_found_and_blocked) {
  table_.answer = {{"7", std::nullopt, "1"}};
  const KeyAnswer answer = ask();
  ASSERT_EQ(answer.kind, Kind::kFound);
  EXPECT_TRUE(answer.record.is_blocked);
  EXPECT_EQ(answer.record.team, "");
}

TEST_F(DatabaseSourceTest, two_rows_of_one_key_are_a_failure) {
  table_.answer = {{"7", "blue", "0"}, {"8", "red", "0"}};
  EXPECT_EQ(ask().kind, Kind::kFailed);
}

TEST_F(DatabaseSourceTest, a_value_that_makes_no_sense_is_a_failure_that_names_its_column) {
  table_.answer = {{"7", "blue", "perhaps"}};
  const KeyAnswer answer = ask();
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_NE(answer.reason.find("column off"), std::string::npos);
  EXPECT_EQ(answer.reason.find("perhaps"), std::string::npos);
}

TEST_F(DatabaseSourceTest, a_fault_of_the_database_is_a_failure_with_its_cause) {
  table_.answer = std::unexpected(SqlFault{.text = "no route to it"});
  const KeyAnswer answer = ask();
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason, "no route to it");
}

TEST_F(DatabaseSourceTest, who_asks_leaves_at_the_deadline_and_the_rest_is_refused) {
  table_.hangs = true;
  EXPECT_EQ(ask("sk-1", milliseconds(2)).reason, "the database had no answer in time");
  std::vector<KeyAnswer> answers;
  for (size_t i = 1; i < DatabaseSource::kWaitingMost; ++i) {
    io::start_detached(put({.secret = "a", .digest = {}}, Deadline::never(), &answers));
  }
  EXPECT_TRUE(answers.empty());
  const KeyAnswer refused = ask();
  EXPECT_EQ(refused.kind, Kind::kFailed);
  EXPECT_NE(refused.reason.find("256"), std::string::npos);
  end();
  EXPECT_EQ(answers.size(), DatabaseSource::kWaitingMost - 1);
  for (const KeyAnswer& answer : answers) EXPECT_EQ(answer.kind, Kind::kFailed);
}

TEST_F(DatabaseSourceTest, a_table_that_is_not_as_configured_is_told_at_the_start) {
  table_.answer = std::unexpected(SqlFault{.text = "relation absent"});
  make();
  source_->start();
  while (log_.lines.empty()) ring_.turn(false);
  EXPECT_NE(log_.lines[0].find("accounts: relation absent"), std::string::npos);
}

TEST_F(DatabaseSourceTest, the_end_comes_while_the_first_look_hangs) {
  table_.hangs = true;
  make();
  source_->start();
  while (table_.questions == 0) ring_.turn(false);
  end();
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(DatabaseSourceTest, names_that_are_no_names_are_refused) {
  const auto error_with = [&](auto change) {
    const config::SourceSettings kept = settings_;
    change(settings_);
    auto made = try_make();
    settings_ = kept;
    return made ? "" : made.error();
  };
  using S = config::SourceSettings;
  EXPECT_NE(error_with([](S& s) { s.table = "t; DROP TABLE t"; }).find("table"), std::string::npos);
  EXPECT_NE(error_with([](S& s) { s.key_column = "a\" = '' OR \"a"; }).find("key_column"),
            std::string::npos);
  EXPECT_NE(error_with([](S& s) { s.columns[1].first = "*"; }).find("columns"), std::string::npos);
  EXPECT_NE(error_with([](S& s) { s.columns.assign(65, {"a", "id"}); }).find("columns"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::auth
