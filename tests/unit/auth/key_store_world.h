// A key store in a folder of its own, under a clock that is moved by hand.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sluice/auth/key_store.h>
#include <sluice/config/address_text.h>
#include <sluice/config/limit_amounts.h>
#include <sluice/crypto/digest.h>
#include <sluice/store/sqlite_db.h>

#include "../store/sqlite_folder.h"

namespace sluice::auth {

class HandClock final : public Clock {
 public:
  [[nodiscard]] MonoTime now() noexcept override { return {}; }
  [[nodiscard]] WallTime wall() noexcept override { return time; }
  void advance(Duration by) {
    time.unix_us += std::chrono::duration_cast<microseconds>(by).count();
  }
  WallTime time{1'800'000'000'000'000};
};

inline const Actor kRoot{.name = "unix:uid=0", .origin = "unix"};

inline crypto::Digest digest_of(std::string_view secret) { return crypto::sha256(secret); }

inline KeyRecord new_key(std::string_view secret, std::string_view name = "app") {
  KeyRecord key;
  key.name = name;
  key.prefix = std::string(secret.substr(0, 7));
  key.digest = digest_of(secret);
  return key;
}

// With something in every field that can be chosen.
inline KeyRecord full_key(std::string_view secret) {
  KeyRecord key = new_key(secret, "full");
  key.kind = KeyKind::kManagement;
  key.is_blocked = true;
  key.not_before = WallTime{1'700'000'000'000'001};
  key.expires = WallTime{1'900'000'000'000'001};
  key.models = {"gpt-*", "llama\"3\\"};
  EXPECT_TRUE(
      config::add_limit(key.limits, config::LimitScope::kKey, "key", "requests_per_minute", 60));
  EXPECT_TRUE(
      config::add_limit(key.limits, config::LimitScope::kKey, "key", "budget_per_day", 0.123456));
  for (const std::string glob : {"gpt-*", "*"}) {
    std::vector<config::LimitRule> rules;
    EXPECT_TRUE(config::add_limit(rules, config::LimitScope::kKeyModel, "key/" + glob,
                                  "tokens_per_day", 1u << 30));
    key.model_limits.push_back({glob, rules[0]});
  }
  key.allowed_addresses = {*config::read_address_range("10.0.0.0/8"),
                           *config::read_address_range("fd00::/8")};
  key.denied_addresses = {*config::read_address_range("10.0.0.7")};
  key.weight = 7;
  key.priority_max = 3;
  key.tags = {"blue", "red 2"};
  key.metadata = R"({"a":[1,2,{"b":"c"}]})";
  return key;
}

class StoreWorld {
 public:
  explicit StoreWorld(const KeyStoreOptions& options = {}) { open(options); }

  void open(const KeyStoreOptions& options = {}) {
    store.reset();
    auto opened = KeyStore::open(folder.file(), clock, options);
    ASSERT_TRUE(opened) << opened.error();
    store = std::move(*opened);
  }
  KeyRecord create(KeyRecord key, const Actor& actor = kRoot) const {
    auto made = store->create_key(actor, std::move(key));
    EXPECT_TRUE(made) << made.error().text;
    return made ? *made : KeyRecord();
  }
  Owner create(Owner owner, const Actor& actor = kRoot) const {
    auto made = store->create_owner(actor, std::move(owner));
    EXPECT_TRUE(made) << made.error().text;
    return made ? *made : Owner();
  }
  [[nodiscard]] std::vector<std::string> keys_of(const Actor& actor,
                                                 const KeyFilter& filter = {}) const {
    std::vector<std::string> names;
    const auto keys = store->list_keys(actor, filter, {});
    EXPECT_TRUE(keys);
    for (const KeyRecord& key : *keys) names.push_back(key.name);
    std::ranges::sort(names);
    return names;
  }

  store::SqliteFolder folder;
  HandClock clock;
  std::unique_ptr<KeyStore> store;
};

using Names = std::vector<std::string>;

template <class T>
StoreFault fault_of(const StoreResult<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? StoreFault::kBroken : result.error().fault;
}
template <class T>
std::string field_of(const StoreResult<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? "(none)" : result.error().field;
}

// Ends the process with SIGKILL before its `at`th statement.
class Assassin final : public store::SqliteWatcher {
 public:
  explicit Assassin(int at) noexcept : at_(at) {}
  void on_statement(std::string_view) override {
    if (is_armed && at_-- == 0) ::kill(::getpid(), SIGKILL);
  }
  bool is_armed = true;

 private:
  int at_;
};

}  // namespace sluice::auth
