// Questions to the usage log's file.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "usage_file.h"

namespace sluice::control {
namespace {

using store::SqliteValue;

constexpr uint32_t kPageMost = 1'000;
constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;

// The conditions of a filter, and the values of their `?`. The texts live as long as the filter.
struct Conditions {
  explicit Conditions(const UsageFilter& filter) {
    if (filter.from) add("at >= ?", filter.from->unix_us);
    if (filter.to) add("at < ?", filter.to->unix_us);
    const std::array<std::pair<std::string_view, const std::string*>, 8> names = {
        {{"key = ?", &filter.key},
         {"tenant = ?", &filter.tenant},
         {"organisation = ?", &filter.organisation},
         {"team = ?", &filter.team},
         {"user = ?", &filter.user},
         {"model = ?", &filter.model},
         {"organisation = ?", &filter.scope_organisation},
         {"team = ?", &filter.scope_team}}};
    for (const auto& [condition, name] : names) {
      if (!name->empty()) add(condition, std::string_view(*name));
    }
  }
  void add(std::string_view condition, SqliteValue value) {
    text += text.empty() ? " WHERE " : " AND ";
    text += condition;
    values.push_back(value);
  }

  std::string text;
  std::vector<SqliteValue> values;
};

std::string_view column_of(UsageBy by) noexcept {
  switch (by) {
    case UsageBy::kKey: return "key";
    case UsageBy::kTenant: return "tenant";
    case UsageBy::kOrganisation: return "organisation";
    case UsageBy::kTeam: return "team";
    case UsageBy::kUser: return "user";
    case UsageBy::kModel: return "model";
    case UsageBy::kDeployment: return "deployment";
    case UsageBy::kDay: break;
  }
  return "at / ?";
}

std::string day_text(int64_t day) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{static_cast<int>(day)}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

UsageLine read_line(const store::SqliteQuery& query, UsageBy by) {
  const auto number = [&query](int column) { return static_cast<uint64_t>(query.integer(column)); };
  return {.name = by == UsageBy::kDay ? day_text(query.integer(0)) : std::string(query.text(0)),
          .requests = number(1),
          .input_tokens = number(2),
          .output_tokens = number(3),
          .cached_tokens = number(4),
          .reasoning_tokens = number(5),
          .micro_dollars = number(6),
          .errors = number(7),
          .unknown = number(8)};
}

// A deadline for one question.
class Limited {
 public:
  Limited(store::SqliteDb& db, Clock& clock, Deadline deadline) : db_(db), clock_(clock) {
    db_.set_deadline(clock, deadline);
  }
  ~Limited() { db_.set_deadline(clock_, Deadline::never()); }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;

 private:
  store::SqliteDb& db_;
  Clock& clock_;
};

}  // namespace

UsageResult<std::unique_ptr<UsageReader>> UsageReader::open(const std::string& path) {
  auto db = store::SqliteDb::open(
      path, {.is_exclusive = false, .is_read_only = true, .busy_wait = seconds(1)});
  if (!db) return std::unexpected(std::move(db.error().text));
  return std::unique_ptr<UsageReader>(new UsageReader(std::move(*db)));
}

UsageResult<UsageSums> UsageReader::sums(const UsageQuestion& question, Clock& clock,
                                         Deadline deadline) {
  const Limited limited(*db_, clock, deadline);
  Conditions conditions(question.filter);
  const bool is_by_day = question.by == UsageBy::kDay;
  std::vector<SqliteValue>& values = conditions.values;
  if (is_by_day) values.insert(values.begin(), kDayUs);
  values.emplace_back(static_cast<int64_t>(UsageSums::kLinesMost + 1));
  const std::string sql = fmt::format(
      "SELECT {} AS name, COUNT(*), COALESCE(SUM(input_tokens), 0), "
      "COALESCE(SUM(output_tokens), 0), COALESCE(SUM(cached_tokens), 0), "
      "COALESCE(SUM(reasoning_tokens), 0), COALESCE(SUM(micro_dollars), 0) AS cost, "
      "SUM(error != '' OR status >= 400), SUM(source IN ('estimated', 'unknown')) "
      "FROM usage{} GROUP BY 1 ORDER BY {} LIMIT ?",
      column_of(question.by), conditions.text, is_by_day ? "1 DESC" : "cost DESC, 1");
  auto rows = db_->query(sql, values);
  if (!rows) return std::unexpected(std::move(rows.error().text));
  UsageSums sums;
  for (;;) {
    auto row = rows->next();
    if (!row) return std::unexpected(std::move(row.error().text));
    if (!*row) return sums;
    if (sums.lines.size() == UsageSums::kLinesMost) {
      sums.has_more = true;
      return sums;
    }
    sums.lines.push_back(read_line(*rows, question.by));
  }
}

UsageResult<UsagePage> UsageReader::page(const UsagePageQuestion& question, Clock& clock,
                                         Deadline deadline) {
  const Limited limited(*db_, clock, deadline);
  const uint32_t most = std::clamp(question.most, 1u, kPageMost);
  Conditions conditions(question.filter);
  if (question.before != 0) {
    const auto number = static_cast<int64_t>(question.before);
    auto at = db_->integer_of("SELECT at FROM usage WHERE number = ?", {number});
    if (!at) return std::unexpected(std::move(at.error().text));
    // One that is gone by now was among the oldest: nothing is behind it.
    if (*at == 0) return UsagePage{};
    conditions.add("(at, number) < (?", *at);
    conditions.text += ", ?)";
    conditions.values.emplace_back(number);
  }
  conditions.values.emplace_back(int64_t{most} + 1);
  auto rows = db_->query(fmt::format("SELECT {} FROM usage{} ORDER BY at DESC, number DESC LIMIT ?",
                                     usage_columns(), conditions.text),
                         conditions.values);
  if (!rows) return std::unexpected(std::move(rows.error().text));
  UsagePage page;
  for (;;) {
    auto row = rows->next();
    if (!row) return std::unexpected(std::move(row.error().text));
    if (!*row) return page;
    if (page.rows.size() == most) {
      page.next = page.rows.back().number;
      return page;
    }
    page.rows.push_back(read_usage_row(*rows));
  }
}

}  // namespace sluice::control
