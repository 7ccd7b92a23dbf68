// /team/*, as LiteLLM's proxy has it.
#include <array>

#include "fields.h"
#include "key_calls.h"
#include "litellm.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr size_t kDeletedMost = 100;

auth::StoreResult<auth::Owner> find(auth::KeyStore& store, const auth::Actor& actor,
                                    const std::string& id) {
  auto team = store.find_owner(actor, id);
  if (team && team->level != auth::OwnerLevel::kTeam) {
    return std::unexpected(auth::StoreError{
        .fault = auth::StoreFault::kNotFound, .text = "there is no team of this id", .field = {}});
  }
  return team;
}

void write_team(json::Writer& writer, const auth::Owner& team) {
  writer.begin_object().key("team_id").string(team.id).key("team_alias").string(team.name);
  writer.key("organization_id");
  write_text_or_null(writer, team.organisation);
  writer.key("created_at").string(time_text(team.created));
  writer.key("updated_at").string(time_text(team.updated));
  litellm::write_shared(writer, team.models, team.limits, team.metadata, team.is_blocked);
  writer.end_object();
}

StoreAnswer answer_team(const auth::StoreResult<auth::Owner>& team) {
  if (!team) return {answer_of(team.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  write_team(writer, *team);
  return made;
}

// The id of a team is no member of it, in our words.
std::optional<control::SmallAnswer> read_team(const Call& call, auth::Owner& team) {
  const auto body = litellm::translate(call.body, team.limits, call.parts.clock.wall());
  if (!body) return answer_of(body.error());
  json::Object members = *body->as_object();
  std::erase_if(members, [](const json::Member& member) { return member.name == "team"; });
  if (auto refusal = read_owner(json::Value(std::move(members)), team)) return answer_of(*refusal);
  return std::nullopt;
}

StoreAnswer create(auth::KeyStore& store, Call& call) {
  auth::Owner team{.level = auth::OwnerLevel::kTeam, .id = text_of(call.body, "team_id")};
  if (auto refused = read_team(call, team)) return {std::move(*refused)};
  return answer_team(store.create_owner(call.caller.actor, std::move(team)));
}

StoreAnswer update(auth::KeyStore& store, Call& call) {
  auto team = find(store, call.caller.actor, text_of(call.body, "team_id"));
  if (!team) return {answer_of(team.error())};
  if (auto refused = read_team(call, *team)) return {std::move(*refused)};
  return answer_team(store.update_owner(call.caller.actor, *team));
}

template <bool kIsBlocked>
StoreAnswer block(auth::KeyStore& store, Call& call) {
  const auto team = find(store, call.caller.actor, text_of(call.body, "team_id"));
  if (!team) return {answer_of(team.error())};
  return answer_team(store.block_owner(call.caller.actor, team->id, kIsBlocked));
}

StoreAnswer remove(auth::KeyStore& store, Call& call) {
  const auth::Actor& actor = call.caller.actor;
  const std::vector<std::string> ids = texts_of(call.body, "team_ids");
  if (ids.empty() || ids.size() > kDeletedMost) {
    return {control::error_answer(400, "invalid_request", "`team_ids` must name 1 to 100 teams",
                                  "team_ids")};
  }
  for (const std::string& id : ids) {
    if (const auto team = find(store, actor, id); !team) return {answer_of(team.error())};
  }
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("deleted_teams").begin_array();
  for (const std::string& id : ids) {
    // As LiteLLM's: the keys of the team go with it.
    const auto deleted = store.delete_owner(actor, id, true);
    if (!deleted) return {answer_of(deleted.error())};
    writer.string(id);
  }
  writer.end_array().end_object();
  return made;
}

StoreAnswer show(auth::KeyStore& store, Call& call) {
  const auto team = find(store, call.caller.actor, text_of(call.query, "team_id"));
  if (!team) return {answer_of(team.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("team_id").string(team->id).key("team_info");
  write_team(writer, *team);
  writer.end_object();
  return made;
}

StoreAnswer list(auth::KeyStore& store, Call& call) {
  const auto page = read_page(call.query);
  if (!page) return {answer_of(page.error())};
  const auth::OwnerFilter filter{.level = auth::OwnerLevel::kTeam,
                                 .organisation = text_of(call.query, "organization_id")};
  const auto teams = store.list_owners(call.caller.actor, filter, *page);
  if (!teams) return {answer_of(teams.error())};
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("teams").begin_array();
  for (const auth::Owner& team : *teams) write_team(writer, team);
  writer.end_array().key("next");
  write_text_or_null(writer, teams->size() == page->most ? teams->back().id : "");
  writer.end_object();
  return made;
}

// --- rows --------------------------------------------------------------------------------------

constexpr std::array<Field, 3> kInput = {{
    {.name = "team_id"},
    {.name = "team_alias", .is_needed = true},
    {.name = "organization_id"},
}};
constexpr std::array<Field, 3> kChangeInput = {{
    {.name = "team_id", .is_needed = true},
    {.name = "team_alias"},
    {.name = "organization_id"},
}};
constexpr std::array<Field, 5> kShown = {{
    {.name = "team_id", .is_needed = true},
    {.name = "team_alias", .is_needed = true},
    {.name = "organization_id"},
    {.name = "created_at", .kind = FieldKind::kTime, .is_needed = true},
    {.name = "updated_at", .kind = FieldKind::kTime, .is_needed = true},
}};
constexpr std::array<Field, 1> kOneTeam = {{{.name = "team_id", .is_needed = true}}};
constexpr std::array<Field, 1> kTeams = {
    {{.name = "team_ids", .kind = FieldKind::kTexts, .is_needed = true}}};
constexpr std::array<Field, 1> kDeleted = {
    {{.name = "deleted_teams", .kind = FieldKind::kTexts, .is_needed = true}}};
constexpr std::array<Field, 3> kListQuery = {
    {{.name = "organization_id"}, kLimitField, kCursorField}};

std::vector<Route> make_rows() {
  using enum http::Method;
  static const std::vector<Field> kNew = litellm::with_shared(kInput);
  static const std::vector<Field> kChange = litellm::with_shared(kChangeInput);
  static const std::vector<Field> kTeam = litellm::with_shared(kShown);
  static const std::array<Field, 2> kDetails = {
      {{.name = "team_id", .is_needed = true},
       {.name = "team_info", .kind = FieldKind::kRecord, .is_needed = true, .fields = kTeam}}};
  static const std::array<Field, 2> kMany = {
      {{.name = "teams", .kind = FieldKind::kRecords, .is_needed = true, .fields = kTeam},
       kNextField}};
  constexpr std::string_view kPurpose = "As LiteLLM's call of this name.";
  const auto row = [&](http::Method method, std::string_view path, auto work,
                       std::span<const Field> input, std::span<const Field> answer) {
    Route made{.method = method, .path = path, .purpose = kPurpose, .run = work, .answer = answer};
    (method == kGet ? made.query : made.body) = input;
    return made;
  };
  std::vector<Route> rows = {
      row(kPost, "/team/new", in_store<create>, kNew, kTeam),
      row(kPost, "/team/update", in_store<update>, kChange, kTeam),
      row(kPost, "/team/delete", in_store<remove>, kTeams, kDeleted),
      row(kPost, "/team/block", in_store<block<true>>, kOneTeam, kTeam),
      row(kPost, "/team/unblock", in_store<block<false>>, kOneTeam, kTeam),
      row(kGet, "/team/info", in_store<show>, kOneTeam, kDetails),
      row(kGet, "/team/list", in_store<list>, kListQuery, kMany),
  };
  rows[0].is_remembered = true;
  return rows;
}

}  // namespace

std::span<const Route> litellm_team_rows() {
  static const std::vector<Route> kRows = make_rows();
  return kRows;
}

}  // namespace sluice::admin
