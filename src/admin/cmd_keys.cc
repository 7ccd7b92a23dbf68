// Keys: made, listed, changed, blocked, rotated, deleted.
#include <array>

#include <sluice/base/units.h>

#include "fields.h"
#include "key_calls.h"
#include "new_secret.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr Duration kOverlapMost = seconds(30 * 86'400);

// {"key": ...}
StoreAnswer answer_key(auth::KeyStore& store, const Call& call,
                       const auth::StoreResult<auth::KeyRecord>& key) {
  if (!key) return {answer_of(key.error())};
  KeyStates states(store, call.parts.clock.wall());
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("key");
  write_key(writer, *key, states);
  writer.end_object();
  return made;
}

StoreAnswer create(auth::KeyStore& store, Call& call) {
  auth::KeyRecord key;
  if (auto refusal = read_key(call.body, key)) return {answer_of(*refusal)};
  const NewSecret secret = make_secret();
  key.digest = secret.digest;
  key.prefix = secret.prefix;
  const auto created = store.create_key(call.caller.actor, std::move(key));
  if (!created) return {answer_of(created.error())};
  KeyStates states(store, call.parts.clock.wall());
  return answer_with_secret(201, *created, secret.text.reveal(), states);
}

StoreAnswer update(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  auto key = store.find_key(actor, call.places[0]);
  if (!key) return {answer_of(key.error())};
  if (auto refusal = read_key(call.body, *key)) return {answer_of(*refusal)};
  return answer_key(store, call, store.update_key(actor, *key));
}

StoreAnswer rotate(auth::KeyStore& store, Call& call) {
  const std::string& text = text_of(call.body, "overlap");
  const WallTime now = call.parts.clock.wall();
  std::optional<WallTime> former_until;
  if (!text.empty()) {
    const Duration overlap = parse_duration(text).value_or(Duration::zero());
    if (overlap <= Duration::zero() || overlap > kOverlapMost) {
      return {control::error_answer(400, "invalid_request",
                                    "`overlap` must be more than nothing and at most 30 days",
                                    "overlap")};
    }
    former_until = WallTime{now.unix_us + overlap / microseconds(1)};
  }
  const NewSecret secret = make_secret();
  const auto rotated = store.rotate_key(call.caller.actor, call.places[0], secret.digest,
                                        secret.prefix, former_until);
  if (!rotated) return {answer_of(rotated.error())};
  KeyStates states(store, now);
  return answer_with_secret(200, *rotated, secret.text.reveal(), states);
}

