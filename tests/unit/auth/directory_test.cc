#include <sluice/auth/directory.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::auth {
namespace {

crypto::Digest digest_of(uint64_t number) { return crypto::sha256(std::to_string(number)); }

KeyRecord key_of(uint64_t number) {
  KeyRecord key;
  key.id = "key_" + std::to_string(number);
  key.name = "name " + std::to_string(number);
  key.digest = digest_of(number);
  return key;
}

Owner owner_of(OwnerLevel level, std::string id) {
  Owner owner;
  owner.level = level;
  owner.id = std::move(id);
  return owner;
}

IndexPtr index_of(const std::vector<KeyRecord>& keys, const std::vector<Owner>& owners = {}) {
  DirectoryBuilder builder;
  builder.reserve(keys.size());
  for (const KeyRecord& key : keys) builder.add(key);
  for (const Owner& owner : owners) builder.add(owner);
  return builder.finish();
}

TEST(Directory, without_parts_knows_nobody) {
  const Directory directory;
  EXPECT_TRUE(directory.is_empty());
  EXPECT_FALSE(directory.find(digest_of(1)));
  EXPECT_EQ(directory.find_owner("team_1"), nullptr);
  EXPECT_FALSE(directory.has_key("key_1"));
}

TEST(Directory, an_empty_index_knows_nobody) {
  const IndexPtr index = index_of({});
  const Directory directory(index.get(), nullptr, 1);
  EXPECT_FALSE(directory.find(digest_of(1)));
  EXPECT_FALSE(directory.has_key("key_1"));
  EXPECT_EQ(directory.find_owner(""), nullptr);
  EXPECT_EQ(figures_of(*index).keys, 0u);
}

TEST(Directory, says_all_of_a_key) {
  KeyRecord key = key_of(1);
  key.kind = KeyKind::kManagement;
  key.is_blocked = true;
  key.not_before = WallTime{100};
  key.expires = WallTime{200};
  key.models = {"gpt-*"};
  key.limits = {{.name = "r", .most = 5, .length = seconds(60)}};
  key.model_limits = {{.models = "o*", .rule = {.name = "m", .most = 2}}};
  key.allowed_addresses = {{.prefix = {1}, .bits = 8}};
  key.denied_addresses = {{.prefix = {2}, .bits = 9}};
  key.weight = 7;
  key.priority_max = 3;
  key.tags = {"a", "b"};
  key.metadata = "{}";
  const IndexPtr index = index_of({key});
  const DeltaPtr delta = apply(nullptr, {.keys = {key}});
  for (const Directory& directory :
       {Directory(index.get(), nullptr, 1), Directory(nullptr, delta.get(), 1)}) {
    const auto found = directory.find(key.digest);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, key.id);
    EXPECT_EQ(found->name, key.name);
    EXPECT_TRUE(found->is_blocked);
    EXPECT_FALSE(found->is_former);
    EXPECT_EQ(found->not_before, key.not_before);
    EXPECT_EQ(found->expires, key.expires);
    EXPECT_EQ(*found->terms, (KeyTerms{.kind = key.kind,
                                       .weight = 7,
                                       .priority_max = 3,
                                       .models = key.models,
                                       .limits = key.limits,
                                       .model_limits = key.model_limits,
                                       .allowed_addresses = key.allowed_addresses,
                                       .denied_addresses = key.denied_addresses,
                                       .tags = key.tags,
                                       .metadata = key.metadata}));
    EXPECT_TRUE(directory.has_key(key.id));
  }
}

TEST(Directory, equal_terms_are_kept_once) {
  KeyRecord other = key_of(3);
  other.models = {"gpt-*"};
  const IndexPtr index = index_of({key_of(1), key_of(2), other});
  const Directory directory(index.get(), nullptr, 1);
  EXPECT_EQ(directory.find(digest_of(1))->terms, directory.find(digest_of(2))->terms);
  EXPECT_NE(directory.find(digest_of(1))->terms, directory.find(digest_of(3))->terms);
}

TEST(Directory, d009_a_former_secret_is_good_until_its_end_and_the_key_s) {
  KeyRecord key = key_of(1);
  key.former_digest = digest_of(100);
  key.former_until = WallTime{50};
  KeyRecord short_lived = key_of(2);
  short_lived.former_digest = digest_of(200);
  short_lived.former_until = WallTime{50};
  short_lived.expires = WallTime{40};
  KeyRecord endless = key_of(3);
  endless.former_digest = digest_of(300);
  const IndexPtr index = index_of({key, short_lived, endless});
  const DeltaPtr delta = apply(nullptr, {.keys = {key, short_lived, endless}});
  for (const Directory& directory :
       {Directory(index.get(), nullptr, 1), Directory(nullptr, delta.get(), 1)}) {
    const auto former = directory.find(digest_of(100));
    ASSERT_TRUE(former);
    EXPECT_TRUE(former->is_former);
    EXPECT_EQ(former->id, "key_1");
    EXPECT_EQ(former->expires, WallTime{50});
    EXPECT_FALSE(directory.find(digest_of(1))->expires);
    EXPECT_EQ(directory.find(digest_of(200))->expires, WallTime{40});
    EXPECT_FALSE(directory.find(digest_of(300)));
  }
  EXPECT_EQ(figures_of(*index).keys, 3u);
}

