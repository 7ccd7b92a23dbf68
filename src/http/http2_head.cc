#include "http2_head.h"

#include <algorithm>
#include <cstring>

#include <sluice/http/headers.h>

#include "byte_scan.h"

namespace sluice::http {
namespace {

// What no line can hold is replaced by a byte for which the parser refuses the head.
constexpr std::string_view kRefusedByte = "\x01";

std::string_view as_value(std::string_view text) noexcept {
  const char* const end = text.data() + text.size();
  return scan_value(text.data(), end) == end ? text : kRefusedByte;
}

std::string_view as_word(std::string_view text) noexcept {
  return text.find(' ') == std::string_view::npos ? as_value(text) : kRefusedByte;
}

}  // namespace

Http2HeadText::Http2HeadText(std::span<char> room, HeadLimits limits) noexcept
    : room_(room.first(std::min<size_t>(room.size(), limits.head_bytes_max))),
      limits_(limits),
      tail_(room_.size()) {}

std::string_view Http2HeadText::keep(std::string_view text) noexcept {
  if (text.size() > tail_) {
    is_too_large_ = true;
    return {};
  }
  tail_ -= text.size();
  if (!text.empty()) std::memcpy(room_.data() + tail_, text.data(), text.size());
  return {room_.data() + tail_, text.size()};
}

void Http2HeadText::append(std::string_view text) noexcept {
  if (is_too_large_ || text.size() > tail_ - size_) {
    is_too_large_ = true;
    return;
  }
  if (!text.empty()) std::memmove(room_.data() + size_, text.data(), text.size());
  size_ += text.size();
}

void Http2HeadText::add_pseudo(std::string_view name, std::string_view value) noexcept {
  if (name == ":method") method_ = keep(as_word(value));
  if (name == ":path") path_ = keep(as_word(value));
  if (name == ":authority") authority_ = keep(as_word(value));
}

void Http2HeadText::begin_lines() noexcept {
  if (has_begun_) return;
  has_begun_ = true;
  append(method_);
  append(" ");
  append(path_.empty() ? authority_ : path_);  // CONNECT has no path.
  append(" HTTP/1.1\r\n");
  if (!authority_.empty()) {
    ++count_;
    append("host: ");
    const size_t at = size_;
    append(authority_);
    authority_ =
        is_too_large_ ? std::string_view() : std::string_view(room_.data() + at, size_ - at);
    append("\r\n");
  }
  tail_ = room_.size();
}

// Crumbs become one line again (RFC 9113 8.2.3), also when other fields stand between them.
void Http2HeadText::add_cookie(std::string_view value) noexcept {
  constexpr std::string_view kBetween = "; ";
  const size_t more = kBetween.size() + value.size();
  if (is_too_large_ || more > tail_ - size_) {
    is_too_large_ = true;
    return;
  }
  char* const at = room_.data() + cookie_end_;
  std::memmove(at + more, at, size_ - cookie_end_);
  std::memcpy(at, kBetween.data(), kBetween.size());
  if (!value.empty()) std::memcpy(at + kBetween.size(), value.data(), value.size());
  size_ += more;
  cookie_end_ += more;
}

void Http2HeadText::add(std::string_view name, std::string_view value) noexcept {
  if (is_too_large_) return;
  if (name.starts_with(':')) return add_pseudo(name, value);
  begin_lines();
  value = as_value(value);
  const bool is_cookie = name == "cookie";
  if (is_cookie && cookie_end_ != 0) return add_cookie(value);
  const bool repeats_authority =
      name == "host" && !authority_.empty() && equals_ignoring_case(value, authority_);
  if (repeats_authority) return;
  if (++count_ > limits_.header_count_max) {
    is_too_large_ = true;
    return;
  }
  append(name);
  append(": ");
  append(value);
  if (is_cookie) cookie_end_ = size_;
  append("\r\n");
}

std::string_view Http2HeadText::finish() noexcept {
  begin_lines();
  append("\r\n");
  return {room_.data(), is_too_large_ ? 0 : size_};
}

}  // namespace sluice::http
