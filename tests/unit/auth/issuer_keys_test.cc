#include "issuer_keys.h"

#include <gtest/gtest.h>

#include "fake_key_fetch.h"
#include "sim_world.h"
#include "test_tokens.h"

namespace sluice::auth {
namespace {

using crypto::JwtAlgorithm;
using support::TokenKey;
using support::TokenKeyKind;

constexpr auto kKeysUrl = "https://issuer.example/keys";
constexpr auto kDiscoveryUrl = "https://issuer.example/.well-known/openid-configuration";

class IssuerKeysTest : public testing::Test {
 protected:
  IssuerKeysTest() {
    settings_.name = "oidc";
    settings_.issuer = "https://issuer.example";
    settings_.jwks_url = kKeysUrl;
  }
  ~IssuerKeysTest() override { end(); }

  void publish(std::string_view kid, std::optional<Duration> max_age = std::nullopt) {
    fetch_.documents[kKeysUrl] = {R"({"keys":[)" + key_.jwk(kid) + "]}", max_age};
  }
  void start() {
    keys_.start();
    wait(milliseconds(1));
  }
  void wait(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  static Task<void> want(IssuerKeys* keys, Deadline deadline, int* done) {
    co_await keys->refresh(deadline);
    ++*done;
  }
  void refresh(Duration patience = seconds(2)) {
    io::start_detached(want(&keys_, Deadline::after(ring_.now(), patience), &refreshed_));
    wait(milliseconds(1));
  }
  void end() {
    if (std::exchange(has_ended_, true)) return;
    io::start_detached(keys_.end());
    wait(milliseconds(1));
  }
  [[nodiscard]] bool knows(std::string_view kid) const {
    return keys_.present() != nullptr && keys_.present()->knows(kid, JwtAlgorithm::kEs256);
  }
  [[nodiscard]] size_t asked() const { return fetch_.asked.size(); }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 16}};
  TokenKey key_{TokenKeyKind::kP256};
  config::SourceSettings settings_;
  FakeKeyFetch fetch_{ring_};
  support::KeptLines log_;
  IssuerKeys keys_{ring_, log_, fetch_, settings_};
  int refreshed_ = 0;
  bool has_ended_ = false;
};

TEST_F(IssuerKeysTest, the_set_is_fetched_at_the_start) {
  publish("a");
  EXPECT_EQ(keys_.present(), nullptr);
  start();
  EXPECT_TRUE(knows("a"));
  EXPECT_EQ(log_.lines, std::vector<std::string>{"oidc: 1 keys of https://issuer.example"});
}

TEST_F(IssuerKeysTest, it_is_fetched_again_when_it_has_aged) {
  publish("a", seconds(300));
  start();
  publish("b", seconds(300));
  wait(seconds(299));
  EXPECT_TRUE(knows("a"));
  wait(seconds(2));
  EXPECT_TRUE(knows("b"));
  EXPECT_FALSE(knows("a"));
}

TEST_F(IssuerKeysTest, its_age_is_bounded_below_and_above) {
  publish("a", seconds(0));
  start();
  wait(seconds(59));
  EXPECT_EQ(asked(), 1u);
  publish("a", seconds(10'000'000));
  wait(seconds(2));
  EXPECT_EQ(asked(), 2u);
  wait(seconds(86'390));
  EXPECT_EQ(asked(), 2u);
  wait(seconds(20));
  EXPECT_EQ(asked(), 3u);
}

TEST_F(IssuerKeysTest, an_age_that_is_not_said_is_an_hour) {
  publish("a");
  start();
  wait(seconds(3590));
  EXPECT_EQ(asked(), 1u);
  wait(seconds(20));
  EXPECT_EQ(asked(), 2u);
}

TEST_F(IssuerKeysTest, stale_keys_stay_while_the_issuer_is_down) {
  publish("a", seconds(60));
  start();
  fetch_.documents.clear();
  wait(seconds(4000));
  EXPECT_TRUE(knows("a"));
  EXPECT_GT(asked(), 300u);  // Every ten seconds.
  EXPECT_LT(asked(), 500u);
  ASSERT_EQ(log_.lines.size(), 2u);  // The failure is told once.
  EXPECT_NE(log_.lines[1].find("stay in use"), std::string::npos);
  publish("b", seconds(60));
  wait(seconds(11));
  EXPECT_TRUE(knows("b"));
  EXPECT_EQ(log_.lines.size(), 3u);
}

TEST_F(IssuerKeysTest, nonsense_does_not_replace_a_set) {
  publish("a", seconds(60));
  start();
  fetch_.documents[kKeysUrl].body = "<html>";
  wait(seconds(70));
  EXPECT_TRUE(knows("a"));
  fetch_.documents[kKeysUrl].body = R"({"keys":[]})";
  wait(seconds(20));
  EXPECT_TRUE(knows("a"));
}

TEST_F(IssuerKeysTest, a_wish_fetches_at_once_but_not_within_ten_seconds) {
  publish("a");
  start();
  refresh();
  EXPECT_EQ(refreshed_, 1);
  EXPECT_EQ(asked(), 1u);
  wait(seconds(10));
  publish("b");
  refresh();
  EXPECT_EQ(refreshed_, 2);
  EXPECT_EQ(asked(), 2u);
  EXPECT_TRUE(knows("b"));
  refresh();
  EXPECT_EQ(refreshed_, 3);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(IssuerKeysTest, wishes_during_a_fetch_wait_for_it_together) {
  publish("a");
  fetch_.hangs = true;
  start();
  refresh();
  refresh();
  EXPECT_EQ(refreshed_, 0);
  fetch_.release();
  wait(milliseconds(1));
  EXPECT_EQ(refreshed_, 2);
  EXPECT_EQ(asked(), 1u);
  EXPECT_TRUE(knows("a"));
}

TEST_F(IssuerKeysTest, a_wish_ends_at_its_deadline) {
  fetch_.hangs = true;
  start();
  refresh(milliseconds(100));
  wait(milliseconds(120));
  EXPECT_EQ(refreshed_, 1);
  fetch_.release();
}

TEST_F(IssuerKeysTest, the_end_does_not_wait_for_an_issuer_that_hangs) {
  fetch_.hangs = true;
  start();
  refresh();
  end();
  EXPECT_EQ(refreshed_, 1);
  refresh();
  EXPECT_EQ(refreshed_, 2);
}

TEST_F(IssuerKeysTest, the_place_of_the_keys_is_discovered) {
  settings_.jwks_url.clear();
  publish("a");
  fetch_.documents[kDiscoveryUrl] = {
      R"({"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys"})", {}};
  start();
  EXPECT_TRUE(knows("a"));
  EXPECT_EQ(fetch_.asked, (std::vector<std::string>{kDiscoveryUrl, kKeysUrl}));
}

TEST_F(IssuerKeysTest, a_slash_at_the_end_of_the_issuer_is_not_doubled) {
  settings_.jwks_url.clear();
  settings_.issuer = "https://issuer.example/";
  start();
  EXPECT_EQ(fetch_.asked, (std::vector<std::string>{kDiscoveryUrl}));
}

TEST_F(IssuerKeysTest, a_discovery_that_says_something_else_is_refused) {
  settings_.jwks_url.clear();
  publish("a");
  fetch_.documents["http://issuer.example/keys"] = fetch_.documents[kKeysUrl];
  for (const auto* text :
       {"", "[]", R"({"issuer":"https://issuer.example"})",
        R"({"issuer":"https://evil.example","jwks_uri":"https://issuer.example/keys"})",
        R"({"jwks_uri":"https://issuer.example/keys"})",
        R"({"issuer":"https://issuer.example","jwks_uri":7})",
        R"({"issuer":"https://issuer.example","jwks_uri":"http://issuer.example/keys"})"}) {
    fetch_.documents[kDiscoveryUrl] = {text, {}};
    if (fetch_.asked.empty()) start();
    wait(seconds(11));
    EXPECT_FALSE(knows("a")) << text;
  }
  for (const std::string& url : fetch_.asked) EXPECT_EQ(url, kDiscoveryUrl);
}

}  // namespace
}  // namespace sluice::auth
