#include <sluice/auth/chain.h>

#include <gtest/gtest.h>

#include <string>

namespace sluice::auth {
namespace {

constexpr WallTime kNow{1'000'000};

config::Snapshot with_keys(std::initializer_list<std::string_view> secrets) {
  config::Snapshot snapshot;
  for (const std::string_view secret : secrets) {
    const KeyId id{static_cast<uint32_t>(snapshot.keys.size())};
    config::Key key;
    key.digest = crypto::sha256(secret);
    key.tenant = TenantId{0};
    snapshot.keys.push_back(key);
    snapshot.keys_by_digest[key.digest] = id;
  }
  return snapshot;
}

// As an exchange does with keys of the configuration alone.
Result<Principal> identify(const Chain& chain, const Credentials& credentials, KeyMemory& memory) {
  const Result<Claim> claim = chain.read(credentials, kNow, memory);
  if (!claim) return Unexpected(claim.error());
  if (claim->principal) return *claim->principal;
  const Answer answer = chain.ask_file(claim->digest, kNow);
  if (answer.verdict != Verdict::kAllow) {
    return fail(ErrorCode::kInvalidApiKey, Side::kDownstream, answer.reason);
  }
  memory.remember(credentials, claim->digest);
  return answer.principal;
}

// As the first request of a connection does.
Result<Principal> identify(const Chain& chain, const Credentials& credentials) {
  KeyMemory memory;
  return identify(chain, credentials, memory);
}

TEST(Chain, finds_the_key_by_each_header) {
  const config::Snapshot snapshot = with_keys({"sk-1", "sk-2"});
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  EXPECT_EQ(identify(chain, {.authorization = "Bearer sk-2"})->key, KeyId{1});
  EXPECT_EQ(identify(chain, {.x_api_key = "sk-1"})->key, KeyId{0});
  EXPECT_EQ(identify(chain, {.api_key = "sk-2"})->key, KeyId{1});
}

TEST(Chain, refuses_and_tells_the_log_why) {
  config::Snapshot snapshot = with_keys({"sk-1"});
  snapshot.keys[0].expires = kNow;
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  const auto detail = [&](const Credentials& credentials) {
    const auto principal = identify(chain, credentials);
    EXPECT_EQ(principal.error().code, ErrorCode::kInvalidApiKey);
    return principal.error().detail;
  };
  EXPECT_EQ(detail({}), "no key");
  EXPECT_EQ(detail({.x_api_key = "sk-9"}), "unknown key");
  EXPECT_EQ(detail({.x_api_key = "sk-1"}), "key expired");
}

// Goal: near misses of a real key are refused: prefix, extension, one bit, other case.
TEST(Chain, refuses_near_misses) {
  const config::Snapshot snapshot = with_keys({"sk-abcdef"});
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  for (const char* secret : {"sk-abcde", "sk-abcdefg", "sk-abcdeg", "SK-ABCDEF", "sk-abcdef="}) {
    EXPECT_FALSE(identify(chain, {.x_api_key = secret}).has_value()) << secret;
  }
}

TEST(Chain, development_without_keys_lets_everyone_in_as_anonymous) {
  config::Snapshot snapshot;
  snapshot.development = true;
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  for (const Credentials& credentials :
       {Credentials{}, Credentials{.authorization = "Bearer whatever"}}) {
    const auto principal = identify(chain, credentials);
    ASSERT_TRUE(principal.has_value());
    EXPECT_TRUE(principal->is_anonymous());
    EXPECT_EQ(principal->tenant, TenantId{0});
  }
}

// Goal: openness needs both, the mode and the absence of keys.
TEST(Chain, is_closed_otherwise) {
  config::Snapshot development = with_keys({"sk-1"});
  development.development = true;
  EXPECT_FALSE(identify(Chain(KeyTable(development), development.auth), {}).has_value());
  const config::Snapshot empty;
  EXPECT_FALSE(identify(Chain(KeyTable(empty), empty.auth), {}).has_value());
  EXPECT_FALSE(identify(Chain(KeyTable(empty), empty.auth), {.x_api_key = "sk-1"}).has_value());
}

// Goal: the certificate decides where a key has its subject, and the headers where none has.
TEST(Chain, a_certificate_goes_before_the_headers) {
  config::Snapshot snapshot = with_keys({"sk-1", "sk-2"});
  snapshot.keys_by_subject["CN=team-a"] = KeyId{1};
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  KeyMemory memory;
  memory.set_certificate_subject("CN=team-a");
  EXPECT_EQ(identify(chain, {}, memory)->key, KeyId{1});
  EXPECT_EQ(identify(chain, {.x_api_key = "sk-1"}, memory)->key, KeyId{1});
  snapshot.keys[1].expires = kNow;
  EXPECT_EQ(identify(chain, {}, memory).error().detail, "key expired");

  memory.set_certificate_subject("CN=team-b");
  EXPECT_EQ(identify(chain, {.x_api_key = "sk-1"}, memory)->key, KeyId{0});
  EXPECT_FALSE(identify(chain, {}, memory).has_value());
}

// Goal: what a connection remembers spares the digest and nothing else.
TEST(Chain, asks_about_a_remembered_key_each_time) {
  config::Snapshot snapshot = with_keys({"sk-1", "sk-2"});
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  const Credentials credentials{.authorization = "Bearer sk-1"};
  KeyMemory memory;
  ASSERT_TRUE(identify(chain, credentials, memory).has_value());
  ASSERT_NE(memory.recall(credentials), nullptr);
  EXPECT_EQ(identify(chain, credentials, memory)->key, KeyId{0});

  snapshot.keys[0].expires = kNow;
  EXPECT_EQ(identify(chain, credentials, memory).error().detail, "key expired");
  const config::Snapshot without_it = with_keys({"sk-2"});
  const Chain other(KeyTable(without_it), without_it.auth);
  EXPECT_EQ(identify(other, credentials, memory).error().detail, "unknown key");
  EXPECT_EQ(identify(chain, {.authorization = "Bearer sk-2"}, memory)->key, KeyId{1});
}

TEST(Chain, remembers_no_key_that_was_refused) {
  const config::Snapshot snapshot = with_keys({"sk-1"});
  const Chain chain(KeyTable(snapshot), snapshot.auth);
  KeyMemory memory;
  EXPECT_FALSE(identify(chain, {.x_api_key = "sk-9"}, memory).has_value());
  EXPECT_EQ(memory.recall({.x_api_key = "sk-9"}), nullptr);
}

}  // namespace
}  // namespace sluice::auth
