// The key set of one issuer, kept fresh.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/base/log.h>
#include <sluice/config/auth.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>

#include "key_fetch.h"
#include "key_set.h"

namespace sluice::auth {

// Fetches the set when it is started and again when it has aged, in the background. While the
// issuer cannot be reached the last set stays in use, however old it is. One thread; end() comes
// first once started.
class IssuerKeys {
 public:
  // How long a set is good, whatever its max-age says; kAgeUnsaid when it says nothing.
  static constexpr Duration kAgeMin = seconds(60);
  static constexpr Duration kAgeMax = seconds(86'400);
  static constexpr Duration kAgeUnsaid = seconds(3600);
  // Between two fetches, whether the first failed or someone wants another.
  static constexpr Duration kPause = seconds(10);
  static constexpr Duration kFetchMost = seconds(10);  // One document takes no longer.

  // All outlive it.
  IssuerKeys(io::Ring& ring, Logger& log, KeyFetch& fetch, const config::SourceSettings& settings);
  ~IssuerKeys();
  IssuerKeys(const IssuerKeys&) = delete;
  IssuerKeys& operator=(const IssuerKeys&) = delete;

  void start();
  // Null until the first set has come.
  [[nodiscard]] const KeySet* present() const noexcept { return set_ ? &*set_ : nullptr; }
  // Waits for the fetch under way, or for another unless the last began within kPause. Suspends,
  // until `deadline` at the most.
  Task<void> refresh(Deadline deadline);
  Task<void> end();

 private:
  struct Fetched {
    KeySet set;
    Duration age;
  };
  using Outcome = std::expected<Fetched, std::string>;

  Task<void> run();
  Task<Outcome> fetch_set();
  Task<std::expected<std::string, std::string>> discover();
  void note(Outcome outcome);
  void wake_waiters();

  io::Ring& ring_;
  Logger& log_;
  KeyFetch& fetch_;
  const config::SourceSettings& settings_;
  std::optional<KeySet> set_;
  std::optional<MonoTime> last_begin_;
  Deadline next_;
  bool is_running_ = false;
  bool is_fetching_ = false;
  bool has_failed_ = false;  // The last time; it was warned of.
  io::Event wanted_;
  io::Event stopped_;
  io::Event ended_;
  std::vector<io::Event*> waiters_;  // Each lives in the frame of a refresh().
};

}  // namespace sluice::auth
