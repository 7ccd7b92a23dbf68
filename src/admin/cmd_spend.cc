#include <algorithm>
#include <array>

#include <sluice/json/writer.h>

#include "rows.h"

namespace sluice::admin {
namespace {

constexpr size_t kLinesMost = 1'000;

struct Window {
  std::string_view name;
  config::LimitWindow window;
};
constexpr std::array<Window, 4> kWindows = {{{"day", config::LimitWindow::kDay},
                                             {"week", config::LimitWindow::kWeek},
                                             {"month", config::LimitWindow::kMonth},
                                             {"total", config::LimitWindow::kTotal}}};

void write_line(json::Writer& writer, const control::SpendLine& line) {
  writer.begin_object()
      .key("name")
      .string(line.name)
      .key("requests")
      .unsigned_integer(line.sums.requests)
      .key("input_tokens")
      .unsigned_integer(line.sums.input_tokens)
      .key("output_tokens")
      .unsigned_integer(line.sums.output_tokens)
      .key("micro_dollars")
      .unsigned_integer(line.sums.micro_dollars)
      .key("unpriced")
      .unsigned_integer(line.sums.unpriced)
      .key("unknown")
      .unsigned_integer(line.sums.unknown)
      .end_object();
}

Task<control::SmallAnswer> show_spend(Call& call) {
  const auto subject = std::ranges::find(control::kSpendSubjectNames, call.places[0]);
  const auto window = std::ranges::find(kWindows, call.places[1], &Window::name);
  if (subject == control::kSpendSubjectNames.end() || window == kWindows.end()) {
    co_return control::error_answer(404, "unknown_spend",
                                    "ask for /v1/spend/ and key, tenant or model, then day, week, "
                                    "month or total");
  }
  const control::SpendState state = call.parts.operations.spend_state();
  if (state.book == nullptr) {
    co_return control::error_answer(409, "no_journal",
                                    "spend is not counted; set journal.directory in the "
                                    "configuration and restart Sluice");
  }
  const auto asked =
      static_cast<control::SpendSubject>(subject - control::kSpendSubjectNames.begin());
  size_t left_out = 0;
  const auto lines = state.book->lines(asked, window->window, state.now, kLinesMost, &left_out);
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("by").string(*subject).key("window").string(window->name);
  writer.key("spend").begin_array();
  for (const control::SpendLine& line : lines) write_line(writer, line);
  writer.end_array().key("left_out").unsigned_integer(left_out).end_object();
  co_return answer;
}

constexpr std::array<Field, 7> kLine = {{
    {.name = "name", .is_needed = true},
    {.name = "requests", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "input_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "output_tokens", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "micro_dollars", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "unpriced", .kind = FieldKind::kInteger, .is_needed = true},
    {.name = "unknown", .kind = FieldKind::kInteger, .is_needed = true},
}};
constexpr std::array<Field, 4> kSpend = {{
    {.name = "by", .is_needed = true},
    {.name = "window", .is_needed = true},
    {.name = "spend", .kind = FieldKind::kRecords, .is_needed = true, .fields = kLine},
    {.name = "left_out", .kind = FieldKind::kInteger, .is_needed = true},
}};

constexpr std::array<Route, 1> kRows = {{{.path = "/v1/spend/{subject}/{window}",
                                          .purpose = "What was spent, the most expensive first.",
                                          .rights = Rights::kGateway,
                                          .run = show_spend,
                                          .answer = kSpend}}};

}  // namespace

std::span<const Route> spend_rows() { return kRows; }

}  // namespace sluice::admin
