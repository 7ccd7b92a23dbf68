#include <sluice/auth/redis_source.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/auth/record_fields.h>
#include <sluice/crypto/secret.h>

#include "question_text.h"

namespace sluice::auth {
namespace {

using store::RedisReply;
using Replies = std::vector<Result<RedisReply>>;

// The place of each command's reply.
enum Command : uint8_t { kType, kHash, kText, kTimeLeft, kCommands };

// Names no key: that may be a secret.
std::string refusal_of(const RedisReply& reply) {
  const std::string_view advice = store::advice_on(store::fault_of(reply));
  const std::string_view word = std::string_view(reply.text).substr(0, reply.text.find(' '));
  if (advice.empty()) return fmt::format("Redis refuses: {:.32}", word);
  return fmt::format("Redis refuses: {:.32}; {}", word, advice);
}

KeyAnswer found(RecordFields& fields, const std::expected<void, std::string>& outcome) {
  if (!outcome) return failed("an entry makes no sense: " + outcome.error());
  auto record = fields.finish();
  if (!record) return failed("an entry makes no sense: " + record.error());
  KeyAnswer answer;
  answer.kind = KeyAnswer::Kind::kFound;
  answer.record = *std::move(record);
  return answer;
}

KeyAnswer read_hash(RecordFields& fields, const RedisReply& reply) {
  if (reply.kind != RedisReply::Kind::kList || reply.items.size() % 2 != 0) {
    return failed("Redis answers no hash where it has one");
  }
  std::expected<void, std::string> outcome;
  for (size_t i = 0; i + 1 < reply.items.size() && outcome; i += 2) {
    outcome = fields.set(reply.items[i].text, reply.items[i + 1].text);
  }
  return found(fields, outcome);
}

KeyAnswer read_json(RecordFields& fields, const RedisReply& reply) {
  if (reply.kind != RedisReply::Kind::kText) {
    return failed("Redis answers no text where it has one");
  }
  const auto value = json::parse_value(reply.text);
  if (!value) return failed(fmt::format("an entry is no JSON: {}", value.error()));
  return found(fields, fields.set_all(*value));
}

KeyAnswer read(const Replies& replies, std::string_view source, const crypto::Digest& digest) {
  for (const Result<RedisReply>& reply : replies) {
    if (!reply) return failed(std::string(reply.error().detail));
  }
  const RedisReply& type = *replies[kType];
  if (type.is_error()) return failed(refusal_of(type));
  if (type.text == "none") {
    KeyAnswer answer;
    answer.kind = KeyAnswer::Kind::kNotFound;
    return answer;
  }
  const bool is_hash = type.text == "hash";
  if (!is_hash && type.text != "string") {
    return failed("an entry is neither a hash nor a string");
  }
  RecordFields fields(source, digest);
  // Between two commands an entry may become one of another type; that is answered by WRONGTYPE.
  const RedisReply& entry = *replies[is_hash ? kHash : kText];
  if (entry.is_error()) return failed(refusal_of(entry));
  KeyAnswer answer = is_hash ? read_hash(fields, entry) : read_json(fields, entry);
  const RedisReply& left = *replies[kTimeLeft];
  if (left.kind == RedisReply::Kind::kInteger && left.integer >= 0) {
    constexpr int64_t kMost = 86'400'000;
    answer.ttl = std::max<Duration>(milliseconds(std::min(left.integer, kMost)), kTtlMin);
  }
  return answer;
}

}  // namespace

RedisSource::RedisSource(io::Ring& ring, net::Resolver& resolver, Logger& log,
                         const config::SourceSettings& settings, store::RedisOptions options)
    : name_(settings.name),
      pattern_(settings.pattern),
      client_(ring, resolver, log, std::move(options)) {}

Task<KeyAnswer> RedisSource::ask(const KeyQuestion& question, Deadline deadline) {
  const crypto::Digest digest = question.digest;
  std::string key = fill_pattern(pattern_, question);
  if (key.empty()) co_return failed("the key's text is not at hand");
  std::vector<store::RedisCommand> commands;
  commands.reserve(kCommands);
  for (const char* command : {"TYPE", "HGETALL", "GET", "PTTL"}) {
    commands.push_back({.arguments = {command, key}, .key = key, .script = {}});
  }
  crypto::wipe(key.data(), key.size());
  const Replies replies = co_await client_.call(std::move(commands), deadline);
  co_return read(replies, name_, digest);
}

}  // namespace sluice::auth
