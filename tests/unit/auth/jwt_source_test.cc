#include <sluice/auth/jwt_source.h>

#include <gtest/gtest.h>

#include "fake_key_fetch.h"
#include "sim_world.h"
#include "test_tokens.h"

namespace sluice::auth {
namespace {

using support::encode_base64url;
using support::TokenKey;
using support::TokenKeyKind;
using Kind = KeyAnswer::Kind;

constexpr auto kKeySetUrl = "https://issuer.example/keys";

class JwtSourceTest : public testing::Test {
 protected:
  JwtSourceTest() {
    settings_.kind = config::SourceKind::kJwt;
    settings_.name = "oidc";
    settings_.issuer = "https://issuer.example";
    settings_.jwks_url = kKeySetUrl;
    settings_.audiences = {"gateway"};
    publish();
  }
  ~JwtSourceTest() override {
    if (source_ == nullptr) return;
    io::start_detached(source_->end());
    wait(milliseconds(1));
  }

  void publish() {
    documents_[kKeySetUrl] = {
        R"({"keys":[)" + rsa_.jwk("r") + "," + p256_.jwk("p") + "," + edwards_.jwk("e") + "]}",
        std::nullopt};
  }
  void make() {
    auto fetch = std::make_unique<FakeKeyFetch>(ring_);
    fetch_ = fetch.get();
    fetch_->documents = documents_;
    source_ = std::make_unique<JwtSource>(ring_, log_, settings_, std::move(fetch));
    source_->start();
    wait(milliseconds(1));
  }
  void wait(Duration duration) { ASSERT_TRUE(world_.run_for(ring_, duration)); }
  static Task<void> put(JwtSource* source, KeyQuestion question, Deadline deadline,
                        std::optional<KeyAnswer>* out) {
    KeyAnswer answer = co_await source->ask(question, deadline);
    out->emplace(std::move(answer));
  }
  KeyAnswer ask(const std::string& token) {
    if (source_ == nullptr) make();
    std::optional<KeyAnswer> answer;
    const Deadline deadline = Deadline::after(ring_.now(), seconds(2));
    io::start_detached(
        put(source_.get(), {.secret = token, .digest = crypto::sha256(token)}, deadline, &answer));
    EXPECT_TRUE(world_.run_until(ring_, [&] { return answer.has_value(); }));
    return answer.value_or(KeyAnswer{});
  }
  [[nodiscard]] int64_t now() { return world_.clock().wall().unix_us / 1'000'000; }
  std::string claims(std::string_view more = "", int64_t lifetime = 600) {
    return R"({"iss":"https://issuer.example","aud":"gateway","sub":"ada","exp":)" +
           std::to_string(now() + lifetime) + std::string(more) + "}";
  }

  support::SimWorld world_;
  io::Ring ring_{world_.kernel(), world_.syscalls(), world_.clock(), {.hot = 16, .most = 16}};
  static inline TokenKey rsa_{TokenKeyKind::kRsa2048};
  static inline TokenKey p256_{TokenKeyKind::kP256};
  static inline TokenKey edwards_{TokenKeyKind::kEd25519};
  config::SourceSettings settings_;
  std::map<std::string, FetchedDocument> documents_;
  support::KeptLines log_;
  FakeKeyFetch* fetch_ = nullptr;
  std::unique_ptr<JwtSource> source_;
};

TEST_F(JwtSourceTest, a_token_of_each_algorithm_is_a_key) {
  const std::pair<const TokenKey*, const char*> cases[] = {
      {&rsa_, R"({"alg":"RS256","kid":"r"})"},
      {&p256_, R"({"alg":"ES256","kid":"p","typ":"JWT"})"},
      {&edwards_, R"({"alg":"EdDSA","kid":"e"})"}};
  for (const auto& [key, header] : cases) {
    const KeyAnswer answer = ask(key->token(header, claims()));
    ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
    EXPECT_EQ(answer.record.id, "oidc:ada");
    EXPECT_EQ(answer.record.user, "ada");
    EXPECT_FALSE(answer.record.is_blocked);
  }
}

TEST_F(JwtSourceTest, limits_count_by_subject_and_the_record_ends_with_the_token) {
  const KeyAnswer one = ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims()));
  const KeyAnswer two = ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims("", 900)));
  EXPECT_EQ(one.record.id, two.record.id);
  EXPECT_NE(one.record.digest, two.record.digest);
  ASSERT_TRUE(one.record.expires && two.record.expires);
  EXPECT_EQ(two.record.expires->unix_us - one.record.expires->unix_us, 300'000'000);
  EXPECT_EQ(one.record.expires->unix_us, (now() + 600 + 60) * 1'000'000);
}

