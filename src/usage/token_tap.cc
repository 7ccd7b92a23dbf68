#include <sluice/usage/token_tap.h>

#include <algorithm>
#include <cstring>

#include "needle.h"

namespace sluice::usage {

namespace {

// True for a value that is a string of at least one character.
bool is_text(std::string_view value) noexcept {
  return value.size() >= 2 && value[0] == '"' && value[1] != '"';
}

// Whether a delta that is an object brings anything. The first event of a chat stream names the
// role alone, and the last one is empty or has an empty text.
bool has_content(std::string_view delta) noexcept {
  const std::string_view content = find_value(delta, "\"content\"");
  if (is_text(content)) return true;
  for (const std::string_view key : {"\"tool_calls\"", "\"reasoning_content\"", "\"reasoning\"",
                                     "\"refusal\"", "\"function_call\""}) {
    const std::string_view value = find_value(delta, key);
    if (is_text(value) || value.starts_with('[') || value.starts_with('{')) return true;
  }
  const size_t inside = delta.find_first_not_of(" \t\r\n", 1);
  const bool is_empty = inside == std::string_view::npos || delta[inside] == '}';
  return !is_empty && content.empty() && find_value(delta, "\"role\"").empty();
}

bool has_finish_reason(std::string_view text) noexcept {
  size_t at = 0;
  while (at != std::string_view::npos) {
    if (find_value(text, "\"finish_reason\"", at, &at).starts_with('"')) return true;
  }
  return false;
}

}  // namespace

void TokenTap::on_span(std::string_view dechunked_span) noexcept {
  finder_.feed(dechunked_span);
  if (kind_ == BodyKind::kJson) return;
  size_t begin = 0;
  while (true) {
    const size_t end = scanner_.next_end(dechunked_span, begin);
    if (end == http::EventScanner::npos) break;
    const std::string_view event = dechunked_span.substr(begin, end - begin);
    if (carry_length_ == 0) {
      judge(event);
    } else {
      carry(event);
      judge({carry_.data(), carry_length_});
      carry_length_ = 0;
    }
    begin = end;
  }
  carry(dechunked_span.substr(begin));
}

void TokenTap::carry(std::string_view part) noexcept {
  const size_t length = std::min(part.size(), carry_.size() - carry_length_);
  if (length == 0) return;
  std::memcpy(carry_.data() + carry_length_, part.data(), length);
  carry_length_ = static_cast<uint16_t>(carry_length_ + length);
}

void TokenTap::judge(std::string_view event) noexcept {
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0) return;
  if (data.first == "[DONE]") {
    is_done_ = true;
    return;
  }
  const std::string_view text = data.lines == 1 ? data.first : event;
  const std::string_view delta = find_value(text, "\"delta\"");
  // Nearly every event of a chat stream looks like this, and then needs no further search but one.
  constexpr std::string_view kPlainDelta = "{\"content\":\"";
  if (delta.starts_with(kPlainDelta) && !delta.substr(kPlainDelta.size()).starts_with('"')) {
    ++content_events_;
    if (has_finish_reason(delta)) has_finished_ = true;
    return;
  }
  const std::string_view type = find_value(text, "\"type\"");
  if (type.starts_with("\"error\"")) {
    has_error_ = true;
  } else if (type.starts_with("\"response.")) {
    judge_response(type.substr(1, type.find('"', 1) - 1), delta);
  } else {
    judge_chat(text, delta);
  }
}

void TokenTap::judge_chat(std::string_view text, std::string_view delta) noexcept {
  const std::string_view error = find_value(text, "\"error\"");
  if (!error.empty() && error[0] != 'n') has_error_ = true;
  if (has_finish_reason(text)) has_finished_ = true;
  const bool counts =
      delta.starts_with('{') ? has_content(delta) : is_text(find_value(text, "\"text\""));
  if (counts) ++content_events_;
}

// The dialect of /v1/responses, where each event says its type, and where the first ones repeat
// the request, whose schemas may use any names.
void TokenTap::judge_response(std::string_view type, std::string_view delta) noexcept {
  if (type.ends_with(".delta")) {
    if (is_text(delta)) ++content_events_;
  } else if (type == "response.completed" || type == "response.incomplete") {
    has_finished_ = true;
  } else if (type == "response.failed") {
    has_error_ = true;
  }
}

Usage TokenTap::usage() const noexcept {
  Usage usage;
  const bool is_stream = kind_ == BodyKind::kEventStream;
  usage.partial = is_stream ? has_error_ || !(is_done_ || has_finished_) : !has_ended_;
  if (const auto& found = finder_.found()) {
    usage.source = UsageSource::kReported;
    usage.input = found->input;
    usage.output = found->output;
    usage.cached = found->cached;
    usage.reasoning = found->reasoning;
  } else if (content_events_ > 0) {
    usage.source = UsageSource::kCounted;
    usage.output = content_events_;
  }
  return usage;
}

}  // namespace sluice::usage
