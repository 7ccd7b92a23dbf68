#include <sluice/auth/key_store.h>

#include <gtest/gtest.h>

#include <sluice/json/value.h>

#include "key_store_world.h"

namespace sluice::auth {
namespace {

TEST(KeyStore, a_key_comes_back_as_it_was_made_also_after_a_restart) {
  StoreWorld world;
  const KeyRecord wanted = full_key("sk-secret");
  const KeyRecord made = world.create(wanted);
  EXPECT_TRUE(made.id.starts_with("key_"));
  EXPECT_EQ(made.id.size(), 28u);
  EXPECT_EQ(made.created, world.clock.time);
  KeyRecord expected = wanted;
  expected.id = made.id;
  expected.created = expected.updated = world.clock.time;
  EXPECT_EQ(made, expected);
  EXPECT_EQ(*world.store->find_key(kRoot, made.id), expected);
  world.open();
  EXPECT_EQ(*world.store->find_key(kRoot, made.id), expected);
  EXPECT_EQ(*world.store->find_key(kRoot, digest_of("sk-secret")), expected);
  EXPECT_EQ(fault_of(world.store->find_key(kRoot, digest_of("sk-other"))), StoreFault::kNotFound);
}

TEST(KeyStore, a_secret_is_one_keys_alone) {
  const StoreWorld world;
  const KeyRecord first = world.create(new_key("sk-1"));
  EXPECT_EQ(fault_of(world.store->create_key(kRoot, new_key("sk-1"))), StoreFault::kConflict);
  ASSERT_TRUE(world.store->rotate_key(kRoot, first.id, digest_of("sk-2"), "sk-2",
                                      WallTime{world.clock.time.unix_us + 1}));
  EXPECT_EQ(fault_of(world.store->create_key(kRoot, new_key("sk-1"))), StoreFault::kConflict);
  EXPECT_EQ(fault_of(world.store->create_key(kRoot, KeyRecord{})), StoreFault::kInvalid);
}

TEST(KeyStore, an_update_replaces_all_but_what_makes_the_key) {
  StoreWorld world;
  const KeyRecord made = world.create(new_key("sk-1"));
  world.clock.advance(seconds(5));
  KeyRecord wanted = full_key("sk-other");
  wanted.id = made.id;
  wanted.former_digest = digest_of("sk-former");
  wanted.former_until = WallTime{INT64_C(1'999'000'000'000'000)};
  const auto updated = world.store->update_key(kRoot, wanted);
  ASSERT_TRUE(updated) << updated.error().text;
  KeyRecord expected = full_key("sk-other");
  expected.id = made.id;
  expected.digest = made.digest;
  expected.prefix = made.prefix;
  expected.created = made.created;
  expected.updated = world.clock.time;
  EXPECT_EQ(*updated, expected);
  wanted.id = "key_none";
  EXPECT_EQ(fault_of(world.store->update_key(kRoot, wanted)), StoreFault::kNotFound);
  wanted.id = made.id;
  wanted.weight = 0;
  EXPECT_EQ(field_of(world.store->update_key(kRoot, wanted)), "weight");
  EXPECT_EQ(*world.store->find_key(kRoot, made.id), expected);
}

TEST(KeyStore, d009_a_rotation_leaves_the_former_secret_its_time) {
  StoreWorld world;
  const KeyRecord made = world.create(new_key("sk-1"));
  const WallTime until{world.clock.time.unix_us + 1'000'000};
  const auto rotated = world.store->rotate_key(kRoot, made.id, digest_of("sk-2"), "sk-2", until);
  ASSERT_TRUE(rotated) << rotated.error().text;
  EXPECT_EQ(rotated->former_digest, made.digest);
  EXPECT_EQ(rotated->former_until, until);
  EXPECT_EQ(world.store->find_key(kRoot, digest_of("sk-1"))->id, made.id);
  EXPECT_EQ(world.store->find_key(kRoot, digest_of("sk-2"))->id, made.id);
  world.clock.advance(seconds(1));
  EXPECT_FALSE(world.store->find_key(kRoot, digest_of("sk-1")));
  ASSERT_TRUE(world.store->rotate_key(kRoot, made.id, digest_of("sk-3"), "sk-3", std::nullopt));
  EXPECT_FALSE(world.store->find_key(kRoot, digest_of("sk-2")));
  EXPECT_TRUE(world.store->find_key(kRoot, digest_of("sk-3")));
  // Its own secret again, and an end in the past.
  EXPECT_EQ(fault_of(world.store->rotate_key(kRoot, made.id, digest_of("sk-3"), "", std::nullopt)),
            StoreFault::kConflict);
  EXPECT_EQ(
      field_of(world.store->rotate_key(kRoot, made.id, digest_of("sk-4"), "", world.clock.time)),
      "former_until");
}

TEST(KeyStore, what_changed_is_told_once_and_summed_up) {
  StoreWorld world;
  const KeyRecord first = world.create(new_key("sk-1"));
  const KeyRecord second = world.create(new_key("sk-2"));
  ASSERT_TRUE(world.store->block_key(kRoot, first.id, true));
  ASSERT_TRUE(world.store->delete_key(kRoot, second.id));
  DirectoryChange change = world.store->take_changes();
  ASSERT_EQ(change.keys.size(), 1u);
  EXPECT_TRUE(change.keys[0].is_blocked);
  EXPECT_TRUE(change.gone.empty());
  EXPECT_TRUE(world.store->take_changes().is_empty());

  EXPECT_FALSE(world.store->rotate_key(kRoot, first.id, first.digest, "", std::nullopt));
  EXPECT_TRUE(world.store->take_changes().is_empty());

  const Owner team = world.create(Owner{.name = "Blue"});
  ASSERT_TRUE(world.store->rotate_key(kRoot, first.id, digest_of("sk-3"), "sk-3", std::nullopt));
  ASSERT_TRUE(world.store->delete_key(kRoot, first.id));
  change = world.store->take_changes();
  EXPECT_TRUE(change.keys.empty());
  ASSERT_EQ(change.gone.size(), 1u);
  EXPECT_EQ(change.gone[0].digest, first.digest);
  ASSERT_EQ(change.owners.size(), 1u);
  EXPECT_EQ(change.owners[0], team);
  ASSERT_TRUE(world.store->delete_owner(kRoot, team.id, false));
  EXPECT_EQ(world.store->take_changes().gone_owners, Names{team.id});
}

TEST(KeyStore, the_audit_log_says_who_did_what_and_no_secret) {
  StoreWorld world;
  const KeyRecord made = world.create(full_key("sk-1"));
  ASSERT_TRUE(world.store->block_key(kRoot, made.id, false));
  ASSERT_TRUE(world.store->rotate_key(kRoot, made.id, digest_of("sk-2"), "sk-2",
                                      WallTime{world.clock.time.unix_us + 1}));
  ASSERT_TRUE(world.store->delete_key(kRoot, made.id));
  EXPECT_FALSE(world.store->delete_key(kRoot, made.id));
  ASSERT_TRUE(world.store->note({.actor = "a", .action = "config.reload", .outcome = "ok"}));
  const auto entries = world.store->list_audit(kRoot, {});
  ASSERT_TRUE(entries);
  Names actions;
  for (const AuditEntry& entry : *entries) actions.push_back(entry.action);
  EXPECT_EQ(actions,
            (Names{"config.reload", "key.delete", "key.rotate", "key.unblock", "key.create"}));
  const AuditEntry& create = entries->back();
  EXPECT_EQ(create.actor, kRoot.name);
  EXPECT_EQ(create.origin, "unix");
  EXPECT_EQ(create.object, made.id);
  EXPECT_EQ(create.at, world.clock.time);
  EXPECT_EQ(create.outcome, "ok");
  EXPECT_EQ(create.before, "");
  EXPECT_EQ(create.after,
            R"({"id":")" + made.id +
                R"(","name":"full","prefix":"sk-1","kind":"management","blocked":true,)"
                R"("not_before":"2023-11-14T22:13:20Z","expires":"2030-03-17T17:46:40Z",)"
                R"("models":["gpt-*","llama\"3\\"],)"
                R"("limits":{"requests_per_minute":60,"budget_per_day":0.123456},)"
                R"("model_limits":[{"models":"gpt-*","limits":{"tokens_per_day":1073741824}},)"
                R"({"models":"*","limits":{"tokens_per_day":1073741824}}],)"
                R"("allowed_addresses":["10.0.0.0/8","fd00::/8"],"denied_addresses":["10.0.0.7"],)"
                R"("weight":7,"priority_max":3,"tags":["blue","red 2"],)"
                R"("metadata":{"a":[1,2,{"b":"c"}]}})");
  EXPECT_EQ((*entries)[1].after, "");
  EXPECT_TRUE(json::parse_value((*entries)[1].before));
}

