#include <sluice/control/outlier_watch.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/control/attempt_counts.h>
#include <sluice/resilience/outliers.h>

namespace sluice::control {

void OutlierWatch::tick(const config::Snapshot& snapshot, MonoTime now) {
  if (!snapshot.outliers) {
    began_at_ = MonoTime::min();
    return;
  }
  const bool is_first = began_at_ == MonoTime::min();
  if (!is_first && now - began_at_ < snapshot.outliers->interval) return;
  began_at_ = now;
  count(snapshot);
  if (is_first) return;
  for (const config::Model& model : snapshot.models) compare(snapshot, model, now);
  for (auto& [name, member] : members_) {
    if (member.was_good && !member.is_ejected_now && member.ejections > 0) --member.ejections;
  }
}

void OutlierWatch::count(const config::Snapshot& snapshot) {
  const Members before = std::exchange(members_, {});
  for (const config::Upstream& upstream : snapshot.upstreams) {
    const AttemptCounts counts = count_attempts(registry_.upstreams().find(upstream.name));
    Member member{.attempts = counts.all, .failures = counts.failures};
    if (const auto known = before.find(upstream.name); known != before.end()) {
      member.new_attempts = counts.all - known->second.attempts;
      member.new_failures = counts.failures - known->second.failures;
      member.ejections = known->second.ejections;
    }
    members_.emplace(upstream.name, member);
  }
}

void OutlierWatch::compare(const config::Snapshot& snapshot, const config::Model& model,
                           MonoTime now) {
  std::vector<const std::string*> names;
  for (const config::Route& route : model.routes) {
    const std::string& name = snapshot.upstream(route.upstream).name;
    if (std::ranges::find(names, &name) == names.end()) names.push_back(&name);
  }
  std::vector<resilience::OutlierState> group;
  for (const std::string* name : names) {
    const Member& member = members_.find(*name)->second;
    const DeploymentOrders* orders = book_.orders(*name);
    group.push_back({.requests = member.new_attempts,
                     .failures = member.new_failures,
                     .ejected_until = orders == nullptr ? MonoTime::min() : orders->ejected_until,
                     .ejections = member.ejections});
  }
  const std::vector<resilience::OutlierState> before = group;
  resilience::eject_outliers(group, *snapshot.outliers, now);
  for (size_t i = 0; i < group.size(); ++i) {
    Member& member = members_.find(*names[i])->second;
    if (group[i].ejected_until != before[i].ejected_until) {
      member.ejections = group[i].ejections;
      eject(*names[i], member, *snapshot.outliers, group[i].ejected_until, now);
    } else if (group[i].ejections < before[i].ejections) {
      member.was_good = true;
    }
  }
}

void OutlierWatch::eject(const std::string& name, Member& member,
                         const config::OutlierSettings& settings, MonoTime until, MonoTime now) {
  member.is_ejected_now = true;
  registry_.upstream_watch(name).ejections.add();
  if (DeploymentOrders* orders = book_.orders(name)) orders->ejected_until = until;
  book_.hurry();
  log_.write(LogLevel::kWarn, "upstream",
             fmt::format("{}: ejected for {}; {} of {} attempts failed within {}, many more than "
                         "of the others of its model",
                         name, format_duration(until - now), member.new_failures,
                         member.new_attempts, format_duration(settings.interval)));
}

}  // namespace sluice::control
