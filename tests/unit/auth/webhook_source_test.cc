#include <sluice/auth/webhook_source.h>

#include "source_world.h"

namespace sluice::auth {
namespace {

std::string answer_of(int status, const std::string& body, const std::string& fields = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields +
         "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class WebhookSourceTest : public SourceWorld {
 protected:
  void make(config::SecretForm form = config::SecretForm::kPlain) {
    config::SourceSettings settings;
    settings.kind = config::SourceKind::kWebhook;
    settings.name = "hook";
    settings.url = "http://10.0.0.1/keys";
    settings.private_addresses = true;
    settings.key_form = form;
    settings.headers = {{"authorization", "Bearer token"}};
    auto made = WebhookSource::make(ring_, names_, settings, "");
    ASSERT_TRUE(made.has_value()) << made.error();
    source_ = *std::move(made);
    source_->start();
  }
  // What becomes of one answer.
  KeyAnswer hear(const std::string& answer) {
    answer_ = [answer](support::SimPeer& peer, std::string_view) { peer.send(answer); };
    return ask("sk-a");
  }
  void serve_answers() {
    serve(80, [](support::SimPeer&, std::string_view) {});
  }
};

TEST_F(WebhookSourceTest, the_question) {
  serve_answers();
  make();
  EXPECT_EQ(hear(answer_of(404, "")).kind, Kind::kNotFound);
  const std::string& asked = peers_.at(0)->received();
  EXPECT_TRUE(asked.starts_with("POST /keys HTTP/1.1\r\n")) << asked;
  EXPECT_NE(asked.find("authorization: Bearer token\r\n"), std::string::npos);
  const std::string now = std::to_string(world_.clock().wall().unix_us / 1'000'000);
  EXPECT_TRUE(asked.ends_with("\r\n\r\n{\"api_key\":\"sk-a\",\"timestamp\":" + now + "}")) << asked;
}

TEST_F(WebhookSourceTest, the_question_without_the_secret) {
  serve_answers();
  make(config::SecretForm::kSha256);
  EXPECT_EQ(hear(answer_of(404, "")).kind, Kind::kNotFound);
  EXPECT_EQ(peers_.at(0)->received().find("sk-a"), std::string::npos);
  EXPECT_NE(peers_.at(0)->received().find("{\"sha256\":\""), std::string::npos);
}

TEST_F(WebhookSourceTest, a_key) {
  serve_answers();
  make();
  const KeyAnswer answer = hear(answer_of(
      200, R"({"id": "k1", "user_id": "u", "status": 1, "requests_per_minute": 5, "ttl": 30})"));
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_EQ(answer.record.id, "hook:k1");
  EXPECT_TRUE(answer.record.is_blocked);
  EXPECT_EQ(answer.record.limits.size(), 1u);
  EXPECT_EQ(answer.ttl, seconds(30));
  EXPECT_EQ(hear(answer_of(201, R"({"found": true})")).kind, Kind::kFound);
}

TEST_F(WebhookSourceTest, the_shorter_time_holds) {
  serve_answers();
  make();
  EXPECT_EQ(hear(answer_of(200, R"({"found": true})")).ttl, Duration::zero());
  EXPECT_EQ(hear(answer_of(200, R"({"found": true})", "cache-control: max-age=9\r\n")).ttl,
            seconds(9));
  EXPECT_EQ(
      hear(answer_of(200, R"({"found": true, "ttl": 5})", "cache-control: max-age=9\r\n")).ttl,
      seconds(5));
  // A request must be able to use what it waited for.
  EXPECT_EQ(hear(answer_of(200, R"({"found": true})", "cache-control: no-store\r\n")).ttl,
            seconds(1));
  EXPECT_EQ(hear(answer_of(404, "", "cache-control: max-age=3\r\n")).ttl, seconds(3));
}

TEST_F(WebhookSourceTest, d128_nothing_but_a_good_answer_lets_anybody_in) {
  serve_answers();
  make();
  EXPECT_EQ(hear(answer_of(200, R"({"found": false, "user_id": "u"})")).kind, Kind::kNotFound);
  const std::string good = R"({"user_id": "u"})";
  for (const std::string& answer :
       {answer_of(401, "{}"), answer_of(401, good), answer_of(403, good), answer_of(500, good),
        answer_of(301, good, "location: http://10.0.0.1/x\r\n"), answer_of(200, ""),
        answer_of(204, ""), answer_of(200, "{}"), answer_of(200, "null"), answer_of(200, "[]"),
        answer_of(200, "true"), answer_of(200, "<html>"), answer_of(200, good + "x"),
        answer_of(200, R"({"found": "yes", "user_id": "u"})"),
        answer_of(200, R"({"error": "no such key", "id": "req-1"})"),
        answer_of(200, R"({"user_id": "u", "expires_at": "soon"})"),
        answer_of(200, R"({"user_id": "u", "ttl": -1})"),
        answer_of(200, R"({"user_id": "u", "user_id": "v"})"), std::string("nonsense\r\n\r\n")}) {
    const KeyAnswer said = hear(answer);
    EXPECT_EQ(said.kind, Kind::kFailed) << answer;
    EXPECT_NE(said.reason, "");
    EXPECT_EQ(said.reason.find("sk-a"), std::string::npos);
  }
  EXPECT_EQ(hear(answer_of(200, good)).kind, Kind::kFound);
}

TEST_F(WebhookSourceTest, d128_a_server_that_hangs_or_is_gone) {
  make();
  EXPECT_EQ(ask("sk-a").kind, Kind::kFailed);
  serve(80, [](support::SimPeer&, std::string_view) {});
  const KeyAnswer answer = ask("sk-a", milliseconds(100));
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason, "no answer in time");
  EXPECT_EQ(hear(answer_of(200, R"({"found": true})")).kind, Kind::kFound);
}

TEST_F(WebhookSourceTest, bytes_that_json_cannot_say_are_nobodys_key) {
  serve_answers();
  make();
  EXPECT_EQ(ask("sk-\xff").kind, Kind::kNotFound);
  EXPECT_TRUE(peers_.empty());
}

TEST_F(WebhookSourceTest, settings_that_make_no_sense) {
  config::SourceSettings settings;
  settings.url = "http://u:p@10.0.0.1/";
  EXPECT_FALSE(WebhookSource::make(ring_, names_, settings, "").has_value());
}

}  // namespace
}  // namespace sluice::auth