TEST_F(JwtSourceTest, an_answer_holds_no_longer_than_the_token) {
  settings_.leeway = Duration::zero();
  EXPECT_EQ(ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims("", 600))).ttl, seconds(60));
  const Duration ttl = ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims("", 30))).ttl;
  EXPECT_LE(ttl, seconds(30));
  EXPECT_GT(ttl, seconds(28));
}

TEST_F(JwtSourceTest, d006_other_keys_and_other_issuers_are_not_known_here) {
  EXPECT_EQ(ask("sk-0123456789").kind, Kind::kNotFound);
  EXPECT_EQ(ask("").kind, Kind::kNotFound);
  EXPECT_EQ(ask(std::string(100'000, 'a')).kind, Kind::kNotFound);
  const KeyAnswer other = ask(
      p256_.token(R"({"alg":"ES256","kid":"p"})", R"({"iss":"https://other.example","sub":"a"})"));
  EXPECT_EQ(other.kind, Kind::kNotFound);
  EXPECT_EQ(other.reason, "it is of another issuer");
}

TEST_F(JwtSourceTest, tampered_tokens_are_not_known) {
  const std::string good = rsa_.token(R"({"alg":"RS256","kid":"r"})", claims());
  ASSERT_EQ(ask(good).kind, Kind::kFound);
  const std::string signature = good.substr(good.rfind('.'));
  const auto with = [&](std::string_view header, const std::string& body) {
    return encode_base64url(header) + "." + encode_base64url(body) + signature;
  };
  const std::string tampered[] = {
      with(R"({"alg":"RS256","kid":"r"})", claims(R"(,"admin":true)")),
      with(R"({"alg":"RS256","kid":"r" })", claims()),
      with(R"({"alg":"none","kid":"r"})", claims()), with(R"({"alg":"HS256","kid":"r"})", claims()),
      with(R"({"alg":"RS256"})", claims()), good.substr(0, good.rfind('.') + 1),
      good.substr(0, good.size() - 1), good + "A", good + ".",
      // The key of one algorithm under the name of another, and a stranger's under ours.
      p256_.token(R"({"alg":"RS256","kid":"r"})", claims()),
      p256_.token(R"({"alg":"ES256","kid":"r"})", claims()),
      rsa_.token(R"({"alg":"RS256","kid":"p"})", claims()),
      TokenKey(TokenKeyKind::kP256).token(R"({"alg":"ES256","kid":"p"})", claims()),
      TokenKey(TokenKeyKind::kEd25519).token(R"({"alg":"EdDSA","kid":"e"})", claims())};
  for (const std::string& token : tampered) {
    EXPECT_EQ(ask(token).kind, Kind::kNotFound) << token;
  }
}

TEST_F(JwtSourceTest, a_flipped_bit_anywhere_is_never_allowed) {
  const std::string good = edwards_.token(R"({"alg":"EdDSA","kid":"e"})", claims());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed == good) continue;
    EXPECT_NE(ask(changed).kind, Kind::kFound) << i;
  }
}

TEST_F(JwtSourceTest, an_expired_token_is_not_known) {
  EXPECT_EQ(ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims("", -61))).kind,
            Kind::kNotFound);
  EXPECT_EQ(log_.lines.back(), "oidc: not accepted: it has expired");
  EXPECT_EQ(ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims("", -50))).kind, Kind::kFound);
}

