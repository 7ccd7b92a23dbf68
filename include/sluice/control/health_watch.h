// Asks upstreams whether they are well, and says in their orders when they are not.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/deployment_book.h>
#include <sluice/crypto/random.h>
#include <sluice/io/event.h>
#include <sluice/io/ring.h>
#include <sluice/io/task.h>
#include <sluice/metrics/registry.h>
#include <sluice/net/address.h>
#include <sluice/net/tls.h>

namespace sluice::control {

// Every check has a connection of its own, since a server that takes none is not well. A check is
// passed by an answer of 2xx within its time. A change is logged once, and told with the next merge
// of the book.
//
// A deployment keeps its state over reloads while its checks reach the same place; without checks
// it is not down.
//
// Control thread only. Await end() before it dies, once follow() was called.
class HealthWatch {
 public:
  static constexpr uint32_t kChecksAtOnce = 64;         // Others that are due wait their turn.
  static constexpr size_t kHeadBytesMax = 16 * 1024;    // Of an answer.
  static constexpr uint64_t kBodyBytesMax = 64 * 1024;  // Read of one; what is longer is cut.

  // All outlive the watch.
  HealthWatch(io::Ring& ring, metrics::Registry& registry, DeploymentBook& book, Logger& log);
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // Turns to another configuration, which the book follows already. `addresses` and `clients` stand
  // in the order of its upstreams; `clients` may be shorter, null or missing for plain ones.
  void follow(const config::Snapshot& snapshot,
              const std::vector<std::vector<net::Address>>& addresses,
              std::vector<std::unique_ptr<net::TlsClient>> clients);
  // Of `upstream`'s name; what is dialled from now on.
  void set_addresses(const std::string& upstream, const std::vector<net::Address>& addresses);

  // Begins the checks that are due. Cheap when none is.
  void tick();

  [[nodiscard]] uint32_t running_count() const noexcept { return running_; }
  // Whether end() has nothing to wait for.
  [[nodiscard]] bool is_quiet() const noexcept { return targets_.empty() && leaving_.empty(); }
  // Cuts what runs and begins no more. Suspends.
  Task<void> end();

 private:
  struct Target;
  struct Outcome {
    metrics::HealthOutcome kind = metrics::HealthOutcome::kUnreachable;
    std::string reason;  // For the log.
  };
  Task<void> check(Target* target);
  Task<Outcome> ask(Target* target);
  void note(Target& target, const Outcome& outcome);
  // In the orders and the metric.
  void mark(const std::string& name, bool is_down);
  void look_at_traffic(Target& target);
  void leave(std::unique_ptr<Target> target);
  // Frees those that left and of which nothing runs any more.
  void free_left();

  io::Ring& ring_;
  metrics::Registry& registry_;
  DeploymentBook& book_;
  Logger& log_;
  crypto::RandomSource random_;
  std::map<std::string, std::unique_ptr<Target>, std::less<>> targets_;  // By name.
  std::vector<std::unique_ptr<Target>> leaving_;
  uint32_t running_ = 0;
};

}  // namespace sluice::control
