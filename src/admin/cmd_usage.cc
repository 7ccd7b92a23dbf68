// What was used: sums, and single exchanges.
#include <array>
#include <charconv>

#include "fields.h"
#include "key_calls.h"
#include "rows.h"

namespace sluice::admin {
namespace {

control::SmallAnswer refuse_without_log() {
  return control::error_answer(409, "no_usage_log",
                               "single exchanges are not recorded; set usage_log.path in the "
                               "configuration and restart Sluice");
}

control::SmallAnswer refuse_failed(std::string_view problem) {
  return control::error_answer(503, "store_failed", problem);
}

control::UsageFilter read_filter(const Call& call) {
  const json::Value& query = call.query;
  return {.key = text_of(query, "key"),
          .tenant = text_of(query, "tenant"),
          .organisation = text_of(query, "organisation"),
          .team = text_of(query, "team"),
          .user = text_of(query, "user"),
          .model = text_of(query, "model"),
          .from = time_of(query, "from"),
          .to = time_of(query, "to"),
          .scope_organisation = call.caller.actor.organisation,
          .scope_team = call.caller.actor.team};
}

void write_line(json::Writer& writer, const control::UsageLine& line) {
  writer.begin_object().key("name").string(line.name);
  writer.key("requests").unsigned_integer(line.requests);
  writer.key("input_tokens").unsigned_integer(line.input_tokens);
  writer.key("output_tokens").unsigned_integer(line.output_tokens);
  writer.key("cached_tokens").unsigned_integer(line.cached_tokens);
  writer.key("reasoning_tokens").unsigned_integer(line.reasoning_tokens);
  writer.key("micro_dollars").unsigned_integer(line.micro_dollars);
  writer.key("errors").unsigned_integer(line.errors);
  writer.key("unknown").unsigned_integer(line.unknown).end_object();
}

Task<control::SmallAnswer> show_sums(Call& call) {
  if (call.parts.usage == nullptr) co_return refuse_without_log();
  control::UsageQuestion question{.filter = read_filter(call)};
  const auto by = std::ranges::find(control::kUsageByNames, text_of(call.query, "by"));
  if (by != control::kUsageByNames.end()) {
    question.by = static_cast<control::UsageBy>(by - control::kUsageByNames.begin());
  }
  const std::string_view by_name = control::kUsageByNames[static_cast<size_t>(question.by)];
  const auto from = question.filter.from;
  const auto to = question.filter.to;
  const auto sums = co_await call.parts.usage->sums(std::move(question));
  if (!sums) co_return refuse_failed(sums.error());
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("by").string(by_name).key("from");
  write_time_or_null(writer, from);
  writer.key("to");
  write_time_or_null(writer, to);
  writer.key("usage").begin_array();
  for (const control::UsageLine& line : sums->lines) write_line(writer, line);
  writer.end_array().key("has_more").boolean(sums->has_more).end_object();
  co_return answer;
}

Task<control::SmallAnswer> show_records(Call& call) {
  if (call.parts.usage == nullptr) co_return refuse_without_log();
  const auto page = read_page(call.query);
  if (!page) co_return answer_of(page.error());
  control::UsagePageQuestion question{.filter = read_filter(call), .most = page->most};
  const char* end = page->after.data() + page->after.size();
  const auto [stop, error] = std::from_chars(page->after.data(), end, question.before);
  if (!page->after.empty() && (error != std::errc{} || stop != end)) {
    co_return control::error_answer(400, "invalid_request", "`cursor` must be the `next` of a page",
                                    "cursor");
  }
  const auto found = co_await call.parts.usage->records(std::move(question));
  if (!found) co_return refuse_failed(found.error());
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("records").begin_array();
  for (const control::UsageRow& row : found->rows) control::write_usage_row(writer, row);
  writer.end_array().key("next");
  write_text_or_null(writer, found->next ? std::to_string(*found->next) : "");
  writer.end_object();
  co_return answer;
}

constexpr std::array<Field, 9> kSumsQuery = {{
    {.name = "by", .purpose = "key when not given.", .choices = control::kUsageByNames},
    {.name = "key"},
    {.name = "tenant"},
    {.name = "organisation"},
    {.name = "team"},
    {.name = "user"},
    {.name = "model"},
    {.name = "from", .kind = FieldKind::kTime},
    {.name = "to", .kind = FieldKind::kTime, .purpose = "Up to it, and without it."},
}};
constexpr std::array<Field, 10> kRecordsQuery = {{
    {.name = "key"},
    {.name = "tenant"},
    {.name = "organisation"},
    {.name = "team"},
    {.name = "user"},
    {.name = "model"},
    {.name = "from", .kind = FieldKind::kTime},
    {.name = "to", .kind = FieldKind::kTime, .purpose = "Up to it, and without it."},
    kLimitField,
    kCursorField,
}};
constexpr std::array<Field, 9> kLine = {{
    {.name = "name", .purpose = "\"\" of what has none.", .is_needed = true},
    {.name = "requests", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "input_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "output_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "cached_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "reasoning_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "micro_dollars", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "errors", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "unknown",
     .kind = FieldKind::kInteger,
     .purpose = "Of how many requests something is estimated or not known.",
     .is_needed = true},
}};
constexpr std::array<Field, 5> kSums = {{
    {.name = "by", .is_needed = true},
    {.name = "from", .kind = FieldKind::kTime},
    {.name = "to", .kind = FieldKind::kTime},
    {.name = "usage", .kind = FieldKind::kRecords, .is_needed = true, .fields = kLine},
    {.name = "has_more",
     .kind = FieldKind::kBoolean,
     .purpose = "There are more than these 1,000.",
     .is_needed = true},
}};
constexpr std::array<Field, 25> kRecord = {{
    {.name = "id", .is_needed = true},
    {.name = "request_id"},
    {.name = "began", .kind = FieldKind::kTime},
    {.name = "ended", .kind = FieldKind::kTime},
    {.name = "key"},
    {.name = "tenant"},
    {.name = "organisation"},
    {.name = "team"},
    {.name = "user"},
    {.name = "model"},
    {.name = "served_model", .purpose = "When another one answered."},
    {.name = "deployment"},
    {.name = "endpoint", .is_needed = true},
    {.name = "status", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "error"},
    {.name = "stream", .kind = FieldKind::kBoolean, .is_needed = true},
    {.name = "partial",
     .kind = FieldKind::kBoolean,
     .purpose = "The answer broke off.",
     .is_needed = true},
    {.name = "source", .purpose = "Where the tokens are known from.", .is_needed = true},
    {.name = "input_tokens", .kind = FieldKind::kInteger},
    {.name = "output_tokens", .kind = FieldKind::kInteger},
    {.name = "cached_tokens", .kind = FieldKind::kInteger},
    {.name = "reasoning_tokens", .kind = FieldKind::kInteger},
    {.name = "micro_dollars", .kind = FieldKind::kInteger},
    {.name = "duration_us", .kind = FieldKind::kInteger},
    {.name = "ttft_us", .kind = FieldKind::kInteger, .purpose = "To the first token."},
}};

constexpr std::array<Field, 2> kRecords = {
    {{.name = "records", .kind = FieldKind::kRecords, .is_needed = true, .fields = kRecord},
     kNextField}};
constexpr std::array<Route, 2> kRows = {{
    {.path = "/v1/usage",
     .purpose = "Sums of what was used, the most expensive first.",
     .run = show_sums,
     .query = kSumsQuery,
     .answer = kSums},
    {.path = "/v1/usage/records",
     .purpose = "Single exchanges, the newest first.",
     .run = show_records,
     .query = kRecordsQuery,
     .answer = kRecords},
}};

}  // namespace

std::span<const Route> usage_rows() { return kRows; }

}  // namespace sluice::admin
