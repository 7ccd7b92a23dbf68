// What was done, by whom, from where.
#include <array>
#include <charconv>

#include "fields.h"
#include "key_calls.h"
#include "rows.h"

namespace sluice::admin {
namespace {

void write_object_or_null(json::Writer& writer, std::string_view json) {
  json.empty() ? writer.null() : writer.raw(json);
}

void write_entry(json::Writer& writer, const auth::AuditEntry& entry) {
  writer.begin_object().key("id").string(std::to_string(entry.id));
  writer.key("at").string(time_text(entry.at)).key("actor").string(entry.actor);
  writer.key("origin").string(entry.origin).key("action").string(entry.action).key("object");
  write_text_or_null(writer, entry.object);
  writer.key("before");
  write_object_or_null(writer, entry.before);
  writer.key("after");
  write_object_or_null(writer, entry.after);
  writer.key("outcome").string(entry.outcome).end_object();
}

std::expected<auth::AuditFilter, Refusal> read_filter(const Call& call) {
  const auto page = read_page(call.query);
  if (!page) return std::unexpected(page.error());
  auth::AuditFilter filter{.actor = text_of(call.query, "actor"),
                           .action = text_of(call.query, "action"),
                           .object = text_of(call.query, "object"),
                           .from = time_of(call.query, "from"),
                           .to = time_of(call.query, "to"),
                           .most = page->most};
  const std::string& cursor = page->after;
  const char* end = cursor.data() + cursor.size();
  const auto [stop, error] = std::from_chars(cursor.data(), end, filter.before_id);
  if (!cursor.empty() && (error != std::errc{} || stop != end)) {
    return std::unexpected(
        Refusal{.message = "`cursor` must be the `next` of a page", .param = "cursor"});
  }
  if (!call.caller.is_scoped()) return filter;
  // What others have done may be about what this caller may not see.
  const std::string& own = call.caller.actor.name;
  if (!filter.actor.empty() && filter.actor != own) {
    return std::unexpected(Refusal{.status = 403,
                                   .code = "forbidden",
                                   .message = "this key sees what it has done itself alone",
                                   .param = "actor"});
  }
  filter.actor = own;
  return filter;
}

StoreAnswer list(auth::KeyStore& store, Call& call) {
  const auto filter = read_filter(call);
  if (!filter) return {answer_of(filter.error())};
  const auto entries = store.list_audit(call.caller.actor, *filter);
  if (!entries) return {answer_of(entries.error())};
  bool has_more = false;
  if (entries->size() == filter->most) {
    auth::AuditFilter rest = *filter;
    rest.before_id = entries->back().id;
    rest.most = 1;
    const auto more = store.list_audit(call.caller.actor, rest);
    has_more = more && !more->empty();
  }
  StoreAnswer made;
  json::Writer writer(made.answer.body);
  writer.begin_object().key("entries").begin_array();
  for (const auth::AuditEntry& entry : *entries) write_entry(writer, entry);
  writer.end_array().key("next");
  write_text_or_null(writer, has_more ? std::to_string(entries->back().id) : "");
  writer.end_object();
  return made;
}

constexpr std::array<Field, 7> kQuery = {{
    {.name = "actor"},
    {.name = "action", .purpose = "`*` for any letters: \"key.*\"."},
    {.name = "object", .purpose = "The id of what it was done to."},
    {.name = "from", .kind = FieldKind::kTime},
    {.name = "to", .kind = FieldKind::kTime},
    kLimitField,
    kCursorField,
}};
constexpr std::array<Field, 9> kEntry = {{
    {.name = "id", .is_needed = true},
    {.name = "at", .kind = FieldKind::kTime, .is_needed = true},
    {.name = "actor", .purpose = "unix:uid=..,pid=.., or the id of a key.", .is_needed = true},
    {.name = "origin", .purpose = "unix, or an address.", .is_needed = true},
    {.name = "action", .is_needed = true},
    {.name = "object"},
    {.name = "before", .kind = FieldKind::kObject},
    {.name = "after", .kind = FieldKind::kObject},
    {.name = "outcome", .purpose = "ok, or the code of the error.", .is_needed = true},
}};
constexpr std::array<Field, 2> kEntries = {
    {{.name = "entries", .kind = FieldKind::kRecords, .is_needed = true, .fields = kEntry},
     kNextField}};
constexpr std::array<Route, 1> kRows = {{{.path = "/v1/audit",
                                          .purpose = "What was done, the newest first.",
                                          .run = in_store<list>,
                                          .query = kQuery,
                                          .answer = kEntries}}};

}  // namespace

std::span<const Route> audit_rows() { return kRows; }

}  // namespace sluice::admin