TEST(KeyStore, d004_a_scoped_actor_sees_and_touches_its_own_alone) {
  StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "A"});
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_b", .name = "B"});
  world.create(Owner{.id = "team_a", .name = "TA", .organisation = "org_a"});
  const Actor of_a{.name = "key_a", .origin = "10.0.0.1", .organisation = "org_a"};
  const Actor of_team{.name = "key_t", .organisation = "org_a", .team = "team_a"};
  KeyRecord foreign = new_key("sk-b", "b");
  foreign.organisation = "org_b";
  foreign = world.create(foreign);
  const KeyRecord global = world.create(new_key("sk-g", "g"));
  const KeyRecord own = world.create(new_key("sk-a", "a"), of_a);
  EXPECT_EQ(own.organisation, "org_a");
  const KeyRecord teams = world.create(new_key("sk-t", "t"), of_team);
  EXPECT_EQ(teams.team, "team_a");
  EXPECT_EQ(teams.organisation, "org_a");

  EXPECT_EQ(world.keys_of(of_a), (Names{"a", "t"}));
  EXPECT_EQ(world.keys_of(of_team), (Names{"t"}));
  EXPECT_EQ(world.keys_of(of_a, {.organisation = "org_b"}), Names{});
  EXPECT_EQ(world.keys_of(kRoot), (Names{"a", "b", "g", "t"}));

  for (const auto& [actor, others] :
       {std::pair{of_a, std::vector{foreign, global}}, {of_team, {foreign, global, own}}}) {
    for (const KeyRecord& other : others) {
      EXPECT_EQ(fault_of(world.store->find_key(actor, other.id)), StoreFault::kNotFound);
      EXPECT_EQ(fault_of(world.store->find_key(actor, other.digest)), StoreFault::kNotFound);
      EXPECT_EQ(fault_of(world.store->update_key(actor, other)), StoreFault::kNotFound);
      EXPECT_EQ(fault_of(world.store->block_key(actor, other.id, true)), StoreFault::kNotFound);
      EXPECT_EQ(fault_of(world.store->rotate_key(actor, other.id, digest_of("sk-x"), "", {})),
                StoreFault::kNotFound);
      EXPECT_EQ(fault_of(world.store->delete_key(actor, other.id)), StoreFault::kNotFound);
    }
  }
  // Neither made elsewhere, nor moved there; what exists is told like what does not.
  KeyRecord elsewhere = new_key("sk-e");
  elsewhere.organisation = "org_b";
  const auto refused = world.store->create_key(of_a, elsewhere);
  EXPECT_EQ(field_of(refused), "organisation");
  elsewhere.organisation = "org_none";
  EXPECT_EQ(world.store->create_key(of_a, elsewhere).error().text, refused.error().text);
  KeyRecord moved = own;
  moved.organisation = "org_b";
  EXPECT_EQ(field_of(world.store->update_key(of_a, moved)), "organisation");
  EXPECT_EQ(world.store->find_key(kRoot, own.id)->organisation, "org_a");
}