TEST_F(JwtSourceTest, an_unknown_key_makes_it_look_once) {
  const TokenKey next(TokenKeyKind::kP256);
  const std::string token = next.token(R"({"alg":"ES256","kid":"next"})", claims());
  EXPECT_EQ(ask(token).kind, Kind::kNotFound);
  EXPECT_EQ(fetch_->asked.size(), 1u);  // Too soon after the first fetch.
  wait(seconds(10));
  fetch_->documents[kKeySetUrl].body = R"({"keys":[)" + next.jwk("next") + "]}";
  EXPECT_EQ(ask(token).kind, Kind::kFound);
  EXPECT_EQ(fetch_->asked.size(), 2u);
  // The former key is gone with the set.
  EXPECT_EQ(ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims())).kind, Kind::kNotFound);
  EXPECT_EQ(fetch_->asked.size(), 2u);
}

TEST_F(JwtSourceTest, without_keys_a_token_of_ours_cannot_be_judged) {
  documents_.clear();
  const KeyAnswer answer = ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims()));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason, "the keys of the issuer are not known yet");
  EXPECT_EQ(ask("sk-0123").kind, Kind::kNotFound);
}

TEST_F(JwtSourceTest, claims_are_fields_of_the_key) {
  settings_.claims = {{"email", "name"},
                      {"org.id", "organisation"},
                      {"groups", "team"},
                      {"https://x.example/models", "models"},
                      {"rpm", "requests_per_minute"},
                      {"oid", "user"}};
  const KeyAnswer answer = ask(
      p256_.token(R"({"alg":"ES256","kid":"p"})",
                  claims(R"(,"email":"ada@example.com","org":{"id":"acme"},"groups":["blue"],)"
                         R"("https://x.example/models":["gpt-*","small"],"rpm":30,"oid":"u1")")));
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_EQ(answer.record.id, "oidc:ada");
  EXPECT_EQ(answer.record.organisation, "acme");
  EXPECT_EQ(answer.record.team, "blue");
  EXPECT_EQ(answer.record.user, "u1");
  EXPECT_EQ(answer.record.models, (std::vector<std::string>{"gpt-*", "small"}));
  EXPECT_EQ(answer.record.limits.size(), 1u);
}

TEST_F(JwtSourceTest, a_token_without_a_claim_that_restricts_is_not_accepted) {
  settings_.claims = {{"models", "models"}, {"email", "name"}};
  for (const auto* more : {"", R"(,"models":null)", R"(,"models":[])", R"(,"models":"")"}) {
    const KeyAnswer answer = ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims(more)));
    EXPECT_EQ(answer.kind, Kind::kNotFound) << more;
  }
  EXPECT_EQ(ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims(R"(,"models":["a"])"))).kind,
            Kind::kFound);
}

TEST_F(JwtSourceTest, a_claim_that_makes_no_sense_is_a_failure_that_names_it) {
  settings_.claims = {{"groups", "team"}};
  const KeyAnswer answer =
      ask(p256_.token(R"({"alg":"ES256","kid":"p"})", claims(R"(,"groups":["a","b"])")));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_NE(answer.reason.find("groups"), std::string::npos);
}

TEST_F(JwtSourceTest, a_long_subject_is_told_apart_all_the_same) {
  const auto id_of = [&](const std::string& subject) {
    return ask(p256_.token(R"({"alg":"ES256","kid":"p"})",
                           R"({"iss":"https://issuer.example","aud":"gateway","sub":")" + subject +
                               R"(","exp":)" + std::to_string(now() + 600) + "}"))
        .record.id;
  };
  const std::string one = id_of(std::string(200, 'x') + "1");
  EXPECT_EQ(one.size(), std::string("oidc:").size() + 24);
  EXPECT_NE(one, id_of(std::string(200, 'x') + "2"));
  EXPECT_EQ(one, id_of(std::string(200, 'x') + "1"));
}

TEST_F(JwtSourceTest, the_end_answers_who_waits) {
  make();
  wait(seconds(10));
  fetch_->hangs = true;
  const TokenKey next(TokenKeyKind::kP256);
  std::optional<KeyAnswer> answer;
  const std::string token = next.token(R"({"alg":"ES256","kid":"next"})", claims());
  io::start_detached(put(source_.get(), {.secret = token, .digest = {}},
                         Deadline::after(ring_.now(), seconds(100)), &answer));
  wait(milliseconds(1));
  EXPECT_FALSE(answer);
  io::start_detached(source_->end());
  wait(milliseconds(1));
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->kind, Kind::kFound);
  source_.reset();
}

}  // namespace
}  // namespace sluice::auth
