// The sockets that the process listens on, which a reload may move.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sluice/config/snapshot.h>

namespace sluice::control {

// Implemented by app. Control thread only; system calls that return at once, nothing else.
class ListenSockets {
 public:
  virtual ~ListenSockets() = default;
  // Opens all that `candidate` has elsewhere than `running`; what is open stays. Then one of the
  // other two follows. The error is a sentence with cause and remedy, and nothing is open then.
  [[nodiscard]] virtual std::expected<void, std::string> open(
      const config::Snapshot& running, const config::Snapshot& candidate) = 0;
  // What was opened is used from now on. By ShardId, for the shards to take over; empty when they
  // keep theirs.
  [[nodiscard]] virtual std::vector<int> use(const config::Snapshot& candidate) = 0;
  // What was opened is closed.
  virtual void drop() noexcept = 0;
};

}  // namespace sluice::control
