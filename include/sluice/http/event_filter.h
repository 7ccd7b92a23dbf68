// Decides, before the send, which events of an event stream the client gets.
#pragma once

#include <string_view>

namespace sluice::http {

// Works on whole events and answers from their bytes alone.
class EventFilter {
 public:
  virtual ~EventFilter() = default;

  // A cheap look at many whole events at once: false lets all of them go on without a call of
  // keeps(); true only means that each must be asked about.
  virtual bool may_drop_within(std::string_view span) noexcept = 0;

  // Whether the client gets `event`, which is one whole event with the blank line that ends it.
  virtual bool keeps(std::string_view event) noexcept = 0;
};

}  // namespace sluice::http
