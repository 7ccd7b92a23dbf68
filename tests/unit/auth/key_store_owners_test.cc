#include <gtest/gtest.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

constexpr auto kOrganisation = OwnerLevel::kOrganisation;
constexpr auto kUser = OwnerLevel::kUser;

// org_a has team_a, which has user_a, who has a key; so has each of the others.
struct Tree : StoreWorld {
  Tree() {
    create(Owner{.level = kOrganisation, .id = "org_a", .name = "A"});
    create(Owner{.id = "team_a", .name = "TA", .organisation = "org_a"});
    create(Owner{.level = kUser, .id = "user_a", .name = "UA", .team = "team_a"});
    create(Owner{.id = "team_b", .name = "TB"});
    of_user = new_key("sk-u", "of_user");
    of_user.user = "user_a";
    of_user = create(of_user);
    KeyRecord key = new_key("sk-t", "of_team");
    key.team = "team_a";
    create(key);
    key = new_key("sk-o", "of_org");
    key.organisation = "org_a";
    create(key);
    create(new_key("sk-n", "of_none"));
    static_cast<void>(store->take_changes());
  }
  KeyRecord of_user;
};

TEST(KeyStoreOwners, an_owner_comes_back_as_it_was_made) {
  StoreWorld world;
  Owner wanted{.level = kUser, .name = "Ann B.", .is_blocked = true};
  wanted.expires = WallTime{INT64_C(1'900'000'000'000'000)};
  wanted.models = {"gpt-*"};
  wanted.metadata = "{}";
  ASSERT_TRUE(config::add_limit(wanted.limits, config::LimitScope::kTenant, "user",
                                "soft_budget_per_month", 3.5));
  const Owner made = world.create(wanted);
  EXPECT_TRUE(made.id.starts_with("user_"));
  wanted.id = made.id;
  wanted.created = wanted.updated = world.clock.time;
  EXPECT_EQ(made, wanted);
  world.open();
  EXPECT_EQ(*world.store->find_owner(kRoot, made.id), wanted);
  EXPECT_EQ(fault_of(world.store->create_owner(kRoot, made)), StoreFault::kConflict);
  EXPECT_EQ(field_of(world.store->create_owner(kRoot, Owner{})), "name");
}

TEST(KeyStoreOwners, those_above_the_nearest_are_filled_in_and_must_fit) {
  Tree tree;
  EXPECT_EQ(tree.of_user.team, "team_a");
  EXPECT_EQ(tree.of_user.organisation, "org_a");
  const auto refused_field = [&](auto apply) {
    KeyRecord key = new_key("sk-x");
    apply(key);
    const auto made = tree.store->create_key(kRoot, key);
    EXPECT_EQ(fault_of(made), StoreFault::kInvalid);
    return field_of(made);
  };
  EXPECT_EQ(refused_field([](KeyRecord& key) { key.user = "user_none"; }), "user");
  EXPECT_EQ(refused_field([](KeyRecord& key) { key.team = "org_a"; }), "team");
  EXPECT_EQ(refused_field([](KeyRecord& key) { key.organisation = "org_none"; }), "organisation");
  EXPECT_EQ(refused_field([](KeyRecord& key) {
              key.user = "user_a";
              key.team = "team_b";
            }),
            "team");
  tree.create(Owner{.level = kOrganisation, .id = "org_b", .name = "B"});
  EXPECT_EQ(refused_field([](KeyRecord& key) {
              key.team = "team_a";
              key.organisation = "org_b";
            }),
            "organisation");
}

TEST(KeyStoreOwners, what_is_in_use_is_neither_deleted_nor_moved) {
  Tree tree;
  for (const char* const id : {"org_a", "team_a", "user_a"}) {
    EXPECT_EQ(fault_of(tree.store->delete_owner(kRoot, id, false)), StoreFault::kConflict) << id;
  }
  Owner team = *tree.store->find_owner(kRoot, "team_a");
  team.organisation = "";
  EXPECT_EQ(fault_of(tree.store->update_owner(kRoot, team)), StoreFault::kConflict);
  team = *tree.store->find_owner(kRoot, "team_b");
  team.organisation = "org_a";
  team.name = "TB2";
  EXPECT_EQ(tree.store->update_owner(kRoot, team)->organisation, "org_a");
  EXPECT_TRUE(tree.store->delete_owner(kRoot, "team_b", false));
  EXPECT_EQ(fault_of(tree.store->find_owner(kRoot, "team_b")), StoreFault::kNotFound);
}

TEST(KeyStoreOwners, all_below_goes_with_it_when_that_is_said) {
  Tree tree;
  ASSERT_TRUE(tree.store->delete_owner(kRoot, "team_a", true));
  EXPECT_EQ(tree.keys_of(kRoot), (Names{"of_none", "of_org"}));
  EXPECT_EQ(fault_of(tree.store->find_owner(kRoot, "user_a")), StoreFault::kNotFound);
  const DirectoryChange change = tree.store->take_changes();
  EXPECT_EQ(change.gone.size(), 2u);
  EXPECT_EQ(change.gone_owners, (Names{"team_a", "user_a"}));
  ASSERT_TRUE(tree.store->delete_owner(kRoot, "org_a", true));
  EXPECT_EQ(tree.keys_of(kRoot), Names{"of_none"});
  EXPECT_EQ(tree.store->list_audit(kRoot, {.action = "*.delete"})->size(), 6u);
}

TEST(KeyStoreOwners, a_block_is_told_of_as_the_owner_it_is) {
  Tree tree;
  ASSERT_TRUE(tree.store->block_owner(kRoot, "org_a", true));
  const DirectoryChange change = tree.store->take_changes();
  EXPECT_TRUE(change.keys.empty());
  ASSERT_EQ(change.owners.size(), 1u);
  EXPECT_TRUE(change.owners[0].is_blocked);
  EXPECT_EQ(tree.store->list_audit(kRoot, {.most = 1})->at(0).action, "organisation.block");
  EXPECT_FALSE(tree.store->block_owner(kRoot, "org_a", false)->is_blocked);
}

}  // namespace
}  // namespace sluice::auth
