// What was spent, by key, tenant and model: totals, and days for the last two months.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include <sluice/base/clock.h>
#include <sluice/config/limiting.h>
#include <sluice/usage/spend_record.h>

namespace sluice::control {

enum class SpendSubject : uint8_t { kKey, kTenant, kModel };
inline constexpr std::array<std::string_view, 3> kSpendSubjectNames = {"key", "tenant", "model"};

struct SpendSums {
  uint64_t requests = 0;
  uint64_t input_tokens = 0;
  uint64_t output_tokens = 0;
  uint64_t micro_dollars = 0;
  uint64_t unpriced = 0;  // Requests without a cost, for want of a price or of a count.
  uint64_t unknown = 0;   // Requests whose use is not known; they cost what was set aside.

  void add(const SpendSums& other) noexcept;
  bool operator==(const SpendSums&) const = default;
};

struct SpendLine {
  std::string name;
  SpendSums sums;
};

// Days are of UTC and of the time of settling. What tenants spent counts for those above them, as
// they stand in the configuration in force; what a key of the store spent counts for its user, its
// team and its organisation, each as a tenant.
//
// Control thread only. Sums stay at their greatest value rather than wrap.
class SpendBook {
 public:
  static constexpr size_t kSubjectsMost = 100'000;  // Further ones are added up as kOtherName.
  static constexpr size_t kDaysMost = 62;
  static constexpr std::string_view kOtherName = "(other)";
  static constexpr std::string_view kNobodyName = "(none)";  // For a record without such a name.

  // `record` is of kind kSettled.
  void add(const usage::SpendRecord& record);
  // Follows which tenants stand below which.
  void follow(const std::vector<config::Tenant>& tenants);

  // Micro-dollars in the calendar window that `now` is in; `window` is kDay, kWeek, kMonth or
  // kTotal. This is what a budget's bank begins with.
  [[nodiscard]] uint64_t spent(SpendSubject subject, std::string_view name,
                               config::LimitWindow window, WallTime now) const;
  [[nodiscard]] SpendSums sums(SpendSubject subject, std::string_view name,
                               config::LimitWindow window, WallTime now) const;
  // Everyone with a request in the window, the most expensive first, at most `most`; `left_out`
  // is how many more there are.
  [[nodiscard]] std::vector<SpendLine> lines(SpendSubject subject, config::LimitWindow window,
                                             WallTime now, size_t most, size_t* left_out) const;
  // Of everyone with a request.
  [[nodiscard]] std::vector<std::string> names(SpendSubject subject) const;
  [[nodiscard]] size_t size() const noexcept { return accounts_.size(); }

  // The whole book as payloads, and back. restore() is false for what write_rows() cannot write.
  void write_rows(std::vector<std::string>* rows) const;
  bool restore(std::string_view row);
  void clear() { accounts_.clear(); }

 private:
  struct Day {
    int32_t day = 0;  // Since the Unix epoch.
    SpendSums sums;
  };
  struct Account {
    SpendSums total;
    std::vector<Day> days;  // Ascending; days without a request are absent.
  };

  Account& account(SpendSubject subject, std::string_view name);
  static void add_day(Account& account, int32_t day, const SpendSums& sums);
  [[nodiscard]] SpendSums own_sums(const Account& account, config::LimitWindow window,
                                   WallTime now) const;
  // "" at the top.
  [[nodiscard]] std::string_view parent_of(std::string_view tenant) const;
  [[nodiscard]] bool is_below(std::string_view tenant, std::string_view top) const;

  // By the digit of the subject and its name.
  absl::flat_hash_map<std::string, Account> accounts_;
  absl::flat_hash_map<std::string, std::string> parents_;  // By tenant; none at the top.
};

}  // namespace sluice::control
