#include <gtest/gtest.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

TEST(KeyStoreLists, pages_show_each_key_once_in_the_order_of_ids) {
  const StoreWorld world;
  for (int i = 0; i < 25; ++i) world.create(new_key("sk-" + std::to_string(i)));
  Names ids;
  Page page{.most = 10};
  for (;;) {
    const auto keys = world.store->list_keys(kRoot, {}, page);
    ASSERT_TRUE(keys);
    if (keys->empty()) break;
    EXPECT_LE(keys->size(), 10u);
    for (const KeyRecord& key : *keys) ids.push_back(key.id);
    page.after = ids.back();
  }
  EXPECT_EQ(ids.size(), 25u);
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
  EXPECT_EQ(world.store->list_keys(kRoot, {}, {.most = 0})->size(), 1u);
  EXPECT_EQ(world.store->list_keys(kRoot, {}, {.most = 5'000})->size(), 25u);
}

TEST(KeyStoreLists, filters_hold_together) {
  const StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "A"});
  world.create(Owner{.id = "team_a", .name = "T", .organisation = "org_a"});
  world.create(Owner{.level = OwnerLevel::kUser, .id = "user_a", .name = "U", .team = "team_a"});
  KeyRecord key = new_key("sk-abc", "Robot one");
  key.user = "user_a";
  key.tags = {"red", "blue 2"};
  world.create(key);
  key = new_key("sk-def", "Robot two");
  key.kind = KeyKind::kManagement;
  key.is_blocked = true;
  key.tags = {"blue"};
  world.create(key);
  world.create(new_key("sk-ghi", "Other"));
  const auto names = [&](const KeyFilter& filter) { return world.keys_of(kRoot, filter); };
  EXPECT_EQ(names({.kind = KeyKind::kManagement}), Names{"Robot two"});
  EXPECT_EQ(names({.is_blocked = false}), (Names{"Other", "Robot one"}));
  EXPECT_EQ(names({.is_blocked = true}), Names{"Robot two"});
  EXPECT_EQ(names({.organisation = "org_a"}), Names{"Robot one"});
  EXPECT_EQ(names({.team = "team_a"}), Names{"Robot one"});
  EXPECT_EQ(names({.user = "user_a"}), Names{"Robot one"});
  EXPECT_EQ(names({.user = "' OR 1 --"}), Names{});
  EXPECT_EQ(names({.tag = "blue"}), Names{"Robot two"});
  EXPECT_EQ(names({.tag = "blue 2"}), Names{"Robot one"});
  EXPECT_EQ(names({.tag = "lue"}), Names{});
  EXPECT_EQ(names({.search = "rObOt"}), (Names{"Robot one", "Robot two"}));
  EXPECT_EQ(names({.search = "SK-GH"}), Names{"Other"});
  EXPECT_EQ(names({.search = "%"}), Names{});
  EXPECT_EQ(names({.is_blocked = true, .search = "one"}), Names{});
  EXPECT_EQ(names({.search = "key_"}).size(), 3u);
}

TEST(KeyStoreLists, owners_by_level_and_what_they_belong_to) {
  const StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "Acme"});
  world.create(Owner{.id = "team_a", .name = "Tango", .organisation = "org_a"});
  world.create(Owner{.level = OwnerLevel::kUser, .id = "user_a", .name = "Uma", .team = "team_a"});
  const auto names = [&](const OwnerFilter& filter, const Page& page = {}) {
    Names all;
    const auto owners = world.store->list_owners(kRoot, filter, page);
    for (const Owner& owner : *owners) all.push_back(owner.name);
    return all;
  };
  EXPECT_EQ(names({}), (Names{"Acme", "Tango", "Uma"}));
  EXPECT_EQ(names({}, {.after = "org_a", .most = 1}), Names{"Tango"});
  EXPECT_EQ(names({.level = OwnerLevel::kTeam}), Names{"Tango"});
  EXPECT_EQ(names({.organisation = "org_a"}), (Names{"Tango", "Uma"}));
  EXPECT_EQ(names({.team = "team_a"}), Names{"Uma"});
  EXPECT_EQ(names({.search = "TANG"}), Names{"Tango"});
}

TEST(KeyStoreLists, the_audit_log_by_actor_action_object_and_time_newest_first) {
  StoreWorld world;
  const int64_t start = world.clock.time.unix_us;
  for (const char* const action : {"key.create", "key.block", "config.reload", "config.r[e]?"}) {
    ASSERT_TRUE(world.store->note(
        {.actor = "a", .action = action, .object = std::string("of ") + action, .outcome = "ok"}));
    world.clock.advance(seconds(1));
  }
  ASSERT_TRUE(world.store->note({.at = WallTime{start}, .actor = "b", .action = "late"}));
  const auto actions = [&](const AuditFilter& filter) {
    Names all;
    const auto entries = world.store->list_audit(kRoot, filter);
    for (const AuditEntry& entry : *entries) all.push_back(entry.action);
    return all;
  };
  EXPECT_EQ(actions({.action = "key.*"}), (Names{"key.block", "key.create"}));
  EXPECT_EQ(actions({.action = "*.re*d"}), Names{"config.reload"});
  EXPECT_EQ(actions({.action = "config.r[e]?"}), Names{"config.r[e]?"});
  EXPECT_EQ(actions({.actor = "b"}), Names{"late"});
  EXPECT_EQ(actions({.object = "of key.block"}), Names{"key.block"});
  EXPECT_EQ(actions({.from = WallTime{start + 1'000'000}, .to = WallTime{start + 2'000'000}}),
            Names{"key.block"});
  EXPECT_EQ(actions({.most = 2}), (Names{"late", "config.r[e]?"}));
  const uint64_t second = world.store->list_audit(kRoot, {.most = 2})->back().id;
  EXPECT_EQ(actions({.before_id = second, .most = 1}), Names{"config.reload"});
}

}  // namespace
}  // namespace sluice::auth