TEST(KeyStore, d004_a_scoped_actor_sees_its_own_owners_and_entries_and_leaves_what_bounds_it) {
  StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "A"});
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_b", .name = "B"});
  const Actor of_a{.name = "key_a", .organisation = "org_a"};
  const Owner team = world.create(Owner{.id = "team_a", .name = "TA"}, of_a);
  EXPECT_EQ(team.organisation, "org_a");
  const Actor of_team{.name = "key_t", .team = "team_a"};
  const Owner user = world.create(Owner{.level = OwnerLevel::kUser, .name = "U"}, of_team);
  EXPECT_EQ(user.team, "team_a");
  EXPECT_EQ(user.organisation, "org_a");
  const auto ids = [&](const Actor& actor) {
    Names names;
    const auto owners = world.store->list_owners(actor, {}, {});
    for (const Owner& owner : *owners) names.push_back(owner.name);
    std::ranges::sort(names);
    return names;
  };
  EXPECT_EQ(ids(of_a), (Names{"A", "TA", "U"}));
  EXPECT_EQ(ids(of_team), (Names{"TA", "U"}));
  EXPECT_EQ(ids(kRoot), (Names{"A", "B", "TA", "U"}));
  EXPECT_EQ(fault_of(world.store->find_owner(of_a, "org_b")), StoreFault::kNotFound);
  EXPECT_EQ(fault_of(world.store->block_owner(of_a, "org_b", true)), StoreFault::kNotFound);
  EXPECT_EQ(fault_of(world.store->delete_owner(of_team, "org_a", true)), StoreFault::kNotFound);
  Owner own = *world.store->find_owner(of_a, "org_a");
  EXPECT_EQ(field_of(world.store->update_owner(of_a, own)), "id");
  EXPECT_EQ(field_of(world.store->block_owner(of_a, "org_a", false)), "id");
  EXPECT_EQ(field_of(world.store->delete_owner(of_team, "team_a", true)), "id");
  EXPECT_EQ(
      field_of(world.store->create_owner(of_a, {.level = OwnerLevel::kOrganisation, .name = "C"})),
      "level");
  EXPECT_EQ(field_of(world.store->create_owner(of_team, {.name = "T2"})), "level");
  EXPECT_TRUE(world.store->block_owner(of_a, "team_a", true));
  EXPECT_EQ(world.store->list_audit(of_a, {})->size(), 4u);
  EXPECT_EQ(world.store->list_audit(of_team, {})->size(), 3u);
  EXPECT_EQ(world.store->list_audit(kRoot, {})->size(), 5u);
}

