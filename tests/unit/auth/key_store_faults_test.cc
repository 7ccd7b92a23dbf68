#include <filesystem>
#include <functional>

#include <gtest/gtest.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

using store::SqliteDb;

// All changing calls, each on keys and owners that are there.
struct Operation {
  std::string_view name;
  std::function<bool(KeyStore&)> run;
};

const KeyRecord& kept_key() {
  static const KeyRecord kKey = new_key("sk-kept", "kept");
  return kKey;
}

KeyRecord present(KeyStore& store) { return *store.find_key(kRoot, kept_key().digest); }

std::vector<Operation> operations() {
  return {
      {"create_key",
       [](KeyStore& store) { return store.create_key(kRoot, new_key("sk-new")).has_value(); }},
      {"update_key",
       [](KeyStore& store) {
         KeyRecord key = present(store);
         key.name = "updated";
         return store.update_key(kRoot, key).has_value();
       }},
      {"block_key",
       [](KeyStore& store) { return store.block_key(kRoot, present(store).id, true).has_value(); }},
      {"rotate_key",
       [](KeyStore& store) {
         return store
             .rotate_key(kRoot, present(store).id, digest_of("sk-rotated"), "sk-rot",
                         WallTime{INT64_C(1'900'000'000'000'000)})
             .has_value();
       }},
      {"delete_key",
       [](KeyStore& store) { return store.delete_key(kRoot, present(store).id).has_value(); }},
      {"sync_keys",
       [](KeyStore& store) {
         return store.sync_keys(kRoot, {.keys = {new_key("sk-synced")}, .is_full = true})
             .has_value();
       }},
      {"create_owner",
       [](KeyStore& store) { return store.create_owner(kRoot, {.name = "New"}).has_value(); }},
      {"update_owner",
       [](KeyStore& store) {
         return store.update_owner(kRoot, {.id = "team_a", .name = "Renamed"}).has_value();
       }},
      {"block_owner",
       [](KeyStore& store) { return store.block_owner(kRoot, "team_a", true).has_value(); }},
      {"delete_owner",
       [](KeyStore& store) { return store.delete_owner(kRoot, "team_a", true).has_value(); }},
      {"note", [](KeyStore& store) { return store.note({.action = "x"}).has_value(); }},
      {"remember", [](KeyStore& store) { return store.remember(kRoot, "once", {}).has_value(); }},
  };
}

void fill(const StoreWorld& world) {
  world.create(Owner{.id = "team_a", .name = "Team"});
  KeyRecord key = kept_key();
  key.team = "team_a";
  world.create(key);
}

// Everything in the file.
std::string content_of(const std::string& path) {
  const auto db = SqliteDb::open(path, {.is_exclusive = false});
  EXPECT_TRUE(db) << db.error().text;
  std::string all;
  for (const char* const select :
       {"SELECT id || name || hex(digest) || ifnull(hex(former_digest), '-') || is_blocked FROM "
        "keys",
        "SELECT id || name || is_blocked FROM owners", "SELECT id || action || object FROM audit",
        "SELECT number || key FROM answers"}) {
    auto rows = (*db)->query(std::string(select) + " ORDER BY 1");
    EXPECT_TRUE(rows) << rows.error().text;
    while (*rows->next()) all += std::string(rows->text(0)) + '\n';
  }
  return all;
}

TEST(KeyStoreFaults, d083_a_fresh_file_takes_every_call) {
  for (const Operation& operation : operations()) {
    const StoreWorld world;
    fill(world);
    EXPECT_TRUE(operation.run(*world.store)) << operation.name;
  }
}

TEST(KeyStoreFaults, d009_a_process_killed_within_any_call_leaves_all_of_it_or_nothing) {
  for (const Operation& operation : operations()) {
    StoreWorld world;
    fill(world);
    world.store.reset();
    const std::string before = content_of(world.folder.file());
    for (int at = 0;; ++at) {
      SCOPED_TRACE(std::string(operation.name) + ", statement " + std::to_string(at));
      const int exit = store::exit_of_child(false, [&] {
        Assassin assassin(at);
        assassin.is_armed = false;
        auto store = KeyStore::open(world.folder.file(), world.clock, {.watcher = &assassin});
        if (!store) return 1;
        assassin.is_armed = true;
        const bool is_done = operation.run(**store);
        assassin.is_armed = false;
        return is_done ? 0 : 2;
      });
      if (exit == 0) break;
      ASSERT_EQ(exit, -SIGKILL);
      EXPECT_EQ(content_of(world.folder.file()), before);
    }
    EXPECT_NE(content_of(world.folder.file()), before);
  }
}

// The log as a power cut may leave it: any length of what was written.
TEST(KeyStoreFaults, d009_a_rotation_torn_anywhere_leaves_a_secret_that_works) {
  StoreWorld world;
  fill(world);
  world.open();
  const KeyRecord key = present(*world.store);
  const store::SqliteFolder copies;
  const std::string log = world.folder.file() + "-wal";
  const uintmax_t start = std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0;
  ASSERT_TRUE(
      world.store->rotate_key(kRoot, key.id, digest_of("sk-rotated"), "sk-rot", std::nullopt));
  const uintmax_t end = std::filesystem::file_size(log);
  ASSERT_GT(end, start);
  constexpr uintmax_t kStride = 1'021;
  int with_new = 0;
  for (uintmax_t length = start; length < end + kStride; length += kStride) {
    const auto replace = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::remove(copies.file() + "-shm");
    std::filesystem::copy_file(world.folder.file(), copies.file(), replace);
    std::filesystem::copy_file(log, copies.file() + "-wal", replace);
    std::filesystem::resize_file(copies.file() + "-wal", std::min(length, end));
    auto store = KeyStore::open(copies.file(), world.clock);
    ASSERT_TRUE(store) << store.error();
    const bool has_former = (*store)->find_key(kRoot, key.digest).has_value();
    const bool has_new = (*store)->find_key(kRoot, digest_of("sk-rotated")).has_value();
    EXPECT_NE(has_former, has_new) << length;
    with_new += has_new ? 1 : 0;
  }
  EXPECT_GE(with_new, 1);
}

TEST(KeyStoreFaults, a_full_disk_fails_loudly_and_changes_nothing) {
  StoreWorld world;
  fill(world);
  const uintmax_t size = [&] {
    world.store.reset();
    return std::filesystem::file_size(world.folder.file());
  }();
  world.open({.bytes_max = size + 2 * 4096});
  static_cast<void>(world.store->take_changes());
  KeyRecord large = new_key("sk-large");
  large.metadata = "{\"a\":\"" + std::string(16'000, 'x') + "\"}";
  const auto refused = world.store->create_key(kRoot, large);
  EXPECT_EQ(fault_of(refused), StoreFault::kBroken);
  EXPECT_EQ(refused.error().text,
            world.folder.file() +
                " cannot grow: the disk is full, or the file has reached its bound; make room");
  EXPECT_TRUE(world.store->take_changes().is_empty());
  EXPECT_EQ(world.keys_of(kRoot), Names{"kept"});
  EXPECT_EQ(world.store->list_audit(kRoot, {})->size(), 2u);
  EXPECT_TRUE(world.store->block_key(kRoot, present(*world.store).id, true));
}

TEST(KeyStoreFaults, a_file_that_another_program_holds_is_busy) {
  StoreWorld world;
  fill(world);
  world.open({.busy_wait = milliseconds(1)});
  const auto shell = SqliteDb::open(world.folder.file(), {.is_exclusive = false});
  ASSERT_TRUE(shell);
  const auto held = (*shell)->begin();
  ASSERT_TRUE(held);
  EXPECT_EQ(fault_of(world.store->delete_key(kRoot, "any")), StoreFault::kBusy);
  EXPECT_EQ(world.keys_of(kRoot), Names{"kept"});
}

TEST(KeyStoreFaults, a_second_process_is_refused_by_name_of_the_first) {
  const StoreWorld world;
  HandClock clock;
  const int exit = store::exit_of_child(false, [&] {
    const auto second = KeyStore::open(world.folder.file(), clock);
    const std::string pid = std::to_string(::getppid());
    return !second && second.error().find("process " + pid) != std::string::npos ? 0 : 1;
  });
  EXPECT_EQ(exit, 0);
}

TEST(KeyStoreFaults, a_damaged_file_is_refused_at_the_start_with_the_remedy) {
  StoreWorld world;
  for (int i = 0; i < 200; ++i) world.create(new_key("sk-" + std::to_string(i)));
  world.store.reset();
  const auto pages = std::filesystem::file_size(world.folder.file()) / 4096;
  store::SqliteFolder::overwrite(world.folder.file(), static_cast<std::streamoff>(pages - 2) * 4096,
                                 std::string(4096, '\xa5'));
  const auto opened = KeyStore::open(world.folder.file(), world.clock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), world.folder.file() +
                                " is damaged; keep a copy, then put a backup in its place, or save "
                                "what can be read with `sqlite3 " +
                                world.folder.file() + " .recover`");
}

class Silent final : public KeyStore::Progress {
 public:
  void on_keys(uint64_t) override {}
};

TEST(KeyStoreFaults, a_row_that_was_changed_by_hand_is_named) {
  StoreWorld world;
  fill(world);
  const std::string id = present(*world.store).id;
  const std::pair<const char*, const char*> changes[] = {{"limits", "'{\"nonsense\":1}'"},
                                                         {"limits", "'{'"},
                                                         {"models", "'{}'"},
                                                         {"allowed_addresses", "'[\"x\"]'"},
                                                         {"kind", "9"},
                                                         {"weight", "0"},
                                                         {"priority_max", "-1"},
                                                         {"model_limits", "'[1]'"},
                                                         {"tags", "'[1]'"}};
  for (const auto& [column, value] : changes) {
    world.store.reset();
    {
      const auto db = SqliteDb::open(world.folder.file(), {});
      ASSERT_TRUE((*db)->run_all("CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM keys"));
      ASSERT_TRUE((*db)->run_all(std::string("UPDATE keys SET ") + column + " = " + value));
    }
    world.open();
    const auto found = world.store->find_key(kRoot, id);
    EXPECT_EQ(fault_of(found), StoreFault::kBroken);
    EXPECT_TRUE(found.error().text.starts_with("the key " + id + " has a column `" + column + "`"))
        << found.error().text;
    Silent progress;
    EXPECT_FALSE(world.store->load(progress));
    world.store.reset();
    const auto db = SqliteDb::open(world.folder.file(), {});
    ASSERT_TRUE((*db)->run_all("DELETE FROM keys; INSERT INTO keys SELECT * FROM kept"));
  }
}

}  // namespace
}  // namespace sluice::auth
