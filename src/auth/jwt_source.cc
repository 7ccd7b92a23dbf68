#include <sluice/auth/jwt_source.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include <sluice/auth/record_fields.h>
#include <sluice/base/assert.h>

#include "issuer_keys.h"
#include "jwt.h"
#include "key_fetch.h"

namespace sluice::auth {
namespace {

using json::Value;

// Fields for people. Of all others a token that lacks the claim is refused, because a key with less
// to it may do more.
bool may_be_missing(std::string_view field) noexcept {
  static constexpr std::array<std::string_view, 7> kFields = {
      "name", "prefix", "tags", "metadata", "user", "user_id", "priority_max"};
  return std::ranges::find(kFields, field) != kFields.end();
}

// Fields of one value; a claim that lists a single one is that.
bool is_single(std::string_view field) noexcept {
  static constexpr std::array<std::string_view, 8> kFields = {
      "id", "name", "type", "organisation", "organisation_id", "team", "team_id", "user"};
  return std::ranges::find(kFields, field) != kFields.end();
}

bool is_nothing(const Value* value) noexcept {
  if (value == nullptr || value->is_null()) return true;
  const std::string* text = value->as_string();
  const json::Array* list = value->as_array();
  return (text != nullptr && text->empty()) || (list != nullptr && list->empty());
}

bool maps_to(const config::SourceSettings& settings, std::string_view field) noexcept {
  return std::ranges::find(settings.claims, field, &std::pair<std::string, std::string>::second) !=
         settings.claims.end();
}

}  // namespace

JwtSource::JwtSource(io::Ring& ring, net::Resolver& resolver, Logger& log,
                     config::SourceSettings settings, std::string tls_ca_pem)
    : JwtSource(
          ring, log, settings,
          make_http_key_fetch(ring, resolver, settings.private_addresses, std::move(tls_ca_pem))) {}

JwtSource::JwtSource(io::Ring& ring, Logger& log, config::SourceSettings settings,
                     std::unique_ptr<KeyFetch> fetch)
    : ring_(ring),
      log_(log),
      settings_(std::move(settings)),
      fetch_(std::move(fetch)),
      keys_(std::make_unique<IssuerKeys>(ring, log, *fetch_, settings_)),
      emptied_(ring.ready()) {}

JwtSource::~JwtSource() { SLUICE_ASSERT(asking_ == 0); }

void JwtSource::start() { keys_->start(); }

Task<KeyAnswer> JwtSource::ask(const KeyQuestion& question, Deadline deadline) {
  if (is_ending_) co_return KeyAnswer{.reason = "the gateway ends"};
  const std::optional<Jwt> jwt = parse_jwt(question.secret);
  if (!jwt) co_return not_found("it is no JSON Web Token");
  ++asking_;
  KeyAnswer answer = co_await judge(*jwt, question.digest, deadline);
  if (--asking_ == 0 && is_ending_) emptied_.trigger();
  co_return answer;
}

// The cheap questions first: what fails them fetches no keys.
Task<KeyAnswer> JwtSource::judge(const Jwt& jwt, const crypto::Digest& digest, Deadline deadline) {
  const auto end = check_jwt_claims(jwt, settings_, ring_.wall());
  if (!end) co_return not_found(end.error());
  const auto algorithm = check_jwt_header(jwt, settings_);
  if (!algorithm) co_return not_found(algorithm.error());
  const std::string_view id = jwt.key_id();
  if (keys_->present() == nullptr || !keys_->present()->knows(id, *algorithm)) {
    co_await keys_->refresh(deadline);
  }
  const KeySet* set = keys_->present();
  if (set == nullptr) co_return KeyAnswer{.reason = "the keys of the issuer are not known yet"};
  if (!set->knows(id, *algorithm)) co_return not_found("it is signed with an unknown key");
  if (!set->has_signed(id, *algorithm, jwt.signed_text, jwt.signature)) {
    co_return not_found("its signature is wrong");
  }
  co_return read(jwt, digest, *end);
}

KeyAnswer JwtSource::read(const Jwt& jwt, const crypto::Digest& digest, WallTime end) {
  RecordFields fields(settings_.name, digest);
  const Value& subject = *jwt.claims.find("sub");
  if (const auto set = fields.set("id", subject); !set) {
    return {.reason = "the claim sub: " + set.error()};
  }
  // A subject that cannot be an owner's id stays the key's alone.
  if (!maps_to(settings_, "user") && !maps_to(settings_, "user_id")) {
    static_cast<void>(fields.set("user", subject));
  }
  for (const auto& [claim, field] : settings_.claims) {
    const Value* value = find_claim(jwt.claims, claim);
    if (is_nothing(value)) {
      if (may_be_missing(field)) continue;
      return not_found(fmt::format("it has no claim {}, which says {}", claim, field));
    }
    const json::Array* list = value->as_array();
    if (list != nullptr && list->size() == 1 && is_single(field)) value = list->data();
    if (const auto set = fields.set(field, *value); !set) {
      return {.reason = fmt::format("the claim {}: {}", claim, set.error())};
    }
  }
  auto record = fields.finish();
  if (!record) return {.reason = std::move(record.error())};
  record->expires = std::min(end, record->expires.value_or(end));
  const Duration left = microseconds(end.unix_us - ring_.wall().unix_us);
  return {.kind = KeyAnswer::Kind::kFound,
          .record = *std::move(record),
          .ttl = std::max(std::min(left, settings_.ttl), Duration(microseconds(1)))};
}

KeyAnswer JwtSource::not_found(std::string_view reason) {
  if (log_.is_enabled(LogLevel::kDebug)) {
    log_.write(LogLevel::kDebug, "auth",
               fmt::format("{}: not accepted: {}", settings_.name, reason));
  }
  return {.kind = KeyAnswer::Kind::kNotFound, .reason = std::string(reason)};
}

Task<void> JwtSource::end() {
  is_ending_ = true;
  co_await keys_->end();
  while (asking_ > 0) {
    emptied_.reset();
    co_await io::first_of(&emptied_);
  }
}

}  // namespace sluice::auth
