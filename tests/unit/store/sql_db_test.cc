#include <sluice/store/sql_db.h>

#include <gtest/gtest.h>

#include <deque>

#include "sql_session.h"

namespace sluice::store {
namespace {

using Kind = SqlFault::Kind;

struct Script {
  bool is_connected = false;
  std::deque<std::expected<void, SqlFault>> connects;
  std::deque<std::expected<SqlOutcome, SqlFault>> runs;
  std::vector<std::string> calls;
  MonoTime until;
};

class ScriptedSession final : public SqlSession {
 public:
  explicit ScriptedSession(Script& script) : script_(script) {}
  bool is_connected() noexcept override { return script_.is_connected; }
  std::expected<void, SqlFault> connect(MonoTime until) override {
    script_.calls.emplace_back("connect");
    script_.until = until;
    std::expected<void, SqlFault> made;
    if (!script_.connects.empty()) {
      made = script_.connects.front();
      script_.connects.pop_front();
    }
    script_.is_connected = made.has_value();
    return made;
  }
  std::expected<SqlOutcome, SqlFault> run(const std::string& statement, std::span<const SqlText>,
                                          MonoTime until) override {
    script_.calls.push_back(statement);
    script_.until = until;
    auto outcome = script_.runs.front();
    script_.runs.pop_front();
    if (!outcome && outcome.error().kind != Kind::kRefused) script_.is_connected = false;
    return outcome;
  }

 private:
  Script& script_;
};

std::unexpected<SqlFault> fault(Kind kind, bool may_have_run = false) {
  return std::unexpected(SqlFault{.kind = kind, .may_have_run = may_have_run, .text = "t"});
}

SqlOutcome one_row() {
  return {.table = {.columns = {"c", "d"}, .rows = {{"a", std::nullopt}}}, .changed = 3};
}

class SqlDbTest : public ::testing::Test {
 protected:
  Script script_;
  std::unique_ptr<SqlDb> db_ = make_sql_db(std::make_unique<SqlWait>(),
                                           std::make_unique<ScriptedSession>(script_), seconds(5));
  using Calls = std::vector<std::string>;
};

TEST_F(SqlDbTest, the_first_statement_connects_and_the_next_does_not) {
  script_.runs = {one_row(), one_row()};
  const auto rows = db_->query("q", {}, Deadline::never());
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->rows, (std::vector<SqlRow>{{"a", std::nullopt}}));
  EXPECT_EQ(rows->columns, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(db_->execute("e", {}, Deadline::never()), 3u);
  EXPECT_EQ(script_.calls, (Calls{"connect", "q", "e"}));
}

TEST_F(SqlDbTest, a_query_that_meets_a_dead_connection_is_sent_once_more) {
  script_.is_connected = true;
  script_.runs = {fault(Kind::kUnreachable, true), one_row()};
  EXPECT_TRUE(db_->query("q", {}, Deadline::never()));
  EXPECT_EQ(script_.calls, (Calls{"q", "connect", "q"}));
}

TEST_F(SqlDbTest, a_query_that_a_new_connection_loses_has_failed) {
  script_.runs = {fault(Kind::kUnreachable, true)};
  const auto rows = db_->query("q", {}, Deadline::never());
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().kind, Kind::kUnreachable);
  EXPECT_EQ(script_.calls, (Calls{"connect", "q"}));
}

TEST_F(SqlDbTest, a_change_is_never_sent_twice) {
  script_.is_connected = true;
  script_.runs = {fault(Kind::kUnreachable, true)};
  const auto changed = db_->execute("e", {}, Deadline::never());
  ASSERT_FALSE(changed);
  EXPECT_TRUE(changed.error().may_have_run);
  EXPECT_EQ(script_.calls, (Calls{"e"}));
}

TEST_F(SqlDbTest, what_the_server_refuses_is_not_sent_again) {
  script_.is_connected = true;
  script_.runs = {fault(Kind::kRefused)};
  EXPECT_FALSE(db_->query("q", {}, Deadline::never()));
  EXPECT_EQ(script_.calls, (Calls{"q"}));
}

TEST_F(SqlDbTest, nothing_is_sent_after_the_deadline) {
  const auto rows = db_->query("q", {}, Deadline{MonoTime{}});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().kind, Kind::kTimeout);
  EXPECT_TRUE(script_.calls.empty());
}