// Nothing tells which secrets a key had, so it is by its id that they lose their effect.
TEST(Directory, a_rotated_key_is_not_found_by_what_it_was_before) {
  const IndexPtr index = index_of({key_of(1), key_of(2)});
  KeyRecord rotated = key_of(1);
  rotated.digest = digest_of(11);
  rotated.former_digest = digest_of(1);
  rotated.former_until = WallTime{50};
  const DeltaPtr once = apply(nullptr, {.keys = {rotated}});
  const Directory after_once(index.get(), once.get(), 2);
  EXPECT_TRUE(after_once.find(digest_of(1))->is_former);
  EXPECT_FALSE(after_once.find(digest_of(11))->is_former);

  rotated.digest = digest_of(12);
  rotated.former_digest.reset();
  rotated.former_until.reset();
  const DeltaPtr twice = apply(once.get(), {.keys = {rotated}});
  const Directory after_twice(index.get(), twice.get(), 3);
  EXPECT_FALSE(after_twice.find(digest_of(1)));
  EXPECT_FALSE(after_twice.find(digest_of(11)));
  EXPECT_EQ(after_twice.find(digest_of(12))->id, "key_1");
  EXPECT_EQ(after_twice.find(digest_of(2))->id, "key_2");
  // The earlier delta is what it was.
  EXPECT_TRUE(after_once.find(digest_of(1)));
}

TEST(Directory, a_secret_may_pass_to_another_key) {
  const IndexPtr index = index_of({key_of(1)});
  KeyRecord heir = key_of(2);
  heir.digest = digest_of(1);
  const DeltaPtr delta = apply(nullptr, {.keys = {heir}, .gone = {key_of(1)}});
  const Directory directory(index.get(), delta.get(), 2);
  EXPECT_EQ(directory.find(digest_of(1))->id, "key_2");
  EXPECT_FALSE(directory.has_key("key_1"));
  const IndexPtr folded = fold(index.get(), delta.get());
  EXPECT_EQ(Directory(folded.get(), nullptr, 3).find(digest_of(1))->id, "key_2");
}

TEST(Directory, a_changed_owner_binds_keys_that_stand_in_the_index) {
  KeyRecord key = key_of(1);
  key.organisation = "org_1";
  key.team = "team_1";
  key.user = "user_1";
  const IndexPtr index = index_of(
      {key}, {owner_of(OwnerLevel::kOrganisation, "org_1"), owner_of(OwnerLevel::kTeam, "team_1")});
  const Directory before(index.get(), nullptr, 1);
  auto found = before.find(key.digest);
  EXPECT_EQ(found->owners[0], nullptr);
  EXPECT_FALSE(found->owners[1]->is_blocked);
  EXPECT_EQ(found->owners[2]->id, "org_1");

  Owner blocked = owner_of(OwnerLevel::kTeam, "team_1");
  blocked.is_blocked = true;
  const DeltaPtr delta = apply(nullptr, {.owners = {blocked, owner_of(OwnerLevel::kUser, "user_1")},
                                         .gone_owners = {"org_1"}});
  const Directory after(index.get(), delta.get(), 2);
  found = after.find(key.digest);
  EXPECT_EQ(found->owners[0]->id, "user_1");
  EXPECT_TRUE(found->owners[1]->is_blocked);
  EXPECT_EQ(found->owners[2], nullptr);
  EXPECT_EQ(after.find_owner("org_1"), nullptr);
  EXPECT_TRUE(after.find_owner("team_1")->is_blocked);
  EXPECT_NE(before.find_owner("org_1"), nullptr);
}

TEST(Directory, a_key_is_bound_by_those_above_its_owners_too) {
  Owner user = owner_of(OwnerLevel::kUser, "user_1");
  user.team = "team_1";
  Owner team = owner_of(OwnerLevel::kTeam, "team_1");
  team.organisation = "org_1";
  const std::vector<Owner> owners = {user, team, owner_of(OwnerLevel::kOrganisation, "org_1")};
  KeyRecord key = key_of(1);
  key.user = "user_1";
  const IndexPtr index = index_of({key}, owners);
  const DeltaPtr delta = apply(nullptr, {.keys = {key}, .owners = owners});
  for (const Directory& directory :
       {Directory(index.get(), nullptr, 1), Directory(nullptr, delta.get(), 1)}) {
    const auto found = directory.find(key.digest);
    ASSERT_NE(found->owners[1], nullptr);
    EXPECT_EQ(found->owners[1]->id, "team_1");
    ASSERT_NE(found->owners[2], nullptr);
    EXPECT_EQ(found->owners[2]->id, "org_1");
  }
}

