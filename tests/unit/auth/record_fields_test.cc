#include <sluice/auth/record_fields.h>

#include <gtest/gtest.h>

#include <sluice/config/limit_amounts.h>

namespace sluice::auth {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

const crypto::Digest kDigest = crypto::sha256("sk-a");
constexpr int64_t kMicro = 1'000'000;

// The record, or what is wrong.
std::expected<KeyRecord, std::string> from_json(std::string_view text,
                                                std::string_view source = "redis") {
  const auto value = json::parse_value(text);
  EXPECT_TRUE(value.has_value()) << text;
  RecordFields fields(source, kDigest);
  if (auto outcome = fields.set_all(*value); !outcome) return std::unexpected(outcome.error());
  return fields.finish();
}

std::expected<KeyRecord, std::string> from_text(const Pairs& pairs) {
  RecordFields fields("redis", kDigest);
  for (const auto& [name, text] : pairs) {
    if (auto outcome = fields.set(name, text); !outcome) return std::unexpected(outcome.error());
  }
  return fields.finish();
}

std::string fault(std::string_view text) {
  const auto record = from_json(text);
  return record ? "" : record.error();
}

bool is_blocked(std::string_view text) {
  const auto record = from_json(text);
  EXPECT_TRUE(record.has_value()) << text << ": " << record.error();
  return record && record->is_blocked;
}

TEST(RecordFields, all_that_a_key_of_our_own_says) {
  const auto record = from_json(R"({
    "id": "key_1", "name": "batch", "prefix": "sk-abc", "type": "inference",
    "organisation": "org_1", "team": "team_1", "user": 42, "blocked": false, "status": "active",
    "not_before": "2026-01-01T00:00:00Z", "expires": "2027-01-01T00:00:00Z",
    "models": ["gpt-*", "o1"], "limits": {"requests_per_minute": 60, "budget_per_day": 5.5},
    "model_limits": [{"models": "gpt-4*", "tokens_per_minute": 1000}],
    "allowed_addresses": ["10.0.0.0/8"], "denied_addresses": ["10.1.0.0/16"], "weight": 3,
    "priority_max": 7, "tags": ["a", "b"], "metadata": {"x": [1, null]},
    "former_until": null, "created": "x", "updated": "y", "something": {"else": 1}})");
  ASSERT_TRUE(record.has_value()) << record.error();
  EXPECT_EQ(record->id, "redis:key_1");
  EXPECT_EQ(record->name, "batch");
  EXPECT_EQ(record->prefix, "sk-abc");
  EXPECT_EQ(record->digest, kDigest);
  EXPECT_EQ(record->organisation, "org_1");
  EXPECT_EQ(record->team, "team_1");
  EXPECT_EQ(record->user, "42");
  EXPECT_FALSE(record->is_blocked);
  EXPECT_EQ(record->not_before->unix_us, 1'767'225'600 * kMicro);
  EXPECT_EQ(record->expires->unix_us, 1'798'761'600 * kMicro);
  EXPECT_EQ(record->models, (std::vector<std::string>{"gpt-*", "o1"}));
  ASSERT_EQ(record->limits.size(), 2u);
  EXPECT_EQ(record->limits[0].name, "redis/requests_per_minute");
  EXPECT_EQ(record->limits[0].most, 60u);
  EXPECT_EQ(config::limit_amount_of(record->limits[1]), 5.5);
  ASSERT_EQ(record->model_limits.size(), 1u);
  EXPECT_EQ(record->model_limits[0].models, "gpt-4*");
  EXPECT_EQ(record->model_limits[0].rule.scope, config::LimitScope::kKeyModel);
  EXPECT_EQ(record->allowed_addresses.size(), 1u);
  EXPECT_EQ(record->denied_addresses.size(), 1u);
  EXPECT_EQ(record->weight, 3u);
  EXPECT_EQ(record->priority_max, 7u);
  EXPECT_EQ(record->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(record->metadata, R"({"x":[1,null]})");
}

TEST(RecordFields, d127_all_that_earlier_gateways_keep) {
  const auto record = from_text({{"key", "sk-a"},
                                 {"name", "Müller's key"},
                                 {"user_id", "u-7"},
                                 {"status", "0"},
                                 {"total_quota", "1000"},
                                 {"used_quota", "999.5"},
                                 {"quota_reset_period", "monthly"},
                                 {"last_reset_at", "2026-11-01 00:00:00"},
                                 {"balance", "0.01"},
                                 {"allowed_ips", "10.0.0.0/8, 192.168.1.1"},
                                 {"denied_ips", R"(["10.1.0.0/16"])"},
                                 {"starts_at", "1767225600"},
                                 {"expires_at", "2027-01-01 00:00:00"},
                                 {"metadata", R"({"plan":"gold"})"},
                                 {"requests_per_minute", "60"}});
  ASSERT_TRUE(record.has_value()) << record.error();
  EXPECT_FALSE(record->is_blocked);
  EXPECT_EQ(record->name, "M__ller_s key");
  EXPECT_EQ(record->user, "u-7");
  EXPECT_EQ(record->allowed_addresses.size(), 2u);
  EXPECT_EQ(record->denied_addresses.size(), 1u);
  EXPECT_EQ(record->not_before->unix_us, 1'767'225'600 * kMicro);
  EXPECT_EQ(record->expires->unix_us, 1'798'761'600 * kMicro);
  EXPECT_EQ(record->metadata, R"({"plan":"gold"})");
  EXPECT_EQ(record->limits.size(), 1u);
  EXPECT_EQ(record->id, "redis:" + record->id.substr(6));
  EXPECT_EQ(record->id.size(), 30u);
}

TEST(RecordFields, d127_what_refuses_a_key) {
  for (const char* text : {R"({"status": 1})",
                           R"({"status": 2})",
                           R"({"status": 3})",
                           R"({"status": "disabled"})",
                           R"({"status": "quota_exceeded"})",
                           R"({"status": "expired"})",
                           R"({"status": "blocked"})",
                           R"({"status": "owner_blocked"})",
                           R"({"blocked": true})",
                           R"({"blocked": 1})",
                           R"({"balance": 0})",
                           R"({"balance": "-3.5"})",
                           R"({"total_quota": 5, "used_quota": 5})",
                           R"({"used_quota": 9, "total_quota": 5})",
                           R"({"total_quota": 0})",
                           R"({"active": false})",
                           R"({"enabled": "no"})",
                           R"({"allow": false})",
                           R"({"allowed": 0})",
                           R"({"valid": false})",
                           R"({"blocked": true, "status": "active"})",
                           R"({"status": 1, "blocked": false})"}) {
    EXPECT_TRUE(is_blocked(text)) << text;
  }
  for (const char* text :
       {"{}", R"({"status": 0})", R"({"status": "0"})", R"({"status": "active"})",
        R"({"status": "not_yet"})", R"({"balance": 0.5})", R"({"balance": null})",
        R"({"total_quota": 5, "used_quota": 4})", R"({"total_quota": 5})", R"({"used_quota": 4})",
        R"({"valid": true})"}) {
    EXPECT_FALSE(is_blocked(text)) << text;
  }
}

TEST(RecordFields, d127_a_spent_quota_that_begins_anew_is_spent_until_then) {
  const auto reset_of = [](const std::string& period) {
    const auto record = from_json(R"({"total_quota": 5, "used_quota": 5, "quota_reset_period": ")" +
                                  period + R"(", "last_reset_at": "2026-11-25T13:00:00Z"})");
    EXPECT_TRUE(record.has_value()) << record.error();
    EXPECT_FALSE(record->is_blocked);
    return record->not_before->unix_us / kMicro;
  };
  EXPECT_EQ(reset_of("daily"), 1'764'115'200 + 365 * 86'400);    // 2026-11-26.
  EXPECT_EQ(reset_of("weekly"), 1'764'547'200 + 364 * 86'400);   // Monday, 2026-11-30.
  EXPECT_EQ(reset_of("monthly"), 1'764'547'200 + 365 * 86'400);  // 2026-12-01.
  EXPECT_TRUE(is_blocked(R"({"total_quota": 5, "used_quota": 5, "quota_reset_period": "daily"})"));
  EXPECT_TRUE(is_blocked(R"({"total_quota": 5, "used_quota": 5, "quota_reset_period": "never",
                             "last_reset_at": "2026-11-25T13:00:00Z"})"));
}

TEST(RecordFields, of_two_names_the_stricter_one_holds) {
  const auto record = from_json(R"({"expires": 2000, "expires_at": 1000, "not_before": 10,
                                    "starts_at": 5})");
  EXPECT_EQ(record->expires->unix_us, 1000 * kMicro);
  EXPECT_EQ(record->not_before->unix_us, 10 * kMicro);
  EXPECT_NE(fault(R"({"allowed_ips": ["10.0.0.1"], "allowed_addresses": ["10.0.0.2"]})"), "");
}

TEST(RecordFields, what_makes_no_sense_names_the_field_and_not_its_value) {
  for (const char* text : {R"({"status": "s3cr3t"})",
                           R"({"blocked": "s3cr3t"})",
                           R"({"expires_at": "s3cr3t"})",
                           R"({"starts_at": "s3cr3t"})",
                           R"({"balance": "s3cr3t"})",
                           R"({"total_quota": "s3cr3t"})",
                           R"({"total_quota": -1})",
                           R"({"quota_reset_period": "s3cr3t"})",
                           R"({"models": {"s3cr3t": 1}})",
                           R"({"limits": "s3cr3t"})",
                           R"({"limits": {"requests_per_minute": "s3cr3t"}})",
                           R"({"limits": {"requests_per_minute": 0}})",
                           R"({"limits": {"requests_per_minutes": 5}})",
                           R"({"requests_per_minute": "s3cr3t"})",
                           R"({"model_limits": [{"tokens_per_minute": 5}]})",
                           R"({"model_limits": ["s3cr3t"]})",
                           R"({"allowed_ips": ["s3cr3t"]})",
                           R"({"denied_ips": "10.0.0.0/33"})",
                           R"({"weight": 0})",
                           R"({"weight": "s3cr3t"})",
                           R"({"priority_max": 256})",
                           R"({"metadata": "s3cr3t"})",
                           R"({"metadata": [1]})",
                           R"({"type": "s3cr3t"})",
                           R"({"user": "s3cr3t\u0001"})",
                           R"({"team": "s3cr3t s3cr3t"})",
                           R"({"tags": [["s3cr3t"]]})",
                           R"({"id": {"s3cr3t": 1}})",
                           R"({"name": true})"}) {
    const std::string said = fault(text);
    EXPECT_NE(said, "") << text;
    EXPECT_EQ(said.find("s3cr3t"), std::string::npos) << said;
  }
  EXPECT_EQ(fault(R"({"expires_at": "soon"})"),
            "expires_at must be a date such as 2026-12-31T23:59:59Z, or Unix seconds");
}

TEST(RecordFields, bounds) {
  EXPECT_NE(fault(R"({"limits": {"requests_per_second": 1, "requests_per_minute": 1,
      "requests_per_day": 1, "tokens_per_minute": 1, "tokens_per_day": 1, "concurrency": 1,
      "budget_per_day": 1}})"),
            "");
  EXPECT_NE(fault(R"({"user": ")" + std::string(41, 'u') + "\"}"), "");
  EXPECT_NE(fault(R"({"metadata": {"a": ")" + std::string(20'000, 'x') + "\"}}"), "");
}

