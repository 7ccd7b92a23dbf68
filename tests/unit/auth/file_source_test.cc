#include <sluice/auth/file_source.h>

#include <gtest/gtest.h>

namespace sluice::auth {
namespace {

constexpr WallTime kNow{1'000'000};

config::Snapshot one_key(std::string_view secret) {
  config::Snapshot snapshot;
  config::Key key;
  key.name = "ada";
  key.digest = crypto::sha256(secret);
  key.tenant = TenantId{3};
  key.weight = 7;
  key.priority_max = 2;
  snapshot.keys.push_back(key);
  snapshot.keys_by_digest[key.digest] = KeyId{0};
  return snapshot;
}

TEST(FileSource, allows_a_known_key_with_its_rights) {
  const config::Snapshot snapshot = one_key("sk-1");
  const Answer answer = FileSource(KeyTable(snapshot)).ask(crypto::sha256("sk-1"), kNow);
  ASSERT_EQ(answer.verdict, Verdict::kAllow);
  EXPECT_EQ(answer.principal.key, KeyId{0});
  EXPECT_EQ(answer.principal.tenant, TenantId{3});
  EXPECT_EQ(answer.principal.weight, 7u);
  EXPECT_EQ(answer.principal.priority_max, 2u);
}

TEST(FileSource, passes_on_an_unknown_key) {
  const config::Snapshot snapshot = one_key("sk-1");
  EXPECT_EQ(FileSource(KeyTable(snapshot)).ask(crypto::sha256("sk-2"), kNow).verdict,
            Verdict::kPass);
}

TEST(FileSource, denies_an_expired_key_from_the_moment_it_expires) {
  config::Snapshot snapshot = one_key("sk-1");
  snapshot.keys[0].expires = WallTime{kNow.unix_us};
  const FileSource source{KeyTable(snapshot)};
  const crypto::Digest digest = crypto::sha256("sk-1");
  EXPECT_EQ(source.ask(digest, WallTime{kNow.unix_us - 1}).verdict, Verdict::kAllow);
  EXPECT_EQ(source.ask(digest, kNow).verdict, Verdict::kDeny);
  EXPECT_EQ(source.ask(digest, kNow).reason, "key expired");
}

// Goal: the look-up alone lets nobody in. The table is given a wrong entry, which only the
// comparison of the whole digests can catch.
TEST(FileSource, d104_the_digest_is_confirmed_after_the_look_up) {
  config::Snapshot snapshot = one_key("sk-1");
  snapshot.keys_by_digest[crypto::sha256("sk-evil")] = KeyId{0};
  snapshot.keys_by_digest[crypto::sha256("sk-far")] = KeyId{99};
  const FileSource source{KeyTable(snapshot)};
  EXPECT_EQ(source.ask(crypto::sha256("sk-evil"), kNow).verdict, Verdict::kPass);
  EXPECT_EQ(source.ask(crypto::sha256("sk-far"), kNow).verdict, Verdict::kPass);
  EXPECT_EQ(source.ask(crypto::sha256("sk-1"), kNow).verdict, Verdict::kAllow);
}

}  // namespace
}  // namespace sluice::auth
