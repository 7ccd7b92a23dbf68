#include <sluice/control/spend_book.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include <sluice/base/assert.h>
#include <sluice/base/byte_fields.h>

namespace sluice::control {
namespace {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
constexpr int32_t kTotalRow = std::numeric_limits<int32_t>::min();

constexpr std::array kSumFields = {&SpendSums::requests,      &SpendSums::input_tokens,
                                   &SpendSums::output_tokens, &SpendSums::micro_dollars,
                                   &SpendSums::unpriced,      &SpendSums::unknown};

int32_t day_number(WallTime at) noexcept {
  // 10,000 years either way; a clock cannot mean more.
  constexpr int64_t kDaysMost = 3'650'000;
  const int64_t day = at.unix_us / kDayUs - (at.unix_us % kDayUs < 0 ? 1 : 0);
  return static_cast<int32_t>(std::clamp(day, -kDaysMost, kDaysMost));
}

// The first day of the window that `now` is in.
int32_t first_day(config::LimitWindow window, WallTime now) noexcept {
  const int32_t today = day_number(now);
  const std::chrono::sys_days date{std::chrono::days{today}};
  switch (window) {
    case config::LimitWindow::kWeek: {
      const std::chrono::weekday weekday{date};
      return today - static_cast<int32_t>(weekday.iso_encoding()) + 1;
    }
    case config::LimitWindow::kMonth: {
      const std::chrono::year_month_day parts{date};
      return today - static_cast<int32_t>(static_cast<unsigned>(parts.day())) + 1;
    }
    default: return today;
  }
}

std::string account_name(SpendSubject subject, std::string_view name) {
  std::string text(1, static_cast<char>('0' + static_cast<int>(subject)));
  return text += name;
}

SpendSums sums_of(const usage::SpendRecord& record) noexcept {
  const bool is_unknown = record.source == usage::SpendSource::kUnknown ||
                          record.source == usage::SpendSource::kEstimated;
  return {.requests = 1,
          .input_tokens = record.input_tokens.value_or(0),
          .output_tokens = record.output_tokens.value_or(0),
          .micro_dollars = record.cost_micro_dollars.value_or(0),
          .unpriced = record.cost_micro_dollars ? uint64_t{0} : uint64_t{1},
          .unknown = is_unknown ? uint64_t{1} : uint64_t{0}};
}

void append_row(std::vector<std::string>* rows, std::string_view account, int32_t day,
                const SpendSums& sums) {
  std::string& row = rows->emplace_back();
  append_short_text(row, account);
  append_number(row, static_cast<uint32_t>(day));
  for (const auto field : kSumFields) append_number(row, sums.*field);
}

}  // namespace

void SpendSums::add(const SpendSums& other) noexcept {
  for (const auto field : kSumFields) {
    uint64_t& sum = this->*field;
    if (__builtin_add_overflow(sum, other.*field, &sum)) sum = UINT64_MAX;
  }
}

void SpendBook::add(const usage::SpendRecord& record) {
  const SpendSums sums = sums_of(record);
  const int32_t day = day_number(record.at);
  const auto add_to = [&](SpendSubject subject, std::string_view name) {
    Account& found = account(subject, name.empty() ? kNobodyName : name);
    found.total.add(sums);
    add_day(found, day, sums);
  };
  const std::string_view tenant = record.tenant.view();
  add_to(SpendSubject::kKey, record.key.view());
  add_to(SpendSubject::kTenant, tenant);
  add_to(SpendSubject::kModel, record.model.view());
  for (const std::string_view owner :
       {record.user.view(), record.team.view(), record.organisation.view()}) {
    if (!owner.empty() && owner != tenant) add_to(SpendSubject::kTenant, owner);
  }
}

std::vector<std::string> SpendBook::names(SpendSubject subject) const {
  std::vector<std::string> found;
  const std::string front = account_name(subject, {});
  for (const auto& [name, account] : accounts_) {
    if (name.starts_with(front)) found.push_back(name.substr(front.size()));
  }
  return found;
}

SpendBook::Account& SpendBook::account(SpendSubject subject, std::string_view name) {
  std::string wanted = account_name(subject, name);
  const auto found = accounts_.find(wanted);
  if (found != accounts_.end()) return found->second;
  if (accounts_.size() >= kSubjectsMost) wanted = account_name(subject, kOtherName);
  return accounts_[wanted];
}

// A day older than all that are kept has no room when they are many: it stands in the total alone.
void SpendBook::add_day(Account& account, int32_t day, const SpendSums& sums) {
  std::vector<Day>& days = account.days;
  auto place = std::lower_bound(days.begin(), days.end(), day,
                                [](const Day& a, int32_t b) { return a.day < b; });
  if (place == days.end() || place->day != day) {
    if (days.size() >= kDaysMost) {
      if (place == days.begin()) return;
      --place;
      days.erase(days.begin());
    }
    place = days.insert(place, Day{.day = day, .sums = {}});
  }
  place->sums.add(sums);
}

void SpendBook::follow(const std::vector<config::Tenant>& tenants) {
  parents_.clear();
  for (const config::Tenant& tenant : tenants) {
    if (tenant.parent.is_valid()) parents_[tenant.name] = tenants[tenant.parent.value].name;
  }
}

std::string_view SpendBook::parent_of(std::string_view tenant) const {
  const auto parent = parents_.find(absl::string_view(tenant.data(), tenant.size()));
  return parent == parents_.end() ? std::string_view() : std::string_view(parent->second);
}

bool SpendBook::is_below(std::string_view tenant, std::string_view top) const {
  for (uint32_t depth = 0; depth <= config::kTenantDepthMost && !tenant.empty(); ++depth) {
    if (tenant == top) return true;
    tenant = parent_of(tenant);
  }
  return false;
}

SpendSums SpendBook::own_sums(const Account& account, config::LimitWindow window,
                              WallTime now) const {
  if (window == config::LimitWindow::kTotal) return account.total;
  const int32_t first = first_day(window, now);
  const int32_t last = day_number(now);
  SpendSums sums;
  for (const Day& day : account.days) {
    if (day.day >= first && day.day <= last) sums.add(day.sums);
  }
  return sums;
}

SpendSums SpendBook::sums(SpendSubject subject, std::string_view name, config::LimitWindow window,
                          WallTime now) const {
  SpendSums sums;
  if (subject != SpendSubject::kTenant) {
    const auto found = accounts_.find(account_name(subject, name));
    return found == accounts_.end() ? sums : own_sums(found->second, window, now);
  }
  const char digit = account_name(subject, {}).front();
  for (const auto& [account_key, account] : accounts_) {
    if (account_key.front() != digit) continue;
    if (is_below(std::string_view(account_key).substr(1), name)) {
      sums.add(own_sums(account, window, now));
    }
  }
  return sums;
}

uint64_t SpendBook::spent(SpendSubject subject, std::string_view name, config::LimitWindow window,
                          WallTime now) const {
  return sums(subject, name, window, now).micro_dollars;
}

std::vector<SpendLine> SpendBook::lines(SpendSubject subject, config::LimitWindow window,
                                        WallTime now, size_t most, size_t* left_out) const {
  absl::flat_hash_map<std::string, SpendSums> found;
  const char digit = account_name(subject, {}).front();
  for (const auto& [account_key, account] : accounts_) {
    if (account_key.front() != digit) continue;
    const SpendSums sums = own_sums(account, window, now);
    if (sums.requests == 0) continue;
    std::string_view name = std::string_view(account_key).substr(1);
    for (uint32_t depth = 0; depth <= config::kTenantDepthMost && !name.empty(); ++depth) {
      found[std::string(name)].add(sums);
      name = subject == SpendSubject::kTenant ? parent_of(name) : std::string_view();
    }
  }
  std::vector<SpendLine> lines;
  for (const auto& [name, sums] : found) lines.push_back({name, sums});
  std::sort(lines.begin(), lines.end(), [](const SpendLine& a, const SpendLine& b) {
    if (a.sums.micro_dollars != b.sums.micro_dollars) {
      return a.sums.micro_dollars > b.sums.micro_dollars;
    }
    if (a.sums.requests != b.sums.requests) return a.sums.requests > b.sums.requests;
    return a.name < b.name;
  });
  *left_out = lines.size() > most ? lines.size() - most : 0;
  if (lines.size() > most) lines.resize(most);
  return lines;
}

void SpendBook::write_rows(std::vector<std::string>* rows) const {
  for (const auto& [name, account] : accounts_) {
    append_row(rows, name, kTotalRow, account.total);
    for (const Day& day : account.days) append_row(rows, name, day.day, day.sums);
  }
}

bool SpendBook::restore(std::string_view row) {
  ByteFields fields(row);
  const std::string_view name = fields.short_text();
  const auto day = static_cast<int32_t>(fields.number<uint32_t>());
  SpendSums sums;
  for (const auto field : kSumFields) sums.*field = fields.number<uint64_t>();
  if (!fields.is_good() || !fields.is_at_end() || name.empty()) return false;
  if (name.front() < '0' || name.front() > '2') return false;
  Account& found = account(static_cast<SpendSubject>(name.front() - '0'), name.substr(1));
  if (day == kTotalRow) {
    found.total.add(sums);
  } else {
    add_day(found, day, sums);
  }
  return true;
}

}  // namespace sluice::control
