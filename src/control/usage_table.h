// Inserts records of use into a table of PostgreSQL, MySQL or MariaDB.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/io/timer.h>
#include <sluice/store/sql_db.h>

#include "usage_target.h"

namespace sluice::control {

// The table's columns, in the order of usage_values(); docs/usage.md has the table.
inline constexpr std::array<std::string_view, 25> kUsageTableColumns = {"id",
                                                                        "request_id",
                                                                        "began",
                                                                        "ended",
                                                                        "key",
                                                                        "tenant",
                                                                        "organisation",
                                                                        "team",
                                                                        "user",
                                                                        "model",
                                                                        "served_model",
                                                                        "deployment",
                                                                        "endpoint",
                                                                        "status",
                                                                        "error",
                                                                        "stream",
                                                                        "partial",
                                                                        "source",
                                                                        "input_tokens",
                                                                        "output_tokens",
                                                                        "cached_tokens",
                                                                        "reasoning_tokens",
                                                                        "micro_dollars",
                                                                        "duration_us",
                                                                        "ttft_us"};

// A row whose id is in the table already is passed over, provided that its `id` is unique.
// `table` is quoted; empty when `table` is no name.
[[nodiscard]] std::string usage_insert(store::SqlDriver driver, std::string_view quoted_table,
                                       size_t rows);
[[nodiscard]] std::vector<store::SqlText> usage_values(store::SqlDriver driver,
                                                       std::span<const UsageRow> rows);

// The calls run on a lane of its own, one at a time: one that hangs stops nothing else.
class UsageTable final : public UsageTarget {
 public:
  static constexpr size_t kRowsMost = 1'000;        // Of one statement.
  static constexpr Duration kEndTime = seconds(1);  // For a call under way, in end().

  [[nodiscard]] static UsageResult<std::unique_ptr<UsageTarget>> make(
      const config::ReporterSettings& settings, io::Ring& ring, io::OffloadReturns& returns);
  UsageTable(std::unique_ptr<store::SqlDb> db, store::SqlDriver driver, std::string quoted_table,
             io::Ring& ring, io::OffloadReturns& returns);

  Task<UsageResult<void>> deliver(const std::vector<UsageRow>& rows, Deadline deadline) override;
  Task<void> end() override;
  [[nodiscard]] bool is_hanging() const noexcept override { return is_running_; }

 private:
  [[nodiscard]] UsageResult<void> insert(const std::vector<UsageRow>& rows, Deadline deadline);

  const std::unique_ptr<store::SqlDb> db_;
  const store::SqlDriver driver_;
  const std::string table_;
  io::Ring& ring_;
  io::OffloadReturns& returns_;
  io::Event done_;              // For deliver().
  io::Event is_idle_;           // For end().
  std::vector<UsageRow> rows_;  // Read by the lane while is_running_.
  UsageResult<void> result_;
  bool is_running_ = false;
  std::unique_ptr<io::Lane> lane_ = std::make_unique<io::Lane>();  // Ends before what it uses.
};

}  // namespace sluice::control
