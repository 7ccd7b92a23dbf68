#include <algorithm>
#include <array>

#include <sluice/json/writer.h>

#include "command.h"

namespace sluice::admin {
namespace {

constexpr std::string_view kPrefix = "/v1/spend/";
constexpr size_t kLinesMost = 1'000;

struct Window {
  std::string_view name;
  config::LimitWindow window;
};
constexpr std::array<Window, 4> kWindows = {{{"day", config::LimitWindow::kDay},
                                             {"week", config::LimitWindow::kWeek},
                                             {"month", config::LimitWindow::kMonth},
                                             {"total", config::LimitWindow::kTotal}}};

std::string_view name_of(config::LimitWindow window) noexcept {
  return std::ranges::find(kWindows, window, &Window::window)->name;
}

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

}  // namespace

std::optional<SpendQuestion> find_spend_question(std::string_view path) noexcept {
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto subject = std::ranges::find(control::kSpendSubjectNames, path.substr(0, slash));
  const auto window = std::ranges::find(kWindows, path.substr(slash + 1), &Window::name);
  if (subject == control::kSpendSubjectNames.end() || window == kWindows.end()) {
    return std::nullopt;
  }
  const auto index = subject - control::kSpendSubjectNames.begin();
  return SpendQuestion{static_cast<control::SpendSubject>(index), window->window};
}

control::SmallAnswer show_spend(const AdminParts& parts, SpendQuestion question) {
  const control::SpendState state = parts.operations.spend_state();
  if (state.book == nullptr) {
    return control::error_answer(409, "no_journal",
                                 "spend is not counted; set journal.directory in the "
                                 "configuration and restart Sluice");
  }
  size_t left_out = 0;
  const auto lines =
      state.book->lines(question.subject, question.window, state.now, kLinesMost, &left_out);
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object()
      .key("by")
      .string(control::kSpendSubjectNames[static_cast<size_t>(question.subject)])
      .key("window")
      .string(name_of(question.window))
      .key("spend")
      .begin_array();
  for (const control::SpendLine& line : lines) write_line(writer, line);
  writer.end_array().key("left_out").unsigned_integer(left_out).end_object();
  return answer;
}

}  // namespace sluice::admin
