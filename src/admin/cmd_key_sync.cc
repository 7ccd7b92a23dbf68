// Many keys at once, from a system that keeps them itself.
#include <array>

#include <fmt/format.h>

#include <sluice/auth/credentials.h>

#include "fields.h"
#include "key_calls.h"
#include "new_secret.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::string_view kModes[] = {"full", "incremental"};
constexpr size_t kSecretBytesLeast = 16;

Refusal refuse(std::string param, std::string message) {
  return {.message = std::move(message), .param = std::move(param)};
}

bool is_secret(std::string_view text) noexcept {
  return text.size() >= kSecretBytesLeast && text.size() <= auth::kSecretBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<crypto::Digest> digest_of_hex(std::string_view text) noexcept {
  crypto::Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
    digest[i / 2] = static_cast<uint8_t>(digest[i / 2] << 4 | (is_digit ? c - '0' : c - 'a' + 10));
  }
  return digest;
}

// The secret or its digest, exactly one of the two.
std::optional<Refusal> read_secret(const json::Value& item, const std::string& place,
                                   auth::KeyRecord& key) {
  const std::string& secret = text_of(item, "secret");
  const std::string& hex = text_of(item, "sha256");
  if (secret.empty() == hex.empty()) {
    return refuse(place + "secret", fmt::format("give either `{0}secret` or `{0}sha256`", place));
  }
  if (hex.empty()) {
    if (!is_secret(secret)) {
      return refuse(place + "secret", fmt::format("`{}secret` must be {} to {} visible characters",
                                                  place, kSecretBytesLeast, auth::kSecretBytesMax));
    }
    key.digest = crypto::sha256(secret);
    key.prefix = prefix_of(secret);
    return std::nullopt;
  }
  const auto digest = digest_of_hex(hex);
  if (!digest) {
    return refuse(place + "sha256",
                  fmt::format("`{}sha256` must be 64 digits of lower-case hexadecimal", place));
  }
  key.digest = *digest;
  key.prefix = text_of(item, "prefix");
  return std::nullopt;
}

std::optional<Refusal> read_request(const Call& call, auth::SyncRequest& request) {
  request.is_full = text_of(call.body, "mode") == "full";
  request.is_dry = boolean_of(call.body, "dry_run").value_or(false);
  request.may_empty = boolean_of(call.body, "allow_empty").value_or(false);
  const json::Array& items = *call.body.find("keys")->as_array();
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string place = fmt::format("keys[{}].", i);
    auth::KeyRecord& key = request.keys.emplace_back();
    key.id = text_of(items[i], "id");
    auto refusal = read_secret(items[i], place, key);
    if (!refusal) refusal = read_key(items[i], key, place);
    if (refusal) return refusal;
  }
  if (request.is_full && items.empty() && !request.may_empty) {
    return refuse("allow_empty",
                  "a full sync without any key deletes all keys; say \"allow_empty\": true if that "
                  "is meant");
  }
  return std::nullopt;
}

StoreAnswer sync(auth::KeyStore& store, Call& call) {
  auth::SyncRequest request;
  if (auto refusal = read_request(call, request)) return {answer_of(*refusal)};
  const auto outcome = store.sync_keys(call.caller.actor, request);
  if (!outcome) return {answer_of(outcome.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("created").unsigned_integer(outcome->created);
  writer.key("updated").unsigned_integer(outcome->updated);
  writer.key("unchanged").unsigned_integer(outcome->unchanged);
  writer.key("deleted").unsigned_integer(outcome->deleted);
  writer.key("dry_run").boolean(request.is_dry).end_object();
  return made;
}

std::vector<Field> make_item_fields() {
  std::vector<Field> fields = {
      {.name = "id"},
      {.name = "secret"},
      {.name = "sha256", .purpose = "Of the secret, instead of it."},
      {.name = "prefix", .purpose = "With sha256: the first characters of the secret."}};
  const std::span<const Field> of_key = key_input_fields();
  fields.insert(fields.end(), of_key.begin(), of_key.end());
  return fields;
}

constexpr std::array<Field, 5> kOutcome = {{
    {.name = "created", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "updated", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "unchanged", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "deleted", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "dry_run", .kind = FieldKind::kBoolean, .is_needed = true},
}};

}  // namespace

std::span<const Route> sync_rows() {
  static const std::vector<Field> kItem = make_item_fields();
  static const std::array<Field, 4> kBody = {{
      {.name = "mode",
       .purpose = "full deletes the keys that are not named.",
       .is_needed = true,
       .choices = kModes},
      {.name = "dry_run", .kind = FieldKind::kBoolean, .purpose = "Says what would happen."},
      {.name = "allow_empty", .kind = FieldKind::kBoolean, .purpose = "A full sync of no key."},
      {.name = "keys", .kind = FieldKind::kRecords, .is_needed = true, .fields = kItem},
  }};
  static const std::array<Route, 1> kRows = {{{.method = http::Method::kPost,
                                               .path = "/v1/keys/sync",
                                               .purpose = "Makes, changes and deletes many keys, "
                                                          "all or none.",
                                               .run = in_store<sync>,
                                               .body = kBody,
                                               .answer = kOutcome}}};
  return kRows;
}

}  // namespace sluice::admin