TEST(Directory, what_is_too_long_is_left_out_or_cut) {
  KeyRecord endless = key_of(1);
  endless.id.assign(kIdBytesMax + 1, 'i');
  KeyRecord named = key_of(2);
  named.name.assign(kNameBytesMax + 1, 'n');
  const IndexPtr index = index_of({endless, named});
  const DeltaPtr delta = apply(nullptr, {.keys = {endless, named}});
  for (const Directory& directory :
       {Directory(index.get(), nullptr, 1), Directory(nullptr, delta.get(), 1)}) {
    EXPECT_FALSE(directory.find(endless.digest));
    EXPECT_EQ(directory.find(named.digest)->name.size(), kNameBytesMax);
  }
}

// --- random changes against what they must amount to -------------------------------------------

class Oracle {
 public:
  explicit Oracle(uint64_t seed) : random_(seed) {}

  // One to four things at once, as one transaction may have them.
  DirectoryChange change() {
    std::map<std::string, KeyRecord> before = keys_;
    std::map<std::string, Owner> owners_before = owners_;
    for (uint64_t i = 0, steps = 1 + below(4); i < steps; ++i) step();
    DirectoryChange change;
    for (const auto& [id, key] : before) {
      if (!keys_.contains(id)) change.gone.push_back(key);
    }
    for (const auto& [id, key] : keys_) {
      if (!before.contains(id) || before[id] != key) change.keys.push_back(key);
    }
    for (const auto& [id, owner] : owners_before) {
      if (!owners_.contains(id)) change.gone_owners.push_back(id);
    }
    for (const auto& [id, owner] : owners_) {
      if (!owners_before.contains(id) || owners_before[id] != owner) change.owners.push_back(owner);
    }
    return change;
  }

  void check(const Directory& directory) const {
    for (uint64_t number = 0; number < next_digest_; ++number) {
      check_digest(directory, digest_of(number));
    }
    EXPECT_FALSE(directory.find(digest_of(next_digest_)));
    for (uint64_t number = 0; number < kKeys; ++number) {
      const std::string id = "key_" + std::to_string(number);
      EXPECT_EQ(directory.has_key(id), keys_.contains(id));
    }
    for (const std::string& id : owner_ids()) {
      const Owner* const owner = directory.find_owner(id);
      ASSERT_EQ(owner != nullptr, owners_.contains(id)) << id;
      if (owner != nullptr) EXPECT_EQ(*owner, owners_.at(id));
    }
  }

  [[nodiscard]] size_t keys() const { return keys_.size(); }
  [[nodiscard]] size_t owners() const { return owners_.size(); }

 private:
  static constexpr uint64_t kKeys = 60;

  static std::vector<std::string> owner_ids() {
    std::vector<std::string> ids;
    for (const char* level : {"user_", "team_", "org_"}) {
      for (int i = 0; i < 4; ++i) ids.push_back(level + std::to_string(i));
    }
    return ids;
  }

  uint64_t below(uint64_t end) { return random_() % end; }

  void step() {
    const std::string id = "key_" + std::to_string(below(kKeys));
    const auto found = keys_.find(id);
    switch (below(8)) {
      case 0:
      case 1:
        if (found == keys_.end()) create(id);
        break;
      case 2: keys_.erase(id); break;
      case 3:
        if (found != keys_.end()) rotate(found->second);
        break;
      case 4:
      case 5:
        if (found != keys_.end()) amend(found->second);
        break;
      default: change_owner();
    }
  }

  void create(const std::string& id) {
    KeyRecord& key = keys_[id];
    key.id = id;
    key.name = "n" + std::to_string(below(1000));
    key.digest = digest_of(next_digest_++);
    amend(key);
  }

  void rotate(KeyRecord& key) {
    key.former_digest.reset();
    key.former_until.reset();
    if (below(2) == 0) {
      key.former_digest = key.digest;
      key.former_until = WallTime{static_cast<int64_t>(below(1000))};
    }
    key.digest = digest_of(next_digest_++);
  }

  void amend(KeyRecord& key) {
    key.is_blocked = below(4) == 0;
    key.expires.reset();
    if (below(2) == 0) key.expires = WallTime{static_cast<int64_t>(below(1000))};
    key.models.clear();
    if (below(2) == 0) key.models = {"m" + std::to_string(below(3)) + "*"};
    const auto pick = [this](const char* level) {
      return below(3) == 0 ? std::string() : level + std::to_string(below(4));
    };
    key.user = pick("user_");
    key.team = pick("team_");
    key.organisation = pick("org_");
  }

