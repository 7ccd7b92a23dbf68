#include <sluice/store/sqlite_db.h>

#include <sys/stat.h>

#include <fstream>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "sim_clock.h"
#include "sqlite_folder.h"

namespace sluice::store {
namespace {

const SqliteOptions kQuick{.busy_wait = milliseconds(1)};

std::unique_ptr<SqliteDb> opened(const SqliteFolder& folder,
                                 const SqliteOptions& options = kQuick) {
  auto db = SqliteDb::open(folder.file(), options);
  EXPECT_TRUE(db) << db.error().text;
  return db ? std::move(*db) : nullptr;
}

std::unique_ptr<SqliteDb> with_table(const SqliteFolder& folder,
                                     const SqliteOptions& options = kQuick) {
  auto db = opened(folder, options);
  EXPECT_TRUE(
      db->run_all("CREATE TABLE things(id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
                  "CREATE TABLE parts(of INTEGER REFERENCES things(id)); -- The end."));
  return db;
}

TEST(SqliteDb, values_come_back_as_they_went_in) {
  const SqliteFolder folder;
  const auto db = opened(folder);
  ASSERT_TRUE(db->run("CREATE TABLE t(a, b, c, d, e, f)"));
  const std::vector<uint8_t> bytes = {0, 1, 255};
  const auto changed =
      db->run("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)",
              {std::numeric_limits<int64_t>::min(), 0.1, std::string_view("a\0b", 3),
               SqliteBytes(bytes), std::monostate{}, std::string_view{}});
  ASSERT_TRUE(changed) << changed.error().text;
  EXPECT_EQ(*changed, 1u);
  EXPECT_EQ(db->last_row_id(), 1);
  auto rows = db->query("SELECT * FROM t");
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->next(), true);
  EXPECT_EQ(rows->integer(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows->real(1), 0.1);
  EXPECT_EQ(rows->text(2), std::string_view("a\0b", 3));
  EXPECT_TRUE(std::ranges::equal(rows->bytes(3), bytes));
  EXPECT_TRUE(rows->is_null(4));
  EXPECT_EQ(rows->text(4), "");
  EXPECT_FALSE(rows->is_null(5));
  EXPECT_EQ(rows->next(), false);
}

TEST(SqliteDb, files_are_for_their_owner_alone_and_the_log_is_written_ahead) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  for (const char* const suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat status{};
    ASSERT_EQ(::stat((folder.file() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777u, 0600u) << suffix;
  }
  EXPECT_EQ(db->integer_of("PRAGMA synchronous"), 2);
  EXPECT_EQ(db->integer_of("PRAGMA foreign_keys"), 1);
  EXPECT_EQ(*db->bytes() % 4096, 0u);
}

TEST(SqliteDb, a_statement_can_run_within_itself) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('a'), ('b'), ('c')"));
  constexpr std::string_view kSelect = "SELECT name FROM things ORDER BY id";
  std::string all;
  auto outer = db->query(kSelect);
  while (*outer->next()) {
    all += outer->text(0);
    auto inner = db->query(kSelect);
    while (*inner->next()) all += inner->text(0);
  }
  EXPECT_EQ(all, "aabcbabccabc");
}

TEST(SqliteDb, more_statements_than_are_kept_all_run) {
  const SqliteFolder folder;
  const auto db = opened(folder);
  for (size_t i = 0; i < 2 * SqliteDb::kStatementsKept; ++i) {
    EXPECT_EQ(db->integer_of("SELECT " + std::to_string(i)), static_cast<int64_t>(i));
    EXPECT_EQ(db->integer_of("SELECT ?", {static_cast<int64_t>(i)}), static_cast<int64_t>(i));
  }
}

TEST(SqliteDb, a_transaction_that_is_not_committed_never_was) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  {
    auto transaction = db->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('a')"));
  }
  EXPECT_EQ(db->integer_of("SELECT count(*) FROM things"), 0);
  {
    auto transaction = db->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('a')"));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(db->integer_of("SELECT count(*) FROM things"), 1);
}

TEST(SqliteDb, a_broken_rule_names_its_column_and_no_value) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES (?)", {std::string_view("s3cret")}));
  const auto twice = db->run("INSERT INTO things(name) VALUES (?)", {std::string_view("s3cret")});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().fault, SqliteFault::kConstraint);
  EXPECT_EQ(twice.error().text, folder.file() + ": UNIQUE constraint failed: things.name");
  const auto orphan = db->run("INSERT INTO parts VALUES (77)");
  ASSERT_FALSE(orphan);
  EXPECT_EQ(orphan.error().fault, SqliteFault::kConstraint);
}

TEST(SqliteDb, a_second_process_is_refused_until_the_first_has_ended) {
  const SqliteFolder folder;
  auto db = with_table(folder);
  const auto tries = [&] {
    const auto second = SqliteDb::open(folder.file(), kQuick);
    if (second) return 0;
    const std::string pid = std::to_string(::getppid());
    const bool is_named =
        second.error().text.find("in use by the process " + pid) != std::string::npos;
    return second.error().fault == SqliteFault::kLocked && is_named ? 1 : 2;
  };
  EXPECT_EQ(exit_of_child(false, tries), 1);
  db.reset();
  EXPECT_EQ(exit_of_child(false, tries), 0);
}

