#include <gtest/gtest.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

std::vector<uint64_t> figures(const StoreResult<SyncOutcome>& outcome) {
  EXPECT_TRUE(outcome) << outcome.error().text;
  if (!outcome) return {};
  return {outcome->created, outcome->updated, outcome->unchanged, outcome->deleted};
}

using Figures = std::vector<uint64_t>;

TEST(KeyStoreSync, makes_changes_and_leaves_by_the_secret) {
  StoreWorld world;
  const KeyRecord same = world.create(full_key("sk-same"));
  const KeyRecord other = world.create(new_key("sk-other", "before"));
  world.create(new_key("sk-rest", "rest"));
  world.clock.advance(seconds(1));
  SyncRequest request;
  request.keys = {full_key("sk-same"), new_key("sk-other", "after"), new_key("sk-new", "new")};
  request.is_dry = true;
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, request)), (Figures{1, 1, 1, 0}));
  EXPECT_EQ(world.keys_of(kRoot), (Names{"before", "full", "rest"}));
  request.is_dry = false;
  static_cast<void>(world.store->take_changes());
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, request)), (Figures{1, 1, 1, 0}));
  EXPECT_EQ(world.keys_of(kRoot), (Names{"after", "full", "new", "rest"}));
  EXPECT_EQ(world.store->take_changes().keys.size(), 2u);
  EXPECT_EQ(*world.store->find_key(kRoot, same.id), same);
  EXPECT_EQ(world.store->find_key(kRoot, other.id)->created, other.created);
  request.is_full = true;
  request.is_dry = true;
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, request)), (Figures{0, 0, 3, 1}));
  request.is_dry = false;
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, request)), (Figures{0, 0, 3, 1}));
  EXPECT_EQ(world.store->take_changes().gone.size(), 1u);
  EXPECT_EQ(world.keys_of(kRoot), (Names{"after", "full", "new"}));
  EXPECT_EQ(world.store->list_audit(kRoot, {.action = "key.*"})->size(), 6u);
}

TEST(KeyStoreSync, d141_a_full_one_without_keys_has_to_say_so) {
  StoreWorld world;
  world.create(new_key("sk-1"));
  SyncRequest request{.is_full = true};
  const auto refused = world.store->sync_keys(kRoot, request);
  EXPECT_EQ(fault_of(refused), StoreFault::kInvalid);
  EXPECT_EQ(field_of(refused), "keys");
  EXPECT_EQ(world.keys_of(kRoot).size(), 1u);
  request.may_empty = true;
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, request)), (Figures{0, 0, 0, 1}));
  EXPECT_EQ(figures(world.store->sync_keys(kRoot, SyncRequest{})), (Figures{0, 0, 0, 0}));
}

TEST(KeyStoreSync, one_bad_key_undoes_all) {
  StoreWorld world;
  const KeyRecord there = world.create(new_key("sk-1", "there"));
  static_cast<void>(world.store->take_changes());
  SyncRequest request;
  request.keys = {new_key("sk-2", "a"), new_key("sk-3", "b")};
  const auto refused_for = [&](auto apply) {
    SyncRequest broken = request;
    apply(broken.keys[1]);
    const auto outcome = world.store->sync_keys(kRoot, broken);
    EXPECT_FALSE(outcome);
    EXPECT_TRUE(outcome.error().text.starts_with("keys[1]: ")) << outcome.error().text;
    EXPECT_EQ(world.keys_of(kRoot), Names{"there"});
    EXPECT_TRUE(world.store->take_changes().is_empty());
    return outcome.error().field;
  };
  EXPECT_EQ(refused_for([](KeyRecord& key) { key.weight = 0; }), "weight");
  EXPECT_EQ(refused_for([](KeyRecord& key) { key.digest = {}; }), "digest");
  EXPECT_EQ(refused_for([](KeyRecord& key) { key.digest = digest_of("sk-2"); }), "keys");
  EXPECT_EQ(refused_for([](KeyRecord& key) { key.team = "team_none"; }), "team");
  EXPECT_EQ(refused_for([&](KeyRecord& key) { key.id = there.id; }), "id");
}

TEST(KeyStoreSync, d004_a_scoped_one_deletes_its_own_alone_and_never_the_key_that_asks) {
  StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "A"});
  const KeyRecord foreign = world.create(new_key("sk-f", "foreign"));
  Actor of_a{.organisation = "org_a"};
  const KeyRecord asking = world.create(new_key("sk-m", "asking"), of_a);
  of_a.name = asking.id;
  world.create(new_key("sk-o", "own"), of_a);
  SyncRequest request{.keys = {new_key("sk-n", "new")}, .is_full = true};
  EXPECT_EQ(figures(world.store->sync_keys(of_a, request)), (Figures{1, 0, 0, 1}));
  EXPECT_EQ(world.keys_of(kRoot), (Names{"asking", "foreign", "new"}));
  request.keys = {new_key("sk-f", "mine")};
  EXPECT_EQ(fault_of(world.store->sync_keys(of_a, request)), StoreFault::kConflict);
  EXPECT_EQ(*world.store->find_key(kRoot, foreign.id), foreign);
}

TEST(KeyStoreSync, an_id_of_ones_own_choice_gives_no_more_rights) {
  StoreWorld world;
  KeyRecord key = new_key("sk-m");
  key.id = "ops";
  key.kind = KeyKind::kManagement;
  key.expires = WallTime{world.clock.time.unix_us + 1'000'000};
  ASSERT_TRUE(world.store->sync_keys(kRoot, {.keys = {key}}));
  KeyRecord longer = new_key("sk-n");
  longer.kind = KeyKind::kManagement;
  EXPECT_EQ(field_of(world.store->create_key(Actor{.name = "ops"}, longer)), "expires");
  // Nobody is taken for whoever has the bootstrap token.
  key = new_key("sk-b");
  key.id = kBootstrapActor;
  EXPECT_EQ(field_of(world.store->sync_keys(kRoot, {.keys = {key}})), "id");
}

}  // namespace
}  // namespace sluice::auth