  void change_owner() {
    const std::vector<std::string> ids = owner_ids();
    const std::string& id = ids[below(ids.size())];
    if (below(3) == 0) {
      owners_.erase(id);
    } else {
      owners_[id] = owner_of(OwnerLevel::kTeam, id);
      owners_[id].is_blocked = below(2) == 0;
      owners_[id].name = "o" + std::to_string(below(1000));
    }
  }

  void check_digest(const Directory& directory, const crypto::Digest& digest) const {
    const KeyRecord* expected = nullptr;
    for (const auto& [id, key] : keys_) {
      if (key.digest == digest || key.former_digest == digest) expected = &key;
    }
    const auto found = directory.find(digest);
    ASSERT_EQ(found.has_value(), expected != nullptr);
    if (expected == nullptr) return;
    EXPECT_EQ(found->id, expected->id);
    EXPECT_EQ(found->name, expected->name);
    EXPECT_EQ(found->is_blocked, expected->is_blocked);
    EXPECT_EQ(found->is_former, expected->digest != digest);
    EXPECT_EQ(found->terms->models, expected->models);
    std::optional<WallTime> expires = expected->expires;
    if (found->is_former) {
      expires = std::min(expires.value_or(*expected->former_until), *expected->former_until);
    }
    EXPECT_EQ(found->expires, expires);
    const std::array<std::string, 3> named = {expected->user, expected->team,
                                              expected->organisation};
    for (size_t i = 0; i < named.size(); ++i) {
      const auto owner = owners_.find(named[i]);
      ASSERT_EQ(found->owners[i] != nullptr, owner != owners_.end());
      if (owner != owners_.end()) EXPECT_EQ(*found->owners[i], owner->second);
    }
  }

  std::mt19937_64 random_;
  uint64_t next_digest_ = 0;
  std::map<std::string, KeyRecord> keys_;
  std::map<std::string, Owner> owners_;
};

class DirectoryWalk : public testing::TestWithParam<uint64_t> {};

TEST_P(DirectoryWalk, is_after_any_changes_and_folds_what_the_store_is) {
  Oracle oracle(GetParam());
  std::mt19937_64 random(GetParam() + 1);
  IndexPtr index;
  DeltaPtr delta;
  for (uint64_t version = 1; version <= 150; ++version) {
    delta = apply(delta.get(), oracle.change());
    oracle.check(Directory(index.get(), delta.get(), version));
    if (random() % 10 == 0) {
      IndexPtr folded = fold(index.get(), delta.get());
      EXPECT_EQ(figures_of(*folded).keys, oracle.keys());
      EXPECT_EQ(figures_of(*folded).owners, oracle.owners());
      index = std::move(folded);
      delta.reset();
      oracle.check(Directory(index.get(), nullptr, version));
    }
    if (HasFatalFailure()) return;
  }
}

// What came while an index was made goes over it just as it went over the one before.
TEST_P(DirectoryWalk, changes_that_came_meanwhile_fit_over_the_folded_index) {
  Oracle oracle(GetParam());
  DeltaPtr delta;
  for (int i = 0; i < 50; ++i) delta = apply(delta.get(), oracle.change());
  const IndexPtr first = fold(nullptr, delta.get());
  DeltaPtr old_delta;
  for (int i = 0; i < 20; ++i) old_delta = apply(old_delta.get(), oracle.change());
  const IndexPtr folded = fold(first.get(), old_delta.get());
  DeltaPtr meanwhile;
  for (int i = 0; i < 20; ++i) {
    const DirectoryChange change = oracle.change();
    meanwhile = apply(meanwhile.get(), change);
    old_delta = apply(old_delta.get(), change);
    oracle.check(Directory(folded.get(), meanwhile.get(), 1));
    oracle.check(Directory(first.get(), old_delta.get(), 1));
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DirectoryWalk, testing::Range<uint64_t>(1, 13));

TEST(Directory, many_keys_take_little_room) {
  constexpr uint64_t kCount = 20'000;
  DirectoryBuilder builder;
  for (uint64_t i = 0; i < kCount; ++i) {
    KeyRecord key = key_of(i);
    key.id = "key_" + std::string(24, 'a') + std::to_string(i);
    key.id.erase(4, key.id.size() - 28);
    builder.add(key);
  }
  const IndexPtr index = builder.finish();
  const Directory directory(index.get(), nullptr, 1);
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_TRUE(directory.find(digest_of(i)));
  EXPECT_EQ(figures_of(*index).keys, kCount);
  EXPECT_LT(figures_of(*index).bytes / kCount, 220u);  // Of which chunks are half a one too many.
}

}  // namespace
}  // namespace sluice::auth
