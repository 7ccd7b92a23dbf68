#include <sluice/auth/redis_source.h>

#include <charconv>
#include <map>

#include "source_world.h"

namespace sluice::auth {
namespace {

using Words = std::vector<std::string>;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// Whole commands, as our client writes them.
std::vector<Words> take_commands(std::string& text) {
  std::vector<Words> commands;
  const auto take_number = [&](size_t& at) {
    const size_t end = text.find("\r\n", at);
    size_t value = 0;
    std::from_chars(text.data() + at + 1, text.data() + end, value);
    at = end + 2;
    return value;
  };
  size_t at = 0;
  while (at < text.size()) {
    Words words(take_number(at));
    for (std::string& word : words) {
      const size_t length = take_number(at);
      word = text.substr(at, length);
      at += length + 2;
    }
    commands.push_back(std::move(words));
  }
  text.clear();
  return commands;
}

class RedisSourceTest : public SourceWorld {
 protected:
  RedisSourceTest() {
    serve(6379, [this](support::SimPeer& peer, std::string_view bytes) {
      std::string text(bytes);
      for (const Words& words : take_commands(text)) {
        const std::string reply = reply_to(words);
        if (!reply.empty()) peer.send(reply);
      }
    });
  }
  void make(const std::string& pattern = "key:{api_key}") {
    config::SourceSettings settings;
    settings.kind = config::SourceKind::kRedis;
    settings.name = "redis";
    settings.pattern = pattern;
    store::RedisOptions options;
    options.endpoints = {{.host = "10.0.0.1", .port = 6379}};
    source_ = std::make_unique<RedisSource>(ring_, names_, log_, settings, std::move(options));
    source_->start();
  }
  std::string reply_to(const Words& words) {
    const std::string& name = words[0];
    if (name == "AUTH" || name == "SELECT" || name == "CLIENT") return "+OK\r\n";
    if (name == "PING") return "+PONG\r\n";
    if (name == "ROLE") return "*3\r\n" + bulk("master") + ":0\r\n*0\r\n";
    if (name == "INFO") return bulk("run_id:a\r\nrole:master\r\nmaster_replid:r\r\n");
    asked.push_back(words);
    if (hangs) return "";
    const auto reply = replies.find(name);
    if (reply != replies.end()) return reply->second;
    const bool is_hash = !hash.empty();
    const bool is_text = !text_value.empty();
    if (name == "TYPE") return is_hash ? "+hash\r\n" : is_text ? "+string\r\n" : "+none\r\n";
    if (name == "PTTL") return ":" + std::to_string(left_ms) + "\r\n";
    const std::string wrong = "-WRONGTYPE Operation against a key holding the wrong kind\r\n";
    if (name == "GET") return is_hash ? wrong : is_text ? bulk(text_value) : "$-1\r\n";
    if (name != "HGETALL") return "-ERR unknown command\r\n";
    if (is_text) return wrong;
    std::string list = "*" + std::to_string(2 * hash.size()) + "\r\n";
    for (const auto& [field, value] : hash) list += bulk(field) + bulk(value);
    return list;
  }

  std::map<std::string, std::string> hash;
  std::string text_value;
  int64_t left_ms = -1;
  std::map<std::string, std::string> replies;  // Instead of the right ones.
  std::vector<Words> asked;
  bool hangs = false;
};

TEST_F(RedisSourceTest, a_hash_in_one_round_trip) {
  hash = {{"user_id", "u"}, {"status", "active"}, {"requests_per_minute", "5"}, {"id", "7"}};
  make();
  const KeyAnswer answer = ask("sk-a");
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_EQ(answer.record.id, "redis:7");
  EXPECT_EQ(answer.record.user, "u");
  EXPECT_EQ(answer.record.limits.size(), 1u);
  EXPECT_EQ(answer.ttl, Duration::zero());
  ASSERT_EQ(asked.size(), 4u);
  for (const Words& words : asked) EXPECT_EQ(words.at(1), "key:sk-a");
}

TEST_F(RedisSourceTest, a_json_text_and_the_time_that_it_lives) {
  text_value = R"({"user_id": "u", "blocked": true, "limits": {"concurrency": 2}})";
  left_ms = 4500;
  make("sluice:key:{sha256}");
  const KeyAnswer answer = ask("sk-a");
  ASSERT_EQ(answer.kind, Kind::kFound) << answer.reason;
  EXPECT_TRUE(answer.record.is_blocked);
  EXPECT_EQ(answer.ttl, milliseconds(4500));
  EXPECT_EQ(asked.at(0).at(1).size(), std::string("sluice:key:").size() + 64);
}

TEST_F(RedisSourceTest, none) {
  make();
  EXPECT_EQ(ask("sk-a").kind, Kind::kNotFound);
}

TEST_F(RedisSourceTest, what_is_no_key_fails) {
  make();
  replies["TYPE"] = "+list\r\n";
  EXPECT_EQ(ask("sk-a").reason, "an entry is neither a hash nor a string");
  replies.clear();
  text_value = "no json";
  EXPECT_EQ(ask("sk-a").kind, Kind::kFailed);
  text_value = "[]";
  EXPECT_EQ(ask("sk-a").kind, Kind::kFailed);
  text_value = "";
  hash = {{"expires_at", "s3cr3t"}};
  const KeyAnswer answer = ask("sk-a");
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason.find("s3cr3t"), std::string::npos);
  EXPECT_NE(answer.reason.find("expires_at"), std::string::npos);
}

TEST_F(RedisSourceTest, an_entry_that_changes_its_type_meanwhile_fails) {
  make();
  replies["TYPE"] = "+hash\r\n";
  replies["HGETALL"] = "-WRONGTYPE Operation against a key\r\n";
  EXPECT_EQ(ask("sk-a").kind, Kind::kFailed);
}

TEST_F(RedisSourceTest, a_refusal_names_no_key) {
  make();
  replies["TYPE"] = "-NOPERM no access to sk-a\r\n";
  const KeyAnswer answer = ask("sk-a");
  EXPECT_EQ(answer.kind, Kind::kFailed);
  EXPECT_EQ(answer.reason.find("sk-a"), std::string::npos);
  EXPECT_NE(answer.reason.find("NOPERM"), std::string::npos);
}

TEST_F(RedisSourceTest, a_server_that_hangs_costs_the_deadline) {
  hash = {{"user_id", "u"}};
  make();
  EXPECT_EQ(ask("sk-a").kind, Kind::kFound);
  hangs = true;
  EXPECT_EQ(ask("sk-a", milliseconds(50)).kind, Kind::kFailed);
}

TEST_F(RedisSourceTest, a_pattern_that_wants_the_secret_needs_one) {
  make();
  EXPECT_EQ(ask("").reason, "the key's text is not at hand");
}

}  // namespace
}  // namespace sluice::auth
