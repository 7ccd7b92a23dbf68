#include <sluice/usage/token_tap.h>

#include <algorithm>

#include "content.h"
#include "needle.h"
#include "walked_event.h"

namespace sluice::usage {

namespace {

constexpr std::string_view kDeltaKey = "\"delta\"";

std::optional<uint64_t> add(std::optional<uint64_t> a, std::optional<uint64_t> b) noexcept {
  if (!a || !b) return std::nullopt;
  return *a + *b;
}

// Of a stream and the one that went on behind it. The prompt of the second one holds what the first
// one has said, so only the first one tells the answer's input.
Usage sum(const Usage& first, const Usage& second) noexcept {
  if (first.source == UsageSource::kUnknown) return second;
  Usage both = first;
  both.partial = second.partial;
  if (second.source == UsageSource::kUnknown) return both;
  both.output = add(first.output, second.output);
  both.reasoning = add(first.reasoning, second.reasoning);
  const bool are_reported =
      first.source == UsageSource::kReported && second.source == UsageSource::kReported;
  if (!are_reported) {
    both.source = UsageSource::kCounted;
    both.input = both.cached = both.reasoning = std::nullopt;
  }
  return both;
}

// Of a stream and the one that says the same once more.
Usage further(const Usage& first, const Usage& second) noexcept {
  if (second.source == UsageSource::kReported) return second;
  if (second.output.value_or(0) > first.output.value_or(0)) return second;
  Usage usage = first;
  usage.partial = second.partial;
  return usage;
}

}  // namespace

void TokenTap::on_span(std::string_view dechunked_span) noexcept {
  if (kind_ == BodyKind::kJson) {
    finder_.feed(dechunked_span);
    return;
  }
  for (size_t at = 0; at < dechunked_span.size();) {
    if (scanner_.is_between_events() && !carry_.is_open()) at = walk_events(dechunked_span, at);
    if (at < dechunked_span.size()) at = take_event(dechunked_span, at);
  }
}

size_t TokenTap::walk_events(std::string_view span, size_t begin) noexcept {
  while (begin < span.size()) {
    // A finder that has begun to read must see every byte.
    if (finder_.is_idle()) {
      const PlainEvents::Run run = plain_.match(span, begin);
      content_events_ += run.events;
      begin = run.end;
    }
    const WalkedEvent event(span, begin);
    if (event.end() == npos) break;
    take_walked(span, event);
    begin = event.end();
  }
  return begin;
}

void TokenTap::take_walked(std::string_view span, const WalkedEvent& event) noexcept {
  if (!finder_.is_idle()) {
    finder_.feed(event.text());
  } else if (event.usage() != npos) {
    finder_.feed(span.substr(event.usage(), event.end() - event.usage()));
  }
  if (event.is_plain()) {
    ++content_events_;
    plain_.learn(event);
  } else if (!event.says_nothing()) {
    judge(event.text());
  }
}

size_t TokenTap::take_event(std::string_view span, size_t begin) noexcept {
  const size_t end = scanner_.next_end(span, begin);
  const std::string_view part = span.substr(begin, end == npos ? npos : end - begin);
  finder_.feed(part);
  if (end != npos && !carry_.is_open()) {
    judge(part);
    return end;
  }
  has_lost_ = !carry_.append(part) || has_lost_;
  if (end == npos) return span.size();
  if (!carry_.is_lost()) judge(carry_.text());
  carry_.clear();
  return end;
}

void TokenTap::judge(std::string_view event) noexcept {
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0) return;
  if (data.first == "[DONE]") {
    is_done_ = true;
    return;
  }
  const std::string_view text = data.lines == 1 ? data.first : event;
  const std::string_view delta = find_value(text, kDeltaKey);
  // An event with content needs no further search but one.
  if (is_content_at(delta, 0)) {
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
      delta.starts_with('{') ? delta_says_something(delta) : is_text(find_value(text, "\"text\""));
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

void TokenTap::resume(ResumeMode mode) noexcept {
  earlier_ = usage();
  earlier_events_ = content_events();
  mode_ = mode;
  content_events_ = 0;
  has_ended_ = has_finished_ = is_done_ = has_error_ = false;
  scanner_ = {};
  carry_.clear();
  finder_.begin_body();
}

uint64_t TokenTap::content_events() const noexcept {
  return mode_ == ResumeMode::kAppend ? earlier_events_ + content_events_
                                      : std::max(earlier_events_, content_events_);
}

Usage TokenTap::usage() const noexcept {
  return mode_ == ResumeMode::kAppend ? sum(earlier_, stream_usage())
                                      : further(earlier_, stream_usage());
}

Usage TokenTap::stream_usage() const noexcept {
  Usage usage;
  const bool is_stream = kind_ == BodyKind::kEventStream;
  usage.partial = is_stream ? has_error_ || !(is_done_ || has_finished_) : !has_ended_;
  usage.partial = usage.partial || has_lost_ || finder_.has_lost();
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
