// Whom a reporter of use tells.
#pragma once

#include <memory>
#include <vector>

#include <sluice/base/deadline.h>
#include <sluice/config/auth.h>
#include <sluice/io/offload.h>
#include <sluice/io/task.h>
#include <sluice/net/resolver.h>

#include "usage_file.h"

namespace sluice::control {

// Control thread only. Await end() before it dies, unless it is_hanging() then.
class UsageTarget {
 public:
  virtual ~UsageTarget() = default;
  // Takes all of `rows`, in order; they may come again when it did and we do not know. The error is
  // a sentence without a secret. `rows` live until it returns. Suspends until `deadline` at most.
  virtual Task<UsageResult<void>> deliver(const std::vector<UsageRow>& rows, Deadline deadline) = 0;
  // Ends what is under way. Suspends for a moment only.
  virtual Task<void> end() = 0;
  // Whether something blocks that cannot be ended.
  [[nodiscard]] virtual bool is_hanging() const noexcept { return false; }
};

// What the settings name. `authorities` is the text of their file, "" for the system's. The error
// is a sentence about the settings. All outlive the target.
[[nodiscard]] UsageResult<std::unique_ptr<UsageTarget>> make_usage_target(
    const config::ReporterSettings& settings, std::string authorities, io::Ring& ring,
    io::OffloadReturns& returns, net::Resolver& resolver);

// The certificates in a PEM file; "" for "". Blocks.
[[nodiscard]] UsageResult<std::string> read_authorities(const std::string& path);

}  // namespace sluice::control
