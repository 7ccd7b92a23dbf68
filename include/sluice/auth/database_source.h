// Keys in a table of PostgreSQL, MySQL or MariaDB.
#pragma once

#include <cstddef>
#include <expected>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/auth/key_source.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/io/event.h>
#include <sluice/io/offload.h>
#include <sluice/io/ring.h>
#include <sluice/store/sql_db.h>

namespace sluice::auth {

// `SELECT <columns> FROM <table> WHERE <key_column> = <placeholder>`, on a lane of its own and one
// after another. A row's columns are fields of a key (RecordFields); without configured ones all
// are read by their names. No row is kNotFound, and two are kFailed, for which of them holds cannot
// be known.
//
// Control thread, beside its ring. end() comes first.
class DatabaseSource final : public KeySource {
 public:
  static constexpr size_t kWaitingMost = 256;  // Questions at a time; beyond it kFailed.

  struct Parts {
    io::Ring& ring;
    io::OffloadReturns& returns;
    Logger& log;
  };
  // `settings` are of kind kDatabase. The error names the setting that cannot be used. Connects to
  // nothing yet. Both parts outlive it.
  [[nodiscard]] static std::expected<std::unique_ptr<DatabaseSource>, std::string> make(
      Parts parts, config::SourceSettings settings);
  // By a connection of the caller's.
  [[nodiscard]] static std::expected<std::unique_ptr<DatabaseSource>, std::string> make(
      Parts parts, config::SourceSettings settings, std::unique_ptr<store::SqlDb> db);

  ~DatabaseSource() override;

  [[nodiscard]] std::string_view name() const noexcept override { return settings_.name; }
  // Asks once about a key that there is not, so that a table that is not as configured is told
  // before anyone waits for it.
  void start() override;
  Task<KeyAnswer> ask(const KeyQuestion& question, Deadline deadline) override;
  // A statement under way is given up.
  Task<void> end() override;

 private:
  // One question, from the caller to the lane and back.
  struct Flight {
    explicit Flight(io::ReadyQueue& ready) : landed(ready) {}
    io::Event landed;
    std::optional<KeyAnswer> answer;
    bool is_left = false;  // Its caller waits no longer.
  };
  using Flights = std::list<Flight>;
  struct Job;

  DatabaseSource(Parts parts, config::SourceSettings settings, std::string statement,
                 std::unique_ptr<store::SqlDb> db);

  Task<void> look_once();
  void land(Flights::iterator flight, KeyAnswer answer);
  void forget(Flights::iterator flight);
  [[nodiscard]] KeyAnswer failed(std::string_view cause) const;
  // On the lane.
  [[nodiscard]] KeyAnswer look_up(const std::string& key, const crypto::Digest& digest,
                                  Deadline deadline) const;
  [[nodiscard]] KeyAnswer read(const store::SqlTable& found, const crypto::Digest& digest) const;

  Parts parts_;
  const config::SourceSettings settings_;
  const std::string statement_;
  const std::unique_ptr<store::SqlDb> db_;
  Flights flights_;
  io::Event emptied_;
  bool is_ending_ = false;
  bool is_looking_ = false;  // look_once() runs.
  io::Lane lane_;            // Ends first.
};

}  // namespace sluice::auth