TEST(KeyStore, a_management_key_that_ends_gives_nobody_longer) {
  StoreWorld world;
  world.create(Owner{.level = OwnerLevel::kOrganisation, .id = "org_a", .name = "A"});
  KeyRecord key = new_key("sk-m");
  key.kind = KeyKind::kManagement;
  key.organisation = "org_a";
  key.expires = WallTime{world.clock.time.unix_us + 1'000'000};
  key = world.create(key);
  const Actor self{.name = key.id, .organisation = "org_a"};
  KeyRecord longer = key;
  longer.expires->unix_us += 1;
  EXPECT_EQ(field_of(world.store->update_key(self, longer)), "expires");
  longer = new_key("sk-n");
  longer.kind = KeyKind::kReadOnly;
  EXPECT_EQ(field_of(world.store->create_key(self, longer)), "expires");
  longer.expires = key.expires;
  EXPECT_TRUE(world.store->create_key(self, longer));
  EXPECT_TRUE(world.store->create_key(self, new_key("sk-i")));
  // Nor does it take over one that lives longer.
  KeyRecord lasting = new_key("sk-l");
  lasting.kind = KeyKind::kManagement;
  lasting.organisation = "org_a";
  lasting = world.create(lasting);
  EXPECT_EQ(field_of(world.store->rotate_key(self, lasting.id, digest_of("sk-l2"), "l2", {})),
            "expires");
  EXPECT_TRUE(world.store->rotate_key(self, key.id, digest_of("sk-m2"), "m2", {}));
}

TEST(KeyStore, an_answer_is_remembered_for_its_actor_and_a_day) {
  StoreWorld world;
  const RememberedAnswer answer{.request = digest_of("POST"), .status = 201, .body = "{}"};
  ASSERT_TRUE(world.store->remember(kRoot, "once", answer));
  EXPECT_EQ(fault_of(world.store->remember(kRoot, "once", answer)), StoreFault::kConflict);
  const auto recalled = world.store->recall(kRoot, "once");
  ASSERT_TRUE(recalled && *recalled);
  EXPECT_EQ((*recalled)->request, answer.request);
  EXPECT_EQ((*recalled)->status, 201);
  EXPECT_EQ((*recalled)->body, "{}");
  EXPECT_FALSE(*world.store->recall(Actor{.name = "other"}, "once"));
  EXPECT_FALSE(*world.store->recall(kRoot, "twice"));
  EXPECT_EQ(fault_of(world.store->recall(kRoot, "")), StoreFault::kInvalid);
  EXPECT_EQ(fault_of(world.store->remember(kRoot, std::string(256, 'x'), answer)),
            StoreFault::kInvalid);
  world.clock.advance(KeyStore::kRememberAnswers);
  EXPECT_FALSE(*world.store->recall(kRoot, "once"));
  EXPECT_TRUE(world.store->remember(kRoot, "once", answer));
}

class Reports final : public KeyStore::Progress {
 public:
  void on_keys(uint64_t read) override { last = read; }
  uint64_t last = 0;
};

TEST(KeyStore, all_of_it_goes_into_the_directory) {
  StoreWorld world;
  world.create(Owner{.id = "team_a", .name = "TA", .is_blocked = true});
  KeyRecord key = full_key("sk-1");
  key.team = "team_a";
  key = world.create(key);
  ASSERT_TRUE(world.store->rotate_key(kRoot, key.id, digest_of("sk-2"), "sk-2",
                                      WallTime{world.clock.time.unix_us + 1}));
  Reports reports;
  const auto index = world.store->load(reports);
  ASSERT_TRUE(index) << index.error().text;
  const Directory directory(index->get(), nullptr, 1);
  const auto found = directory.find(digest_of("sk-2"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, key.id);
  EXPECT_EQ(found->terms->model_limits, key.model_limits);
  EXPECT_EQ(found->terms->denied_addresses, key.denied_addresses);
  ASSERT_NE(found->owners[1], nullptr);
  EXPECT_TRUE(found->owners[1]->is_blocked);
  EXPECT_TRUE(directory.find(digest_of("sk-1"))->is_former);
}

}  // namespace
}  // namespace sluice::auth
