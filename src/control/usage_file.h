// The SQLite file of the usage log: records in, old ones out, and where its reporters stand.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>
#include <sluice/control/usage_question.h>
#include <sluice/store/sqlite_db.h>

namespace sluice::control {

template <class T>
using UsageResult = std::expected<T, std::string>;  // The error: cause, place and remedy.

// Blocks; one thread at a time. Errors leave the file as it was, and the next call may do better.
class UsageFile {
 public:
  static constexpr int64_t kSchema = 1;
  // What no request can cost or use; beyond it a count is an upstream's nonsense, and sums of it
  // would not fit.
  static constexpr uint64_t kNumberMost = 1'000'000'000'000;
  static constexpr uint32_t kTrimMost = 1'000;  // Records in one call.
  static constexpr uint32_t kPagesFreed = 512;  // Given back to the disk in one call.

  // Makes the file when it is missing. Refused while another process has it, and when a later
  // version has written it.
  [[nodiscard]] static UsageResult<std::unique_ptr<UsageFile>> open(const std::string& path);

  // Records as append_spend() makes them; those whose id is there are passed over, and so are those
  // of journals without runs. How many are new.
  [[nodiscard]] UsageResult<uint64_t> add(std::span<const std::string> records);

  struct Trimmed {
    uint64_t removed = 0;
    uint64_t untold = 0;    // Of these, how many a reporter behind `told` has not had.
    bool has_more = false;  // Another call is due.
  };
  // Removes the oldest records that ended before `oldest`, or that are beyond `bytes_max`.
  [[nodiscard]] UsageResult<Trimmed> trim(WallTime oldest, uint64_t bytes_max, uint64_t told);

  [[nodiscard]] UsageResult<uint64_t> bytes();
  // The greatest number that was given.
  [[nodiscard]] UsageResult<uint64_t> last_number();
  // In order, those behind `number`.
  [[nodiscard]] UsageResult<std::vector<UsageRow>> rows_after(uint64_t number, uint32_t most);

  // The number up to which a reporter has been told. A new one begins with what comes from now on.
  [[nodiscard]] UsageResult<uint64_t> told(std::string_view reporter);
  // Never back, as the last word of a reporter that another one has followed would be.
  [[nodiscard]] UsageResult<void> set_told(std::string_view reporter, uint64_t number);

 private:
  explicit UsageFile(std::unique_ptr<store::SqliteDb> db) noexcept : db_(std::move(db)) {}
  [[nodiscard]] UsageResult<void> make_schema();

  std::unique_ptr<store::SqliteDb> db_;
};

// A second connection, for questions: they take their time beside the writer.
class UsageReader {
 public:
  // After UsageFile::open().
  [[nodiscard]] static UsageResult<std::unique_ptr<UsageReader>> open(const std::string& path);

  // What is not answered by `deadline` is an error.
  [[nodiscard]] UsageResult<UsageSums> sums(const UsageQuestion& question, Clock& clock,
                                            Deadline deadline);
  [[nodiscard]] UsageResult<UsagePage> page(const UsagePageQuestion& question, Clock& clock,
                                            Deadline deadline);

 private:
  explicit UsageReader(std::unique_ptr<store::SqliteDb> db) noexcept : db_(std::move(db)) {}

  std::unique_ptr<store::SqliteDb> db_;
};

// The columns of a row, in the order in which read_usage_row() takes them.
[[nodiscard]] std::string_view usage_columns() noexcept;
[[nodiscard]] UsageRow read_usage_row(const store::SqliteQuery& query);

}  // namespace sluice::control
