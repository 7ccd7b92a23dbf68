#include <sluice/http/sse.h>

#include <cstring>

#include "byte_scan.h"

namespace sluice::http {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

size_t find_line_end(std::string_view text, size_t from) noexcept {
  const char* end = text.data() + text.size();
  return static_cast<size_t>(byte_scan().line(text.data() + from, end) - text.data());
}

}  // namespace

size_t EventScanner::end_line(std::string_view span, size_t at) noexcept {
  const bool is_cr = span[at] == '\r';
  ++at;
  if (is_cr) {
    if (at == span.size()) {
      after_cr_ = true;
    } else if (span[at] == '\n') {
      ++at;
    }
  }
  at_line_start_ = true;
  return at;
}

size_t EventScanner::next_end(std::string_view span, size_t from) noexcept {
  size_t at = from;
  if (at >= span.size()) return npos;
  if (after_cr_) {
    after_cr_ = false;
    if (span[at] == '\n') ++at;
  }
  while (bom_bytes_ < kNoBom && at < span.size()) {
    if (bom_bytes_ == kBom.size()) {
      bom_bytes_ = kNoBom;
    } else if (span[at] == kBom[bom_bytes_]) {
      ++bom_bytes_;
      ++at;
      is_open_ = true;
    } else {
      // Bytes of a mark that was none are the start of a line like any other.
      if (bom_bytes_ != 0) at_line_start_ = false;
      bom_bytes_ = kNoBom;
    }
  }
  while (at < span.size()) {
    if (at_line_start_ && (span[at] == '\n' || span[at] == '\r')) {
      is_open_ = false;
      return end_line(span, at);
    }
    is_open_ = true;
    at_line_start_ = false;
    at = find_line_end(span, at);
    if (at < span.size()) at = end_line(span, at);
  }
  return npos;
}

EventFields::EventFields(std::string_view event) noexcept : rest_(event) {
  if (!rest_.empty() && rest_.front() == '\n') rest_.remove_prefix(1);
  if (rest_.substr(0, kBom.size()) == kBom) rest_.remove_prefix(kBom.size());
}

bool EventFields::next(EventField& field) noexcept {
  while (!rest_.empty()) {
    const size_t end = find_line_end(rest_, 0);
    const std::string_view line = rest_.substr(0, end);
    // CRLF leaves an LF behind, which reads as an empty line and is skipped as such.
    rest_.remove_prefix(end == rest_.size() ? end : end + 1);
    const size_t colon = line.find(':');
    if (line.empty() || colon == 0) continue;
    field.name = line.substr(0, colon);
    field.value = {};
    if (colon != std::string_view::npos) field.value = line.substr(colon + 1);
    if (!field.value.empty() && field.value.front() == ' ') field.value.remove_prefix(1);
    return true;
  }
  return false;
}

DataLines data_of(std::string_view event) noexcept {
  DataLines data;
  constexpr std::string_view kName = "data:";
  // Nearly every event is one such line.
  if (event.starts_with(kName) && find_line_end(event, kName.size()) + 2 == event.size() &&
      event.ends_with("\n\n")) {
    data.first = event.substr(kName.size(), event.size() - kName.size() - 2);
    if (data.first.starts_with(' ')) data.first.remove_prefix(1);
    data.lines = 1;
    return data;
  }
  EventFields fields(event);
  for (EventField field; fields.next(field);) {
    if (field.name != "data") continue;
    if (data.lines++ == 0) data.first = field.value;
  }
  return data;
}

size_t copy_data(std::string_view event, std::span<char> out) noexcept {
  size_t bytes = 0;
  bool is_first = true;
  EventFields fields(event);
  for (EventField field; fields.next(field);) {
    if (field.name != "data") continue;
    const size_t needed = field.value.size() + (is_first ? 0 : 1);
    if (needed > out.size() - bytes) return EventScanner::npos;
    if (!is_first) out[bytes++] = '\n';
    if (!field.value.empty()) std::memcpy(&out[bytes], field.value.data(), field.value.size());
    bytes += field.value.size();
    is_first = false;
  }
  return bytes;
}

std::string_view name_of(std::string_view event) noexcept {
  std::string_view name;
  EventFields fields(event);
  for (EventField field; fields.next(field);) {
    if (field.name == "event") name = field.value;
  }
  return name;
}

}  // namespace sluice::http
