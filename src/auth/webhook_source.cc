#include <sluice/auth/webhook_source.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <sluice/auth/record_fields.h>
#include <sluice/crypto/secret.h>
#include <sluice/json/value.h>
#include <sluice/json/writer.h>

#include "field_values.h"
#include "question_text.h"

namespace sluice::auth {
namespace {

constexpr uint16_t kNotFoundStatus = 404;

bool is_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string write_question(const KeyQuestion& question, config::SecretForm form, WallTime now) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  if (form == config::SecretForm::kPlain) {
    writer.key("api_key").string(question.secret);
  } else {
    writer.key("sha256").string(hex_of(question.digest));
  }
  writer.key("timestamp").integer(now.unix_us / kMicrosOfSecond).end_object();
  return body;
}

KeyAnswer not_found() {
  KeyAnswer answer;
  answer.kind = KeyAnswer::Kind::kNotFound;
  return answer;
}

// Shortens `ttl`, in which zero stands for nothing said.
void shorten(Duration& ttl, Duration said) noexcept {
  said = std::max(said, kTtlMin);
  ttl = ttl == Duration::zero() ? said : std::min(ttl, said);
}

KeyAnswer read_object(const json::Value& object, std::string_view source,
                      const crypto::Digest& digest) {
  constexpr int64_t kTtlSecondsMost = 86'400;
  KeyAnswer answer;
  answer.kind = KeyAnswer::Kind::kFound;
  bool says_found = false;
  if (const json::Value* ttl = object.find("ttl"); ttl != nullptr && !ttl->is_null()) {
    const FieldResult<int64_t> read = read_integer(*ttl, 0, kTtlSecondsMost);
    if (!read) return failed("its answer makes no sense: ttl " + read.error());
    shorten(answer.ttl, seconds(*read));
  }
  if (const json::Value* member = object.find("found"); member != nullptr) {
    const bool* is_found = member->as_boolean();
    if (is_found == nullptr) {
      return failed("its answer makes no sense: found must be true or false");
    }
    says_found = *is_found;
    if (!says_found) {
      answer.kind = KeyAnswer::Kind::kNotFound;
      return answer;
    }
  }
  RecordFields fields(source, digest);
  if (const auto outcome = fields.set_all(object); !outcome) {
    return failed("its answer makes no sense: " + outcome.error());
  }
  // An object about something else, such as {"error": ...}, must not let anybody in (D128).
  if (!says_found && !fields.has_any()) {
    return failed("its answer says nothing of the key; give a field of it, or \"found\": true");
  }
  auto record = fields.finish();
  if (!record) return failed("its answer makes no sense: " + record.error());
  answer.record = *std::move(record);
  return answer;
}

KeyAnswer read(const http::ClientAnswer& said, std::string_view source,
               const crypto::Digest& digest) {
  KeyAnswer answer;
  if (said.status == kNotFoundStatus) {
    answer = not_found();
  } else if (said.status < 200 || said.status > 299) {
    return failed(fmt::format("it answers {}", said.status));
  } else {
    const auto object = json::parse_value(said.body);
    if (!object) return failed(fmt::format("its answer is no JSON: {}", object.error()));
    if (object->as_object() == nullptr) return failed("its answer is no JSON object");
    answer = read_object(*object, source, digest);
  }
  if (said.max_age) shorten(answer.ttl, *said.max_age);
  return answer;
}

}  // namespace

std::expected<std::unique_ptr<WebhookSource>, std::string> WebhookSource::make(
    io::Ring& ring, net::Resolver& resolver, const config::SourceSettings& settings,
    std::string tls_ca_pem) {
  http::ClientOptions options;
  options.url = settings.url;
  options.private_addresses = settings.private_addresses;
  options.tls_ca_pem = std::move(tls_ca_pem);
  options.headers = settings.headers;
  auto client = http::Client::make(ring, resolver, std::move(options));
  if (!client) return std::unexpected(std::move(client.error()));
  return std::unique_ptr<WebhookSource>(new WebhookSource(ring, settings, *std::move(client)));
}

Task<KeyAnswer> WebhookSource::ask(const KeyQuestion& question, Deadline deadline) {
  const crypto::Digest digest = question.digest;
  if (key_form_ == config::SecretForm::kPlain) {
    if (question.secret.empty()) co_return failed("the key's text is not at hand");
    // JSON has no way to say other bytes, and nobody's key has any.
    if (!is_ascii(question.secret)) co_return not_found();
  }
  std::string body = write_question(question, key_form_, ring_.wall());
  const auto said = co_await client_->post("", "application/json", std::move(body), deadline);
  if (!said) co_return failed(std::string(said.error().detail));
  co_return read(*said, name_, digest);
}

}  // namespace sluice::auth
