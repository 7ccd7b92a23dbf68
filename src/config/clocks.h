// The clocks of a request as one level of the file gives them: upstream, model or route.
#pragma once

#include <optional>

#include <sluice/config/snapshot.h>

#include "walk.h"

namespace sluice::config {

// Empty is what the level above says; zero is no clock.
struct ClockDraft {
  std::optional<Duration> connect;
  std::optional<Duration> response;
  std::optional<Duration> first_token;
  std::optional<Duration> idle;
  std::optional<Duration> total;
};

void read_clocks(Walk& walk, const Node& node, ClockDraft& clocks);
void list_clock_keys(const std::string& prefix, std::vector<std::string>& names);

// What `clocks` gives takes the place of what `timeouts` has, each on its own.
void apply_clocks(const ClockDraft& clocks, UpstreamTimeouts& timeouts) noexcept;

}  // namespace sluice::config