TEST(RecordFields, text_of_a_hash_is_json_where_a_field_is_a_list_or_an_object) {
  const auto record = from_text({{"limits", R"({"requests_per_minute": 5})"},
                                 {"models", "gpt-*,o1"},
                                 {"tags", ""},
                                 {"name", "[staging]"},
                                 {"unknown", "{broken"}});
  ASSERT_TRUE(record.has_value()) << record.error();
  EXPECT_EQ(record->limits.size(), 1u);
  EXPECT_EQ(record->models.size(), 2u);
  EXPECT_EQ(record->name, "_staging_");
  EXPECT_FALSE(from_text({{"limits", "{broken"}}).has_value());
}

TEST(RecordFields, ids_fit_and_differ) {
  EXPECT_EQ(from_json(R"({"id": 7})")->id, "redis:7");
  const std::string long_id = from_json(R"({"id": ")" + std::string(60, 'a') + "\"}")->id;
  const std::string other_id = from_json(R"({"id": ")" + std::string(61, 'a') + "\"}")->id;
  EXPECT_EQ(long_id.size(), 30u);
  EXPECT_NE(long_id, other_id);
  EXPECT_LE(from_json("{}", std::string(60, 's'))->id.size(), kIdBytesMax);
}

TEST(RecordFields, a_name_alone_says_nothing_of_a_key) {
  const auto has_any = [](std::string_view text) {
    RecordFields fields("hook", kDigest);
    EXPECT_TRUE(fields.set_all(*json::parse_value(text)).has_value());
    return fields.has_any();
  };
  EXPECT_FALSE(has_any("{}"));
  EXPECT_FALSE(has_any(R"({"error": "no such key", "id": "req-1", "name": "x"})"));
  EXPECT_TRUE(has_any(R"({"user_id": "u"})"));
  EXPECT_TRUE(has_any(R"({"requests_per_minute": 5})"));
}

}  // namespace
}  // namespace sluice::auth