StoreAnswer remove(auth::KeyStore& store, Call& call) {
  const auto deleted = store.delete_key(call.caller.actor, call.places[0]);
  if (!deleted) return {answer_of(deleted.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("id").string(call.places[0]).key("deleted").boolean(true).end_object();
  return made;
}

auth::KeyFilter read_filter(const json::Value& query) {
  auth::KeyFilter filter{.is_blocked = boolean_of(query, "blocked"),
                         .organisation = text_of(query, "organisation"),
                         .team = text_of(query, "team"),
                         .user = text_of(query, "user"),
                         .tag = text_of(query, "tag"),
                         .search = text_of(query, "search")};
  const auto kind = std::ranges::find(auth::kKeyKindNames, text_of(query, "type"));
  if (kind != auth::kKeyKindNames.end()) {
    filter.kind = static_cast<auth::KeyKind>(kind - auth::kKeyKindNames.begin());
  }
  return filter;
}

StoreAnswer list(auth::KeyStore& store, Call& call) {
  const auto page = read_page(call.query);
  if (!page) return {answer_of(page.error())};
  const auth::Actor& actor = call.caller.actor;
  const auth::KeyFilter filter = read_filter(call.query);
  const auto keys = store.list_keys(actor, filter, *page);
  if (!keys) return {answer_of(keys.error())};
  bool has_more = false;
  if (keys->size() == page->most) {
    const auto more = store.list_keys(actor, filter, {.after = keys->back().id, .most = 1});
    has_more = more && !more->empty();
  }
  KeyStates states(store, call.parts.clock.wall());
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("keys").begin_array();
  for (const auth::KeyRecord& key : *keys) write_key(writer, key, states);
  writer.end_array().key("next");
  write_text_or_null(writer, has_more ? keys->back().id : "");
  writer.end_object();
  return made;
}

StoreAnswer show(auth::KeyStore& store, Call& call) {
  return answer_key(store, call, store.find_key(call.caller.actor, call.places[0]));
}

StoreAnswer block(auth::KeyStore& store, Call& call) {
  return answer_key(store, call, store.block_key(call.caller.actor, call.places[0], true));
}

StoreAnswer unblock(auth::KeyStore& store, Call& call) {
  return answer_key(store, call, store.block_key(call.caller.actor, call.places[0], false));
}

constexpr std::array<Field, 9> kListQuery = {{
    {.name = "type", .choices = auth::kKeyKindNames},
    {.name = "blocked", .kind = FieldKind::kBoolean},
    {.name = "organisation"},
    {.name = "team"},
    {.name = "user"},
    {.name = "tag"},
    {.name = "search", .purpose = "In name, id and prefix."},
    kLimitField,
    kCursorField,
}};
constexpr std::array<Field, 1> kRotateBody = {
    {{.name = "overlap",
      .kind = FieldKind::kDuration,
      .purpose = "How long the former secret stays good; none is not at all. At most 30 days."}}};
constexpr std::array<Field, 2> kDeleted = {
    {{.name = "id", .is_needed = true},
     {.name = "deleted", .kind = FieldKind::kBoolean, .is_needed = true}}};

std::vector<Route> make_rows() {
  using enum http::Method;
  static const std::array<Field, 1> kOne = {
      {{.name = "key", .kind = FieldKind::kRecord, .is_needed = true, .fields = key_fields()}}};
  static const std::array<Field, 3> kWithSecret = {
      {kOne[0],
       {.name = "secret", .purpose = "Shown this once; null in a replay."},
       {.name = "replayed",
        .kind = FieldKind::kBoolean,
        .purpose = "Whether the idempotency key was used before.",
        .is_needed = true}}};
  static const std::array<Field, 2> kMany = {
      {{.name = "keys", .kind = FieldKind::kRecords, .is_needed = true, .fields = key_fields()},
       kNextField}};
  return {
      {.method = kGet,
       .path = "/v1/keys",
       .purpose = "Keys, by id.",
       .run = in_store<list>,
       .query = kListQuery,
       .answer = kMany},
      {.method = kPost,
       .path = "/v1/keys",
       .purpose = "Makes a key; its secret is shown this once.",
       .run = in_store<create>,
       .body = key_input_fields(),
       .answer = kWithSecret,
       .status = 201,
       .is_remembered = true},
      {.method = kGet,
       .path = "/v1/keys/{id}",
       .purpose = "One key.",
       .run = in_store<show>,
       .answer = kOne},
      {.method = kPatch,
       .path = "/v1/keys/{id}",
       .purpose = "Changes the members that are sent; null clears one.",
       .run = in_store<update>,
       .body = key_input_fields(),
       .answer = kOne},
      {.method = kDelete,
       .path = "/v1/keys/{id}",
       .purpose = "Deletes a key.",
       .run = in_store<remove>,
       .answer = kDeleted},
      {.method = kPost,
       .path = "/v1/keys/{id}/block",
       .purpose = "Refuses the key from now on.",
       .run = in_store<block>,
       .answer = kOne},
      {.method = kPost,
       .path = "/v1/keys/{id}/unblock",
       .purpose = "Lets the key in again.",
       .run = in_store<unblock>,
       .answer = kOne},
      {.method = kPost,
       .path = "/v1/keys/{id}/rotate",
       .purpose = "Gives the key a new secret, shown this once.",
       .run = in_store<rotate>,
       .body = kRotateBody,
       .answer = kWithSecret,
       .is_remembered = true},
  };
}

}  // namespace

std::span<const Route> key_rows() {
  static const std::vector<Route> kRows = make_rows();
  return kRows;
}

}  // namespace sluice::admin
