#include "key_schema.h"

#include <gtest/gtest.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

using store::SqliteBytes;
using store::SqliteDb;
using store::SqliteValue;

constexpr WallTime kThen{1'700'000'000'000'000};

std::unique_ptr<SqliteDb> open_db(const std::string& path,
                                  store::SqliteWatcher* watcher = nullptr) {
  auto db = SqliteDb::open(path, {.watcher = watcher});
  EXPECT_TRUE(db) << db.error().text;
  return db ? std::move(*db) : nullptr;
}

// Rows as a program of that version wrote them.
void fill(SqliteDb& db, int version) {
  ASSERT_TRUE(db.run_all(
      "INSERT INTO owners VALUES('org_1', 0, 'Acme', NULL, NULL, 0, NULL, '', "
      "'{\"budget_per_day\":5}', '', 1, 2);"
      "INSERT INTO owners VALUES('team_1', 1, 'Blue', 'org_1', NULL, 1, 9, '[\"gpt-*\"]', '', "
      "'{}', 1, 2)"));
  for (const std::string_view secret : {"sk-one", "sk-two"}) {
    const crypto::Digest digest = digest_of(secret);
    ASSERT_TRUE(db.run(
        "INSERT INTO keys(id, name, prefix, digest, kind, organisation, team, user, is_blocked, "
        "not_before, expires, models, limits, allowed_addresses, denied_addresses, weight, "
        "priority_max, metadata, created, updated) VALUES(?1, ?1, 'sk-', ?2, 0, 'org_1', 'team_1', "
        "NULL, 0, NULL, NULL, '', '{\"requests_per_minute\":60}', '[\"10.0.0.0/8\"]', '', 1, 0, "
        "'', 3, 4)",
        {secret, SqliteBytes(digest)}));
  }
  if (version >= 2) {
    ASSERT_TRUE(
        db.run_all("INSERT INTO audit(at, actor, origin, action, object, organisation, "
                   "team, before, after, outcome) VALUES(5, 'a', 'unix', 'key.create', "
                   "'sk-one', 'org_1', 'team_1', '', '{}', 'ok')"));
  }
  if (version >= 3) {
    const crypto::Digest digest = digest_of("sk-former");
    ASSERT_TRUE(db.run("UPDATE keys SET former_digest = ?, former_until = ? WHERE id = 'sk-one'",
                       {SqliteBytes(digest), int64_t{1'900'000'000'000'000}}));
  }
  if (version >= 4) {
    ASSERT_TRUE(
        db.run_all("UPDATE keys SET tags = '[\"t\"]', model_limits = "
                   "'[{\"models\":\"m\",\"limits\":{\"tokens_per_day\":7}}]'"));
  }
}

void make_file(const std::string& path, int version) {
  const auto db = open_db(path);
  const auto done = migrate(*db, kThen, version);
  ASSERT_TRUE(done) << done.error().text;
  if (version > 0) fill(*db, version);
}

void expect_all_there(KeyStore& store, int version) {
  const auto one = store.find_key(kRoot, digest_of("sk-one"));
  ASSERT_TRUE(one) << one.error().text;
  EXPECT_EQ(one->team, "team_1");
  EXPECT_EQ(config::limit_word_of(one->limits.at(0)), "requests_per_minute");
  EXPECT_EQ(one->allowed_addresses.size(), 1u);
  EXPECT_EQ(one->updated, WallTime{4});
  EXPECT_TRUE(store.find_key(kRoot, digest_of("sk-two")));
  EXPECT_EQ(store.find_owner(kRoot, "team_1")->models, Names{"gpt-*"});
  EXPECT_EQ(config::limit_amount_of(store.find_owner(kRoot, "org_1")->limits.at(0)), 5);
  EXPECT_EQ(store.list_audit(kRoot, {})->size(), version >= 2 ? 1u : 0u);
  EXPECT_EQ(store.find_key(kRoot, digest_of("sk-former")).has_value(), version >= 3);
  EXPECT_EQ(one->tags.size(), version >= 4 ? 1u : 0u);
  EXPECT_EQ(one->model_limits.size(), version >= 4 ? 1u : 0u);
}

TEST(KeySchema, d083_a_file_of_every_earlier_version_is_brought_up_to_date_with_what_it_holds) {
  for (int version = 1; version <= kSchemaVersion; ++version) {
    SCOPED_TRACE(version);
    const store::SqliteFolder folder;
    make_file(folder.file(), version);
    HandClock clock;
    auto store = KeyStore::open(folder.file(), clock);
    ASSERT_TRUE(store) << store.error();
    expect_all_there(**store, version);
    EXPECT_TRUE((*store)->create_key(kRoot, full_key("sk-new")));
    EXPECT_TRUE((*store)->rotate_key(kRoot, "sk-two", digest_of("sk-2"), "sk-2", std::nullopt));
    EXPECT_TRUE((*store)->delete_owner(kRoot, "org_1", true));
  }
}

TEST(KeySchema, every_version_is_the_same_however_it_was_reached) {
  const store::SqliteFolder folder;
  std::string all;
  for (int version = 0; version <= kSchemaVersion; ++version) {
    const std::string path = folder.directory() + "/from" + std::to_string(version);
    make_file(path, version);
    const auto db = open_db(path);
    ASSERT_TRUE(migrate(*db, kThen));
    std::string text;
    auto rows = db->query("SELECT sql FROM sqlite_schema ORDER BY name");
    while (*rows->next()) text += rows->text(0);
    if (version > 0) {
      EXPECT_EQ(text, all);
    }
    all = text;
    EXPECT_EQ(db->integer_of("SELECT count(*) FROM schema_version"), kSchemaVersion);
  }
}

TEST(KeySchema, d009_a_process_killed_within_any_step_leaves_the_old_version_or_the_new) {
  for (int version = 0; version < kSchemaVersion; ++version) {
    const store::SqliteFolder origin;
    make_file(origin.file(), version);
    for (int at = 0;; ++at) {
      SCOPED_TRACE("version " + std::to_string(version) + ", statement " + std::to_string(at));
      const store::SqliteFolder folder;
      std::filesystem::copy_file(origin.file(), folder.file());
      const int exit = store::exit_of_child(false, [&] {
        Assassin assassin(at);
        const auto db = SqliteDb::open(folder.file(), {.watcher = &assassin});
        return db && migrate(**db, kThen) ? 0 : 1;
      });
      {
        const auto db = open_db(folder.file());
        EXPECT_EQ(db->integer_of("SELECT count(*) FROM pragma_integrity_check WHERE "
                                 "integrity_check <> 'ok'"),
                  0);
      }
      HandClock clock;
      auto store = KeyStore::open(folder.file(), clock);
      ASSERT_TRUE(store) << store.error();
      if (version > 0) expect_all_there(**store, version);
      if (exit == 0) break;
      ASSERT_EQ(exit, -SIGKILL);
    }
  }
}

TEST(KeySchema, a_later_version_and_a_database_of_something_else_are_refused) {
  const store::SqliteFolder folder;
  HandClock clock;
  make_file(folder.file(), kSchemaVersion);
  ASSERT_TRUE(open_db(folder.file())->run("INSERT INTO schema_version VALUES (6, 0)"));
  const auto later = KeyStore::open(folder.file(), clock);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error(),
            folder.file() +
                " has version 6 of the tables, and this program knows up to 5; start "
                "the newer program, or put a backup in its place");
  const std::string other = folder.directory() + "/other.db";
  ASSERT_TRUE(open_db(other)->run("CREATE TABLE songs(name)"));
  const auto foreign = KeyStore::open(other, clock);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error(), other + " is a database of something else; name another path");
  EXPECT_EQ(open_db(other)->integer_of("SELECT count(*) FROM sqlite_schema"), 1);
}

}  // namespace
}  // namespace sluice::auth
