// /key/*, as LiteLLM's proxy has it.
#include <array>

#include <fmt/format.h>

#include "fields.h"
#include "key_calls.h"
#include "litellm.h"
#include "new_secret.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr size_t kDeletedMost = 100;
constexpr size_t kOffsetMost = 100'000;
constexpr uint32_t kPageMost = 1'000;
constexpr size_t kAnswerBytes = 64 * 1024;  // Grows no more: it holds a secret.

// By its secret or by its id, whatever the script has kept.
auth::StoreResult<auth::KeyRecord> find(auth::KeyStore& store, const auth::Actor& actor,
                                        const std::string& key) {
  if (key.starts_with("sk-")) return store.find_key(actor, crypto::sha256(key));
  return store.find_key(actor, key);
}

void write_members(json::Writer& writer, const auth::KeyRecord& key) {
  writer.key("token").string(key.id).key("token_id").string(key.id);
  writer.key("key_name").string(fmt::format("sk-{}...", key.prefix)).key("key_alias");
  write_text_or_null(writer, key.name);
  writer.key("expires");
  write_time_or_null(writer, key.expires);
  writer.key("team_id");
  write_text_or_null(writer, key.team);
  writer.key("user_id");
  write_text_or_null(writer, key.user);
  writer.key("organization_id");
  write_text_or_null(writer, key.organisation);
  writer.key("tags").begin_array();
  for (const std::string& tag : key.tags) writer.string(tag);
  writer.end_array().key("created_at").string(time_text(key.created));
  writer.key("updated_at").string(time_text(key.updated));
  litellm::write_shared(writer, key.models, key.limits, key.metadata, key.is_blocked);
}

