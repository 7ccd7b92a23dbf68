#include <sluice/usage/usage_finder.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <sluice/json/plain_usage.h>

#include "needle.h"

namespace sluice::usage {

namespace {

constexpr std::string_view kKey = "\"usage\"";

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// How many bytes of the key `text` ends in, without the key's last one. The key's quotes stand only
// at its ends, so the last quote is where it begins.
uint8_t key_bytes_at_end(std::string_view text) noexcept {
  const size_t from = text.size() - std::min(text.size(), kKey.size() - 1);
  const size_t quote = text.substr(from).rfind('"');
  if (quote == std::string_view::npos) return 0;
  const std::string_view end = text.substr(from + quote);
  return kKey.starts_with(end) ? static_cast<uint8_t>(end.size()) : uint8_t{0};
}

}  // namespace

void UsageFinder::feed(std::string_view span) noexcept {
  size_t at = 0;
  while (at < span.size()) {
    switch (seeking_) {
      case Seeking::kKey: at = seek_key(span, at); break;
      case Seeking::kColon: at = seek_token(span, at, ':', Seeking::kBrace); break;
      case Seeking::kBrace: at = seek_token(span, at, '{', Seeking::kObjectEnd); break;
      case Seeking::kObjectEnd: at = seek_object_end(span, at); break;
    }
  }
}

void UsageFinder::begin_body() noexcept {
  seeking_ = Seeking::kKey;
  key_matched_ = 0;
  object_.clear();
  found_.reset();
}

size_t UsageFinder::seek_key(std::string_view span, size_t at) noexcept {
  for (; key_matched_ > 0 && at < span.size(); ++at) {
    if (span[at] == kKey[key_matched_]) {
      if (++key_matched_ < kKey.size()) continue;
      key_matched_ = 0;
      seeking_ = Seeking::kColon;
      return at + 1;
    }
    key_matched_ = 0;
    break;  // The byte may begin a key.
  }
  if (at == span.size()) return at;
  const size_t found = find_needle(span, kKey, at);
  if (found == std::string_view::npos) {
    key_matched_ = key_bytes_at_end(span.substr(at));
    return span.size();
  }
  seeking_ = Seeking::kColon;
  return found + kKey.size();
}

size_t UsageFinder::seek_token(std::string_view span, size_t at, char token,
                               Seeking next) noexcept {
  while (at < span.size() && is_space(span[at])) ++at;
  if (at == span.size()) return at;
  if (span[at] != token) {
    seeking_ = Seeking::kKey;
    return at;
  }
  seeking_ = next;
  if (next != Seeking::kObjectEnd) return at + 1;
  depth_ = 0;
  in_string_ = is_escaped_ = false;
  return at;  // The brace is the object's first byte.
}

size_t UsageFinder::seek_object_end(std::string_view span, size_t at) noexcept {
  const std::string_view part = span.substr(at, object_.room_left());
  if (depth_ == 0) {
    if (const auto plain = json::read_plain_usage(part)) {
      if (!plain->fields.is_empty()) found_ = plain->fields;
      seeking_ = Seeking::kKey;
      return at + plain->bytes;
    }
  }
  const size_t end = scan_object(part);
  if (end == std::string_view::npos) {
    const bool is_kept = object_.append(part);
    has_lost_ = has_lost_ || !is_kept;
    if (!is_kept || object_.room_left() == 0) {
      object_.clear();
      seeking_ = Seeking::kKey;
    }
    return at + part.size();
  }
  if (object_.is_open()) {
    object_.append(part.substr(0, end));
    finish_object(object_.text());
    object_.clear();
  } else {
    finish_object(part.substr(0, end));
  }
  seeking_ = Seeking::kKey;
  return at + end;
}

size_t UsageFinder::scan_object(std::string_view part) noexcept {
  for (size_t at = 0; at < part.size(); ++at) {
    const char c = part[at];
    if (in_string_) {
      if (is_escaped_)
        is_escaped_ = false;
      else if (c == '\\')
        is_escaped_ = true;
      else if (c == '"')
        in_string_ = false;
      continue;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && --depth_ == 0) return at + 1;
  }
  return std::string_view::npos;
}

void UsageFinder::finish_object(std::string_view object) noexcept {
  // An event may spread its JSON over several data lines; a line end cannot stand in a string.
  constexpr std::string_view kNextLine = "\ndata:";
  std::array<char, kObjectBytesMax> joined;
  size_t at = object.find(kNextLine);
  if (at != std::string_view::npos) {
    std::memcpy(joined.data(), object.data(), object.size());
    object = {joined.data(), object.size()};
    for (; at != std::string_view::npos; at = object.find(kNextLine, at)) {
      std::memset(joined.data() + at, ' ', kNextLine.size());
    }
  }
  const auto usage = reader_->read_usage(object);
  if (usage && !usage->is_empty()) found_ = *usage;
}

}  // namespace sluice::usage
