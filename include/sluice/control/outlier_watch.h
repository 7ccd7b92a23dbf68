// Compares the deployments of each model, and rests those that fail much more often.
#pragma once

#include <map>
#include <string>

#include <sluice/base/log.h>
#include <sluice/config/snapshot.h>
#include <sluice/control/deployment_book.h>
#include <sluice/metrics/registry.h>

namespace sluice::control {

// A deployment of several models is compared in each of them, and is rested for all when it is an
// outlier in one. Control thread only.
class OutlierWatch {
 public:
  // All outlive the watch.
  OutlierWatch(metrics::Registry& registry, DeploymentBook& book, Logger& log) noexcept
      : registry_(registry), book_(book), log_(log) {}
  OutlierWatch(const OutlierWatch&) = delete;
  OutlierWatch& operator=(const OutlierWatch&) = delete;

  // Compares when an interval is over; what it decides stands in the orders of the book, which the
  // next merge tells. Without `outliers` in `snapshot` nothing is compared.
  void tick(const config::Snapshot& snapshot, MonoTime now);

 private:
  struct Member {
    uint64_t attempts = 0;  // Since the start, when the interval began.
    uint64_t failures = 0;
    uint64_t new_attempts = 0;  // Of the interval.
    uint64_t new_failures = 0;
    uint32_t ejections = 0;
    bool is_ejected_now = false;
    bool was_good = false;  // In one comparison at least.
  };
  using Members = std::map<std::string, Member, std::less<>>;  // By name; of one snapshot.

  void count(const config::Snapshot& snapshot);
  void compare(const config::Snapshot& snapshot, const config::Model& model, MonoTime now);
  void eject(const std::string& name, Member& member, const config::OutlierSettings& settings,
             MonoTime until, MonoTime now);

  metrics::Registry& registry_;
  DeploymentBook& book_;
  Logger& log_;
  Members members_;
  MonoTime began_at_ = MonoTime::min();  // The interval.
};

}  // namespace sluice::control
