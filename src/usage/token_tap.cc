#include <sluice/usage/token_tap.h>

#include <cstring>

#include "event_marks.h"
#include "needle.h"

namespace sluice::usage {

namespace {

constexpr size_t npos = std::string_view::npos;
constexpr std::string_view kUsageKey = "\"usage\"";
constexpr std::string_view kDeltaKey = "\"delta\"";
constexpr std::string_view kFinishKey = "\"finish_reason\"";

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

// Whether `word` stands in `text` at `at`. Of a constant length, so that it is compared in place.
template <size_t kSize>
bool stands_at(std::string_view text, size_t at, const char (&word)[kSize]) noexcept {
  return text.size() >= at + (kSize - 1) && std::memcmp(text.data() + at, word, kSize - 1) == 0;
}

// Whether the member whose key ends before `at` is null, written as servers write it.
bool is_null_at(std::string_view text, size_t at) noexcept {
  return stands_at(text, at, ":n") || stands_at(text, at, ": n");
}

// Whether a delta's value, which begins at `at`, begins with a content that is not empty.
bool is_content_at(std::string_view text, size_t at) noexcept {
  return stands_at(text, at, "{\"content\":\"") && !stands_at(text, at, "{\"content\":\"\"");
}

}  // namespace

// What one pass over an event has seen of it.
struct TokenTap::Walked {
  size_t begin;
  size_t delta = npos;  // Behind the first such key.
  size_t usage = npos;  // Where the first such key begins whose value is not null.
  bool may_finish = false;
  bool may_tell_else = false;  // Has a key by which events of other kinds are judged.
  uint32_t lines = 0;

  void note_key(std::string_view span, size_t at) noexcept {
    switch (span[at + 1]) {
      case 'd':
        if (delta == npos && stands_at(span, at, "\"delta\"")) delta = at + kDeltaKey.size();
        break;
      case 'f':
        if (stands_at(span, at, "\"finish_reason\"") && !is_null_at(span, at + kFinishKey.size())) {
          may_finish = true;
        }
        break;
      case 'u':
        if (usage == npos && stands_at(span, at, "\"usage\"") &&
            !is_null_at(span, at + kUsageKey.size())) {
          usage = at;
        }
        break;
      case 'e': may_tell_else = may_tell_else || stands_at(span, at, "\"error\""); break;
      case 't':
        may_tell_else =
            may_tell_else || stands_at(span, at, "\"type\"") || stands_at(span, at, "\"text\"");
        break;
      default: break;
    }
  }
  // An event of one data line with content, as nearly all are.
  [[nodiscard]] bool is_plain(std::string_view span) const noexcept {
    return lines == 1 && delta != npos && !may_finish && stands_at(span, begin, "data:") &&
           stands_at(span, delta, ":") && is_content_at(span, delta + 1);
  }
  // An event of one data line with nothing by which judge() could tell anything, as that is which
  // brings the usage.
  [[nodiscard]] bool says_nothing(std::string_view span) const noexcept {
    return lines == 1 && delta == npos && !may_finish && !may_tell_else &&
           (stands_at(span, begin, "data: {") || stands_at(span, begin, "data:{"));
  }
};

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
    const size_t end = walk_event(span, begin);
    if (end == begin) break;
    begin = end;
  }
  return begin;
}

size_t TokenTap::walk_event(std::string_view span, size_t begin) noexcept {
  EventMarks marks(span, begin);
  Walked event{.begin = begin};
  size_t line = begin;
  size_t at;
  while ((at = marks.next()) != npos) {
    switch (span[at]) {
      case '"': event.note_key(span, at); break;
      case '\n':
        if (at == line) {
          end_walked(span, event, at + 1);
          return at + 1;
        }
        ++event.lines;
        line = at + 1;
        break;
      case '\r': return begin;
      default: break;
    }
  }
  return begin;
}

void TokenTap::end_walked(std::string_view span, const Walked& event, size_t end) noexcept {
  const std::string_view text = span.substr(event.begin, end - event.begin);
  if (!finder_.is_idle()) {
    finder_.feed(text);
  } else if (event.usage != npos) {
    finder_.feed(span.substr(event.usage, end - event.usage));
  }
  if (event.is_plain(span)) {
    ++content_events_;
    plain_.learn(text);
  } else if (!event.says_nothing(span)) {
    judge(text);
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
