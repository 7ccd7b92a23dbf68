// Organisations, teams and users: what owns keys, and binds them.
#include <array>

#include "fields.h"
#include "key_calls.h"
#include "rows.h"

namespace sluice::admin {
namespace {

using auth::OwnerLevel;

constexpr std::array<std::string_view, 3> kLists = {"organisations", "teams", "users"};

std::string_view name_of(OwnerLevel level) noexcept {
  return auth::kOwnerLevelNames[static_cast<size_t>(level)];
}

// {"team": ...}
StoreAnswer answer_owner(const auth::StoreResult<auth::Owner>& owner, uint16_t status = 200) {
  if (!owner) return {answer_of(owner.error())};
  StoreAnswer made{.answer = {.status = status}};
  json::Writer writer(made.answer.body);
  writer.begin_object().key(name_of(owner->level));
  write_owner(writer, *owner);
  writer.end_object();
  return made;
}

// The one of the path; one of another level does not exist under that path.
auth::StoreResult<auth::Owner> find(auth::KeyStore& store, const Call& call, OwnerLevel level) {
  auto owner = store.find_owner(call.caller.actor, call.places[0]);
  if (owner && owner->level != level) {
    return std::unexpected(auth::StoreError{
        .fault = auth::StoreFault::kNotFound, .text = "there is none of this id", .field = {}});
  }
  return owner;
}

template <OwnerLevel kLevel>
StoreAnswer create(auth::KeyStore& store, Call& call) {
  auth::Owner owner{.level = kLevel, .id = text_of(call.body, "id")};
  if (auto refusal = read_owner(call.body, owner)) return {answer_of(*refusal)};
  return answer_owner(store.create_owner(call.caller.actor, std::move(owner)), 201);
}

template <OwnerLevel kLevel>
StoreAnswer show(auth::KeyStore& store, Call& call) {
  return answer_owner(find(store, call, kLevel));
}

template <OwnerLevel kLevel>
StoreAnswer update(auth::KeyStore& store, Call& call) {
  auto owner = find(store, call, kLevel);
  if (!owner) return {answer_of(owner.error())};
  const std::string& id = text_of(call.body, "id");
  if (!id.empty() && id != owner->id) {
    return {control::error_answer(400, "invalid_request", "`id` cannot be changed", "id")};
  }
  if (auto refusal = read_owner(call.body, *owner)) return {answer_of(*refusal)};
  return answer_owner(store.update_owner(call.caller.actor, *owner));
}

template <OwnerLevel kLevel, bool kIsBlocked>
StoreAnswer block(auth::KeyStore& store, Call& call) {
  const auto owner = find(store, call, kLevel);
  if (!owner) return {answer_of(owner.error())};
  return answer_owner(store.block_owner(call.caller.actor, owner->id, kIsBlocked));
}

template <OwnerLevel kLevel>
StoreAnswer remove(auth::KeyStore& store, Call& call) {
  const auto owner = find(store, call, kLevel);
  if (!owner) return {answer_of(owner.error())};
  const bool with_all = boolean_of(call.query, "with_all").value_or(false);
  const auto deleted = store.delete_owner(call.caller.actor, owner->id, with_all);
  if (!deleted) return {answer_of(deleted.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("id").string(owner->id).key("deleted").boolean(true).end_object();
  return made;
}

template <OwnerLevel kLevel>
StoreAnswer list(auth::KeyStore& store, Call& call) {
  const auto page = read_page(call.query);
  if (!page) return {answer_of(page.error())};
  const auth::OwnerFilter filter{.level = kLevel,
                                 .organisation = text_of(call.query, "organisation"),
                                 .team = text_of(call.query, "team"),
                                 .search = text_of(call.query, "search")};
  const auth::Actor& actor = call.caller.actor;
  const auto owners = store.list_owners(actor, filter, *page);
  if (!owners) return {answer_of(owners.error())};
  bool has_more = false;
  if (owners->size() == page->most) {
    const auto more = store.list_owners(actor, filter, {.after = owners->back().id, .most = 1});
    has_more = more && !more->empty();
  }
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key(kLists[static_cast<size_t>(kLevel)]).begin_array();
  for (const auth::Owner& owner : *owners) write_owner(writer, owner);
  writer.end_array().key("next");
  write_text_or_null(writer, has_more ? owners->back().id : "");
  writer.end_object();
  return made;
}

constexpr std::array<Field, 5> kListQuery = {
    {{.name = "organisation"}, {.name = "team"}, {.name = "search"}, kLimitField, kCursorField}};
constexpr std::array<Field, 1> kDeleteQuery = {
    {{.name = "with_all",
      .kind = FieldKind::kBoolean,
      .purpose = "Deletes what belongs to it, too; otherwise that keeps it."}}};
constexpr std::array<Field, 2> kDeleted = {
    {{.name = "id", .is_needed = true},
     {.name = "deleted", .kind = FieldKind::kBoolean, .is_needed = true}}};

// The paths of one level, in static storage.
struct Paths {
  std::string_view all;
  std::string_view one;
  std::string_view block;
  std::string_view unblock;
};
constexpr std::array<Paths, 3> kPaths = {{
    {"/v1/organisations", "/v1/organisations/{id}", "/v1/organisations/{id}/block",
     "/v1/organisations/{id}/unblock"},
    {"/v1/teams", "/v1/teams/{id}", "/v1/teams/{id}/block", "/v1/teams/{id}/unblock"},
    {"/v1/users", "/v1/users/{id}", "/v1/users/{id}/block", "/v1/users/{id}/unblock"},
}};

template <OwnerLevel kLevel>
void add_rows(std::vector<Route>& rows) {
  using enum http::Method;
  constexpr Paths kPath = kPaths[static_cast<size_t>(kLevel)];
  static const std::array<Field, 1> kOne = {{{.name = name_of(kLevel),
                                              .kind = FieldKind::kRecord,
                                              .is_needed = true,
                                              .fields = owner_fields()}}};
  static const std::array<Field, 2> kMany = {{{.name = kLists[static_cast<size_t>(kLevel)],
                                               .kind = FieldKind::kRecords,
                                               .is_needed = true,
                                               .fields = owner_fields()},
                                              kNextField}};
  const std::span<const Field> input = owner_input_fields(kLevel);
  const std::array<Route, 7> added = {{
      {.method = kGet,
       .path = kPath.all,
       .purpose = "All of this level, by id.",
       .run = in_store<list<kLevel>>,
       .query = kListQuery,
       .answer = kMany},
      {.method = kPost,
       .path = kPath.all,
       .purpose = "Makes one.",
       .run = in_store<create<kLevel>>,
       .body = input,
       .answer = kOne,
       .status = 201,
       .is_remembered = true},
      {.method = kGet,
       .path = kPath.one,
       .purpose = "One of them.",
       .run = in_store<show<kLevel>>,
       .answer = kOne},
      {.method = kPatch,
       .path = kPath.one,
       .purpose = "Changes the members that are sent; null clears one.",
       .run = in_store<update<kLevel>>,
       .body = input,
       .answer = kOne},
      {.method = kDelete,
       .path = kPath.one,
       .purpose = "Deletes it, unless something belongs to it.",
       .run = in_store<remove<kLevel>>,
       .query = kDeleteQuery,
       .answer = kDeleted},
      {.method = kPost,
       .path = kPath.block,
       .purpose = "Refuses all its keys from now on.",
       .run = in_store<block<kLevel, true>>,
       .answer = kOne},
      {.method = kPost,
       .path = kPath.unblock,
       .purpose = "Lets its keys in again.",
       .run = in_store<block<kLevel, false>>,
       .answer = kOne},
  }};
  rows.insert(rows.end(), added.begin(), added.end());
}

std::vector<Route> make_rows() {
  std::vector<Route> rows;
  add_rows<OwnerLevel::kOrganisation>(rows);
  add_rows<OwnerLevel::kTeam>(rows);
  add_rows<OwnerLevel::kUser>(rows);
  return rows;
}

}  // namespace

std::span<const Route> owner_rows() {
  static const std::vector<Route> kRows = make_rows();
  return kRows;
}

}  // namespace sluice::admin
