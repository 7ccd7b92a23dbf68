#include "event_reader.h"

#include <charconv>
#include <cstring>

namespace sluice::load {

std::optional<int64_t> stamp_of(std::string_view event) noexcept {
  constexpr std::string_view kKey = R"("t_ns":)";
  // The simulated server writes it last, and what a model says could hold the same text.
  const size_t at = event.rfind(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view text = event.substr(at + kKey.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

void EventReader::begin(MonoTime sent) noexcept {
  scanner_ = {};
  partial_.clear();
  sent_ = last_ = sent;
  at_ = 0;
  events_ = 0;
  differs_ = has_done_ = has_error_ = false;
}

void EventReader::take(std::string_view span, MonoTime now) {
  tally_.bytes += span.size();
  if (!reference_.empty() && !differs_) {
    differs_ = span.size() > reference_.size() - at_ ||
               std::memcmp(span.data(), reference_.data() + at_, span.size()) != 0;
  }
  at_ += span.size();
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

void EventReader::take_event(std::string_view event, MonoTime now) {
  const http::DataLines data = http::data_of(event);
  if (data.lines == 0) return;  // A comment or a blank line.
  ++events_;
  ++tally_.events;
  if (events_ == 1) {
    tally_.first_event.record(now - sent_);
  } else {
    tally_.gap.record(now - last_);
  }
  last_ = now;
  if (data.first == "[DONE]") {
    has_done_ = true;
    return;
  }
  if (data.first.starts_with(R"({"error")") || http::name_of(event) == "error") {
    has_error_ = true;
    ++tally_.error_events;
  }
  if (const auto stamp = stamp_of(data.first)) {
    tally_.delay.record(now - MonoTime(Duration(*stamp)));
  }
}

std::string_view EventReader::verdict() const noexcept {
  if (has_error_) return "error event";
  if (differs()) return "body differs from the reference";
  if (!has_done_) return "ended without [DONE]";
  return {};
}

}  // namespace sluice::load
