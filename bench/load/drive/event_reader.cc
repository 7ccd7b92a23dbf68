#include "drive/event_reader.h"

#include <charconv>
#include <cstring>

namespace sluice::load {
namespace {

std::optional<int64_t> number_behind(std::string_view text, std::string_view key) noexcept {
  // The server writes its own fields last, and what a model says could hold the same text.
  const size_t at = text.rfind(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(at + key.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end == digits.data()) return std::nullopt;
  return value;
}

// A block without data is nothing at all, comments, or fields that we know.
bool is_without_content(std::string_view event) {
  http::EventFields fields(event);
  http::EventField field;
  while (fields.next(field)) {
    if (field.name != "event" && field.name != "id" && field.name != "retry") return false;
  }
  return true;
}

}  // namespace

std::optional<int64_t> stamp_of(std::string_view event) noexcept {
  return number_behind(event, R"("t_ns":)");
}

void ByteCheck::take(std::string_view span) noexcept {
  if (!reference_.empty() && !differs_) {
    differs_ = span.size() > reference_.size() - at_ ||
               std::memcmp(span.data(), reference_.data() + at_, span.size()) != 0;
  }
  at_ += span.size();
}

void EventReader::begin(MonoTime sent, bool counts) noexcept {
  scanner_ = {};
  partial_.clear();
  sent_ = last_ = sent;
  events_ = 0;
  fault_ = {};
  counts_ = counts;
  has_done_ = has_error_ = false;
}

void EventReader::take(std::string_view span, MonoTime now) {
  size_t begin = 0;
  for (size_t end = scanner_.next_end(span, 0); end != http::EventScanner::npos;
       end = scanner_.next_end(span, end)) {
    if (partial_.empty()) {
      take_event(span.substr(begin, end - begin), now);
    } else {
      partial_ += span.substr(begin, end - begin);
      take_event(partial_, now);
      partial_.clear();
    }
    begin = end;
  }
  const std::string_view rest = span.substr(begin);
  if (partial_.size() + rest.size() <= kEventBytesMax) partial_ += rest;
}

std::string_view EventReader::fault_of(std::string_view event, const http::DataLines& data) {
  if (data.lines == 0) return is_without_content(event) ? "" : "malformed event: unknown field";
  if (has_done_) return "malformed event: behind [DONE]";
  if (data.first == "[DONE]") return {};
  const bool is_object =
      data.first.starts_with('{') && (data.lines > 1 || data.first.ends_with('}'));
  return is_object ? "" : "malformed event: not a JSON object";
}

void EventReader::take_event(std::string_view event, MonoTime now) {
  const http::DataLines data = http::data_of(event);
  const std::string_view fault = fault_of(event, data);
  if (!fault.empty()) {
    if (fault_.empty()) fault_ = fault;
    tally_.malformed_events += counts_;
  }
  if (data.lines == 0) return;  // A comment or a blank line.
  ++events_;
  const Duration since = now - last_;
  last_ = now;
  const bool is_done = data.first == "[DONE]";
  has_done_ |= is_done;
  const bool is_error =
      !is_done && (data.first.starts_with(R"({"error")") || http::name_of(event) == "error");
  has_error_ |= is_error;
  if (!counts_) return;
  ++tally_.events;
  tally_.error_events += is_error;
  const auto stamp = is_done ? std::nullopt : stamp_of(data.first);
  if (stamp) {
    const Duration delay = now - MonoTime(Duration(*stamp));
    tally_.delay.record(delay);
    if (events_ == 1) tally_.first_delay.record(delay);
    tally_.timeline.record(delay);
  }
  if (events_ == 1) {
    tally_.first_event.record(now - sent_);
    if (!stamp) tally_.timeline.record(now - sent_);
  } else {
    tally_.gap.record(since);
    tally_.stalls += since > stall_;
  }
  if (data.first.find(R"("usage":{)") != std::string_view::npos) {
    tally_.tokens +=
        static_cast<uint64_t>(number_behind(data.first, R"("completion_tokens":)").value_or(0));
  }
}

std::string_view EventReader::verdict() const noexcept {
  if (has_error_) return "error event";
  if (!fault_.empty()) return fault_;
  if (!scanner_.at_event_boundary()) return "malformed event: the body ends within it";
  if (!has_done_) return "ended without [DONE]";
  return {};
}

}  // namespace sluice::load
