#include "clocks.h"
#include "bounds.h"

#include <array>

#include "fields.h"

namespace sluice::config {
namespace {

constexpr std::array kClockFields = {
    Field<ClockDraft>{"connect", read_duration<&ClockDraft::connect, kTimeoutMin, kHour>},
    Field<ClockDraft>{"response", read_duration<&ClockDraft::response, kTimeoutMin, 24 * kHour>},
    Field<ClockDraft>{"first_token",
                      read_switched_duration<&ClockDraft::first_token, kTimeoutMin, 24 * kHour>},
    Field<ClockDraft>{"idle", read_duration<&ClockDraft::idle, kTimeoutMin, 24 * kHour>},
    Field<ClockDraft>{"total",
                      read_switched_duration<&ClockDraft::total, kTimeoutMin, 24 * kHour>}};

}  // namespace

void read_clocks(Walk& walk, const Node& node, ClockDraft& clocks) {
  read_mapping(walk, node, kClockFields, clocks);
}

void list_clock_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kClockFields, prefix, names);
}

void apply_clocks(const ClockDraft& clocks, UpstreamTimeouts& timeouts) noexcept {
  timeouts.connect = clocks.connect.value_or(timeouts.connect);
  timeouts.response = clocks.response.value_or(timeouts.response);
  timeouts.first_token = clocks.first_token.value_or(timeouts.first_token);
  timeouts.idle = clocks.idle.value_or(timeouts.idle);
  timeouts.total = clocks.total.value_or(timeouts.total);
}

}  // namespace sluice::config
