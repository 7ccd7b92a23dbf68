#include <sluice/usage/usage_filter.h>

#include <array>

#include <sluice/http/sse.h>
#include <sluice/json/plain_usage.h>

#include "needle.h"

namespace sluice::usage {

namespace {

// Room to join an event of several data lines; a usage event is a tenth of it.
constexpr size_t kJoinedBytesMax = 4096;

}  // namespace

http::EventFilter::Look UsageFilter::look_at(std::string_view span) noexcept {
  PlainEvents::Run run = plain_->match(span, 0);
  if (run.events == 0) {
    plain_->learn(span);
    run = plain_->match(span, 0);
  }
  if (run.events > 0 && run.end == span.size()) return {Look::kAllPlain, run.events};
  return {may_have_object(span, "\"usage\"", run.end) ? Look::kAsk : Look::kKeepsAll, 0};
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
  auto fields = json::read_plain_event(text);
  if (!fields) fields = reader_->read_event(text);
  return !fields || !fields->has_choices || !fields->choices_empty || !fields->has_usage ||
         fields->has_error;
}

}  // namespace sluice::usage
