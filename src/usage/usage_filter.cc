#include <sluice/usage/usage_filter.h>

#include <array>

#include <sluice/http/sse.h>

#include "needle.h"

namespace sluice::usage {

namespace {

// Room to join an event of several data lines; a usage event is a tenth of it.
constexpr size_t kJoinedBytesMax = 4096;

}  // namespace

bool UsageFilter::may_drop_within(std::string_view span) noexcept {
  size_t at = 0;
  while (true) {
    const std::string_view value = find_value(span, "\"usage\"", at, &at);
    if (at == std::string_view::npos) return false;
    // Null, a number, ...: not a usage. The letter d begins the next data line of one event.
    if (value.empty() || value[0] == '{' || value[0] == 'd') return true;
  }
}

bool UsageFilter::keeps(std::string_view event) noexcept {
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0) return true;
  std::array<char, kJoinedBytesMax> joined;
  std::string_view text = data.first;
  if (data.lines > 1) {
    const size_t length = http::copy_data(event, joined);
    if (length == std::string_view::npos) return true;
    text = {joined.data(), length};
  }
  if (find_needle(text, "\"usage\"") == std::string_view::npos) return true;
  const auto fields = reader_->read_event(text);
  return !fields || !fields->has_choices || !fields->choices_empty || !fields->has_usage ||
         fields->has_error;
}

}  // namespace sluice::usage
