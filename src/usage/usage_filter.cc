#include <sluice/usage/usage_filter.h>

#include <array>

#include <sluice/http/sse.h>
#include <sluice/json/plain_usage.h>

#include "needle.h"
#include "walked_event.h"

namespace sluice::usage {

namespace {

// Room to join an event of several data lines; a usage event is a tenth of it.
constexpr size_t kJoinedBytesMax = 4096;

}  // namespace

http::EventFilter::Look UsageFilter::look_at(std::string_view span) noexcept {
  PlainEvents::Run run = plain_->match(span, 0);
  if (run.end == span.size() && run.events > 0) return {Look::kAllPlain, run.events};
  const WalkedEvent event(span, run.end);
  if (run.events == 0 && event.end() != WalkedEvent::npos) {
    plain_->learn(event);
    run = plain_->match(span, 0);
    if (run.end == span.size() && run.events > 0) return {Look::kAllPlain, run.events};
  }
  // A single event has been searched already, up to the first usage that is not a null.
  const size_t from = event.end() == span.size() ? event.usage() : run.end;
  const bool may_drop = from < span.size() && may_have_object(span, "\"usage\"", from);
  return {may_drop ? Look::kAsk : Look::kKeepsAll, 0};
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
  auto fields = json::read_plain_event(text);
  if (!fields) fields = reader_->read_event(text);
  return !fields || !fields->has_choices || !fields->choices_empty || !fields->has_usage ||
         fields->has_error;
}

}  // namespace sluice::usage