TEST(SqliteDb, a_reader_beside_the_writer_sees_what_is_committed_and_changes_nothing) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('a')"));
  const auto reader = opened(folder, {.is_exclusive = false, .is_read_only = true});
  ASSERT_NE(reader, nullptr);
  auto transaction = db->begin();
  ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('b')"));
  EXPECT_EQ(reader->integer_of("SELECT count(*) FROM things"), 1);
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(reader->integer_of("SELECT count(*) FROM things"), 2);
  const auto written = reader->run("DELETE FROM things");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().fault, SqliteFault::kReadOnly);
}

TEST(SqliteDb, a_lock_of_another_program_is_waited_for_and_then_told) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  const auto shell = opened(folder, {.is_exclusive = false});
  const auto held = shell->begin();
  ASSERT_TRUE(held);
  const auto begun = db->begin();
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().fault, SqliteFault::kLocked);
  EXPECT_EQ(begun.error().text,
            folder.file() +
                " is locked by another program; close it (a sqlite3 shell, a backup) "
                "and try again");
}

TEST(SqliteDb, a_full_file_undoes_the_transaction_and_goes_on_reading) {
  const SqliteFolder folder;
  const auto db = with_table(folder, {.bytes_max = 10 * 4096});
  ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('a')"));
  const std::string much(100'000, 'x');
  {
    auto transaction = db->begin();
    ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES ('b')"));
    const auto full = db->run("INSERT INTO things(name) VALUES (?)", {std::string_view(much)});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().fault, SqliteFault::kFull);
  }
  EXPECT_EQ(db->integer_of("SELECT count(*) FROM things"), 1);
  EXPECT_TRUE(db->run("INSERT INTO things(name) VALUES ('c')"));
}

TEST(SqliteDb, damaged_pages_are_found_at_the_start) {
  const SqliteFolder folder;
  {
    const auto db = with_table(folder);
    const std::string text(200, 'x');
    for (int64_t i = 0; i < 500; ++i) {
      ASSERT_TRUE(db->run("INSERT INTO things(name) VALUES (? || ?)", {i, std::string_view(text)}));
    }
  }
  SqliteFolder::overwrite(folder.file(), 4 * 4096, std::string(4096, '\x5a'));
  const auto damaged = SqliteDb::open(folder.file(), {.checks_pages = true});
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().fault, SqliteFault::kCorrupt);
  EXPECT_NE(damaged.error().text.find("put a backup in its place"), std::string::npos);
}

TEST(SqliteDb, a_file_of_something_else_is_left_alone) {
  const SqliteFolder folder;
  const std::string content(8192, 'z');
  std::ofstream(folder.file(), std::ios::binary) << content;
  const auto other = SqliteDb::open(folder.file(), kQuick);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().fault, SqliteFault::kCorrupt);
  EXPECT_EQ(other.error().text,
            folder.file() + " is no SQLite database; move it away, or name another path");
  std::string now(content.size(), ' ');
  std::ifstream(folder.file(), std::ios::binary).read(now.data(), 8192);
  EXPECT_EQ(now, content);
}

TEST(SqliteDb, a_directory_that_is_missing_or_closed_is_named_with_the_remedy) {
  const SqliteFolder folder;
  const auto missing = SqliteDb::open(folder.directory() + "/none/keys.db", kQuick);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().fault, SqliteFault::kReadOnly);
  EXPECT_NE(missing.error().text.find("make the directory"), std::string::npos);
  std::filesystem::permissions(folder.directory(), std::filesystem::perms(0500));
  EXPECT_EQ(exit_of_child(true,
                          [&] {
                            const auto closed = SqliteDb::open(folder.file(), kQuick);
                            return !closed && closed.error().fault == SqliteFault::kReadOnly ? 0
                                                                                             : 1;
                          }),
            0);
  std::filesystem::permissions(folder.directory(), std::filesystem::perms(0700));
}

class Recorded final : public SqliteWatcher {
 public:
  void on_statement(std::string_view sql) override { all += std::string(sql) + ";"; }
  std::string all;
};

TEST(SqliteDb, an_endless_statement_ends_at_its_deadline) {
  const SqliteFolder folder;
  const auto db = with_table(folder);
  support::SimClock clock;
  constexpr std::string_view kEndless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
  db->set_deadline(clock, Deadline{clock.now()});
  const auto answer = db->integer_of(kEndless);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().fault, SqliteFault::kLate);
  EXPECT_TRUE(answer.error().text.contains("did not answer in time")) << answer.error().text;
  db->set_deadline(clock, Deadline::never());
  clock.advance(seconds(1));
  EXPECT_EQ(db->integer_of("SELECT 7"), 7);
}

TEST(SqliteDb, a_watcher_hears_of_every_statement) {
  const SqliteFolder folder;
  Recorded watcher;
  const auto db = opened(folder, {.watcher = &watcher});
  watcher.all.clear();
  auto transaction = db->begin();
  ASSERT_TRUE(db->run_all("CREATE TABLE a(b); CREATE TABLE c(d)"));
  ASSERT_TRUE(db->run("INSERT INTO a VALUES (?)", {int64_t{1}}));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(watcher.all,
            "BEGIN IMMEDIATE;CREATE TABLE a(b);; CREATE TABLE c(d);INSERT INTO a VALUES "
            "(?);COMMIT;");
}

}  // namespace
}  // namespace sluice::store
