#include "key_calls.h"

#include <fmt/format.h>

#include "fields.h"

namespace sluice::admin {
namespace {

// Room for an answer with a key, so that a string that grows leaves no part of a secret behind.
constexpr size_t kAnswerBytes = 64 * 1024;

Refusal refuse_place(std::string_view name) {
  return {.status = 404,
          .code = "not_found",
          .message = fmt::format("there is no such {}", name),
          .param = std::string(name)};
}

std::optional<Refusal> put_below(const std::string& own, std::string_view name, std::string& id) {
  if (own.empty()) return std::nullopt;
  if (id.empty()) id = own;
  return id == own ? std::nullopt : std::optional(refuse_place(name));
}

std::string write_answer(const auth::KeyRecord& key, std::string_view secret, KeyStates& states) {
  std::string body;
  body.reserve(kAnswerBytes);
  json::Writer writer(body);
  writer.begin_object().key("key");
  write_key(writer, key, states);
  writer.key("secret");
  write_text_or_null(writer, secret);
  writer.key("replayed").boolean(secret.empty()).end_object();
  return body;
}

}  // namespace

std::optional<Refusal> put_in_scope(const auth::Actor& actor, std::string& organisation,
                                    std::string& team) {
  if (auto refusal = put_below(actor.organisation, "organisation", organisation)) return refusal;
  return put_below(actor.team, "team", team);
}

std::optional<Refusal> check_owners(auth::KeyStore& store, const auth::Actor& actor,
                                    auth::KeyRecord& key) {
  if (auto refusal = put_in_scope(actor, key.organisation, key.team)) return refusal;
  if (actor.organisation.empty() && actor.team.empty()) return std::nullopt;
  if (key.team != actor.team && !key.team.empty() && !store.find_owner(actor, key.team)) {
    return refuse_place("team");
  }
  if (!key.user.empty() && !store.find_owner(actor, key.user)) return refuse_place("user");
  return std::nullopt;
}

std::optional<Refusal> refuse_own(const auth::Actor& actor, std::string_view owner) {
  if (owner != actor.organisation && owner != actor.team) return std::nullopt;
  return Refusal{.status = 403,
                 .code = "forbidden",
                 .message = "a key cannot change the organisation or team that it belongs to",
                 .param = {}};
}

std::expected<auth::Page, Refusal> read_page(const json::Value& query) {
  const int64_t most = integer_of(query, "limit").value_or(100);
  if (most < 1 || most > 1'000) {
    return std::unexpected(
        Refusal{.message = "`limit` must be a number from 1 to 1000", .param = "limit"});
  }
  return auth::Page{.after = text_of(query, "cursor"), .most = static_cast<uint32_t>(most)};
}

StoreAnswer answer_with_secret(uint16_t status, const auth::KeyRecord& key, std::string_view secret,
                               KeyStates& states) {
  return {.answer = {.status = status, .body = write_answer(key, secret, states)},
          .replay = write_answer(key, {}, states)};
}

}  // namespace sluice::admin