StoreAnswer answer_key(const auth::StoreResult<auth::KeyRecord>& key) {
  if (!key) return {answer_of(key.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("key").string(key->id);
  write_members(writer, *key);
  writer.end_object();
  return made;
}

StoreAnswer answer_secret(const auth::StoreResult<auth::KeyRecord>& key, const NewSecret& secret) {
  if (!key) return {answer_of(key.error())};
  StoreAnswer made;
  for (std::string* body : {&made.answer.body, &made.replay}) {
    body->reserve(kAnswerBytes);
    json::Writer writer(*body);
    writer.begin_object().key("key");
    write_text_or_null(writer, body == &made.replay ? "" : secret.text.reveal());
    write_members(writer, *key);
    writer.end_object();
  }
  return made;
}

StoreAnswer generate(auth::KeyStore& store, Call& call) {
  const auto body = litellm::translate(call.body, {}, call.parts.clock.wall());
  if (!body) return {answer_of(body.error())};
  auth::KeyRecord key;
  if (auto refusal = read_key(*body, key)) return {answer_of(*refusal)};
  const NewSecret secret = make_secret();
  key.digest = secret.digest;
  key.prefix = secret.prefix;
  return answer_secret(store.create_key(call.caller.actor, std::move(key)), secret);
}

StoreAnswer update(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  auto key = find(store, actor, text_of(call.body, "key"));
  if (!key) return {answer_of(key.error())};
  const auto body = litellm::translate(call.body, key->limits, call.parts.clock.wall());
  if (!body) return {answer_of(body.error())};
  if (auto refusal = read_key(*body, *key)) return {answer_of(*refusal)};
  return answer_key(store.update_key(actor, *key));
}

StoreAnswer regenerate(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  const auto key = find(store, actor, text_of(call.body, "key"));
  if (!key) return {answer_of(key.error())};
  const NewSecret secret = make_secret();
  return answer_secret(store.rotate_key(actor, key->id, secret.digest, secret.prefix, std::nullopt),
                       secret);
}

template <bool kIsBlocked>
StoreAnswer block(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  const auto key = find(store, actor, text_of(call.body, "key"));
  if (!key) return {answer_of(key.error())};
  return answer_key(store.block_key(actor, key->id, kIsBlocked));
}

// All must be there before the first one goes.
StoreAnswer remove(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  const std::vector<std::string> keys = texts_of(call.body, "keys");
  if (keys.empty() || keys.size() > kDeletedMost) {
    return {
        control::error_answer(400, "invalid_request", "`keys` must name 1 to 100 keys", "keys")};
  }
  std::vector<std::string> ids;
  for (const std::string& key : keys) {
    const auto found = find(store, actor, key);
    if (!found) return {answer_of(found.error())};
    ids.push_back(found->id);
  }
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("deleted_keys").begin_array();
  for (const std::string& id : ids) {
    const auto deleted = store.delete_key(actor, id);
    if (!deleted) return {answer_of(deleted.error())};
    writer.string(id);
  }
  writer.end_array().end_object();
  return made;
}

StoreAnswer show(auth::KeyStore& store, Call& call) {
  const auto key = find(store, call.caller.actor, text_of(call.query, "key"));
  if (!key) return {answer_of(key.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("key").string(key->id).key("info").begin_object();
  write_members(writer, *key);
  writer.end_object().end_object();
  return made;
}

// The store pages by id, so what an offset leaves out is read and passed over.
StoreAnswer list(auth::KeyStore& store, Call& call) {
  const auto page = read_page(call.query);
  if (!page) return {answer_of(page.error())};
  auto left = static_cast<size_t>(integer_of(call.query, "offset").value_or(0));
  if (left > kOffsetMost) {
    return {
        control::error_answer(400, "invalid_request", "`offset` must be at most 100000", "offset")};
  }
  const auth::KeyFilter filter{.organisation = text_of(call.query, "organization_id"),
                               .team = text_of(call.query, "team_id"),
                               .user = text_of(call.query, "user_id")};
  auth::Page next;
  while (left > 0) {
    next.most = static_cast<uint32_t>(std::min<size_t>(left, kPageMost));
    const auto passed = store.list_keys(call.caller.actor, filter, next);
    if (!passed) return {answer_of(passed.error())};
    const bool is_over = passed->size() < next.most;
    next.after = is_over ? "~" : passed->back().id;  // The tilde is behind every id.
    left = is_over ? 0 : left - passed->size();
  }
  next.most = page->most;
  const auto keys = store.list_keys(call.caller.actor, filter, next);
  if (!keys) return {answer_of(keys.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("keys").begin_array();
  for (const auth::KeyRecord& key : *keys) {
    writer.begin_object();
    write_members(writer, key);
    writer.end_object();
  }
  writer.end_array().end_object();
  return made;
}

// --- rows --------------------------------------------------------------------------------------

constexpr std::array<Field, 8> kInput = {{
    {.name = "key_alias"},
    {.name = "duration", .kind = FieldKind::kDuration, .purpose = "Until it expires."},
    {.name = "team_id"},
    {.name = "user_id"},
    {.name = "organization_id"},
    {.name = "tags", .kind = FieldKind::kTexts},
    {.name = "model_rpm_limit", .kind = FieldKind::kObject},
    {.name = "model_tpm_limit", .kind = FieldKind::kObject},
}};
constexpr std::array<Field, 11> kShown = {{
    {.name = "token", .purpose = "Its id, for later calls."},
    {.name = "token_id"},
    {.name = "key_name"},
    {.name = "key_alias"},
    {.name = "expires", .kind = FieldKind::kTime},
    {.name = "team_id"},
    {.name = "user_id"},
    {.name = "organization_id"},
    {.name = "tags", .kind = FieldKind::kTexts},
    {.name = "created_at", .kind = FieldKind::kTime},
    {.name = "updated_at", .kind = FieldKind::kTime},
}};
constexpr Field kKey = {.name = "key", .purpose = "The secret, or the id.", .is_needed = true};
constexpr std::array<Field, 1> kOneKey = {kKey};
constexpr std::array<Field, 1> kKeys = {
    {{.name = "keys", .kind = FieldKind::kTexts, .is_needed = true}}};
constexpr std::array<Field, 1> kDeleted = {
    {{.name = "deleted_keys", .kind = FieldKind::kTexts, .is_needed = true}}};
constexpr std::array<Field, 5> kListQuery = {{
    {.name = "team_id"},
    {.name = "user_id"},
    {.name = "organization_id"},
    kLimitField,
    {.name = "offset", .kind = FieldKind::kInteger},
}};

std::vector<Field> with_key(std::span<const Field> fields, bool is_needed) {
  std::vector<Field> all = {{.name = "key", .is_needed = is_needed}};
  all.insert(all.end(), fields.begin(), fields.end());
  return all;
}

std::vector<Route> make_rows() {
  using enum http::Method;
  static const std::vector<Field> kNew = litellm::with_shared(kInput);
  static const std::vector<Field> kChange = with_key(kNew, true);
  static const std::vector<Field> kMembers = litellm::with_shared(kShown);
  static const std::vector<Field> kAnswer = with_key(kMembers, false);
  static const std::array<Field, 2> kDetails = {
      {{.name = "key", .is_needed = true},
       {.name = "info", .kind = FieldKind::kRecord, .is_needed = true, .fields = kMembers}}};
  static const std::array<Field, 1> kMany = {
      {{.name = "keys", .kind = FieldKind::kRecords, .is_needed = true, .fields = kMembers}}};
  constexpr std::string_view kPurpose = "As LiteLLM's call of this name.";
  const auto row = [&](http::Method method, std::string_view path, auto work,
                       std::span<const Field> input, std::span<const Field> answer) {
    Route made{.method = method, .path = path, .purpose = kPurpose, .run = work, .answer = answer};
    (method == kGet ? made.query : made.body) = input;
    return made;
  };
  std::vector<Route> rows = {
      row(kPost, "/key/generate", in_store<generate>, kNew, kAnswer),
      row(kPost, "/key/regenerate", in_store<regenerate>, kOneKey, kAnswer),
      row(kPost, "/key/update", in_store<update>, kChange, kAnswer),
      row(kPost, "/key/delete", in_store<remove>, kKeys, kDeleted),
      row(kPost, "/key/block", in_store<block<true>>, kOneKey, kAnswer),
      row(kPost, "/key/unblock", in_store<block<false>>, kOneKey, kAnswer),
      row(kGet, "/key/info", in_store<show>, kOneKey, kDetails),
      row(kGet, "/key/list", in_store<list>, kListQuery, kMany),
  };
  rows[0].is_remembered = rows[1].is_remembered = true;
  return rows;
}

}  // namespace

std::span<const Route> litellm_key_rows() {
  static const std::vector<Route> kRows = make_rows();
  return kRows;
}

}  // namespace sluice::admin