TEST_F(SqlDbTest, the_sooner_of_timeout_and_deadline_ends_a_statement) {
  script_.is_connected = true;
  script_.runs = {one_row(), one_row()};
  SystemClock clock;
  const MonoTime before = clock.now();
  ASSERT_TRUE(db_->query("q", {}, Deadline::never()));
  EXPECT_GE(script_.until, before + seconds(5));
  EXPECT_LE(script_.until, clock.now() + seconds(5));
  ASSERT_TRUE(db_->query("q", {}, Deadline{before + seconds(4)}));
  EXPECT_EQ(script_.until, before + seconds(4));
}

TEST_F(SqlDbTest, an_interrupted_one_sends_nothing_any_more) {
  db_->interrupt();
  const auto rows = db_->query("q", {}, Deadline::never());
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().kind, Kind::kInterrupted);
  EXPECT_TRUE(script_.calls.empty());
}

TEST(SqlText, d131_placeholders_are_those_of_the_driver) {
  EXPECT_EQ(placeholder(SqlDriver::kPostgres, 2), "$2");
  EXPECT_EQ(placeholder(SqlDriver::kMysql, 2), "?");
  EXPECT_EQ(placeholder_rows(SqlDriver::kPostgres, 2, 2), "($1, $2), ($3, $4)");
  EXPECT_EQ(placeholder_rows(SqlDriver::kMysql, 2, 3), "(?, ?, ?), (?, ?, ?)");
}

TEST(SqlText, names_are_quoted_part_by_part) {
  EXPECT_EQ(quote_sql_name(SqlDriver::kPostgres, "app.api_keys"), "\"app\".\"api_keys\"");
  EXPECT_EQ(quote_sql_name(SqlDriver::kMysql, "order"), "`order`");
}

TEST(SqlText, a_name_that_could_be_more_than_a_name_is_none) {
  for (const auto* name : {"", ".", "a.", ".a", "a..b", "a b", "a\"b", "a`b", "a;b", "a'b", "a(b)",
                           "a\nb", "\xc3\xa4", "a\\b"}) {
    EXPECT_FALSE(quote_sql_name(SqlDriver::kPostgres, name)) << name;
    EXPECT_FALSE(quote_sql_name(SqlDriver::kMysql, name)) << name;
  }
  EXPECT_TRUE(quote_sql_name(SqlDriver::kMysql, std::string(63, 'a')));
  EXPECT_FALSE(quote_sql_name(SqlDriver::kMysql, std::string(64, 'a')));
}

TEST(SqlText, the_words_of_a_refusal_are_quoted_only_where_they_hold_no_value) {
  EXPECT_NE(refusal("42P01", "relation \"k\" does not exist").text.find("\"k\" does not exist"),
            std::string::npos);
  for (const auto* state : {"22P02", "23505", "HY000", "XX000", ""}) {
    EXPECT_EQ(refusal(state, "bad value sk-secret").text.find("sk-secret"), std::string::npos);
  }
}

TEST(SqlText, a_message_becomes_one_short_line) {
  EXPECT_EQ(one_line("a\n\tb.\n"), "a b");
  EXPECT_EQ(one_line(std::string(1000, 'x')).size(), 300u);
}

TEST(SqlText, a_file_of_authorities_that_cannot_be_read_is_told) {
  SqlOptions options{.tls_ca_file = "/nonexistent/ca.pem"};
  const auto file = authorities_of(options);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().text, "/nonexistent/ca.pem cannot be read");
}

}  // namespace
}  // namespace sluice::store
