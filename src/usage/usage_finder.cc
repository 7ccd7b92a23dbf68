#include <sluice/usage/usage_finder.h>

#include <algorithm>
#include <cstring>

#include "needle.h"

namespace sluice::usage {

namespace {

constexpr std::string_view kKey = "\"usage\"";

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

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

size_t UsageFinder::seek_key(std::string_view span, size_t at) noexcept {
  if (tail_length_ > 0) {
    // The tail is shorter than the key, so a key found here ends within the span.
    std::array<char, 2 * sizeof(tail_)> joint;
    const size_t fresh = std::min(span.size() - at, tail_.size());
    std::memcpy(joint.data(), tail_.data(), tail_length_);
    std::memcpy(joint.data() + tail_length_, span.data() + at, fresh);
    const size_t found = find_needle({joint.data(), tail_length_ + fresh}, kKey);
    if (found != std::string_view::npos) {
      at += found + kKey.size() - tail_length_;
      tail_length_ = 0;
      seeking_ = Seeking::kColon;
      return at;
    }
  }
  const size_t found = find_needle(span, kKey, at);
  if (found == std::string_view::npos) {
    keep_tail(span.substr(at));
    return span.size();
  }
  tail_length_ = 0;
  seeking_ = Seeking::kColon;
  return found + kKey.size();
}

void UsageFinder::keep_tail(std::string_view span) noexcept {
  const size_t fresh = std::min(span.size(), tail_.size());
  const size_t kept = std::min<size_t>(tail_length_, tail_.size() - fresh);
  std::memmove(tail_.data(), tail_.data() + tail_length_ - kept, kept);
  std::memcpy(tail_.data() + kept, span.data() + span.size() - fresh, fresh);
  tail_length_ = static_cast<uint8_t>(kept + fresh);
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
  object_length_ = 0;
  depth_ = 0;
  in_string_ = is_escaped_ = false;
  return at;  // The brace is the object's first byte.
}

size_t UsageFinder::seek_object_end(std::string_view span, size_t at) noexcept {
  const size_t end = at + std::min(span.size() - at, object_.size() - object_length_);
  for (; at < end; ++at) {
    const char c = span[at];
    object_[object_length_++] = c;
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
    if ((c == '}' || c == ']') && --depth_ == 0) {
      finish_object();
      return at + 1;
    }
  }
  if (object_length_ == object_.size()) seeking_ = Seeking::kKey;
  return at;
}

void UsageFinder::finish_object() noexcept {
  seeking_ = Seeking::kKey;
  // An event may spread its JSON over several data lines; a line end cannot stand in a string.
  constexpr std::string_view kNextLine = "\ndata:";
  const std::string_view object(object_.data(), object_length_);
  for (size_t at = object.find(kNextLine); at != std::string_view::npos;
       at = object.find(kNextLine, at)) {
    std::memset(object_.data() + at, ' ', kNextLine.size());
  }
  const auto usage = reader_->read_usage(object);
  if (usage && !usage->is_empty()) found_ = *usage;
}

}  // namespace sluice::usage
