#include "json_walk.h"

#include <algorithm>

namespace sluice::sim {

size_t string_end(std::string_view text, size_t at) noexcept {
  for (;;) {
    at = text.find_first_of("\"\\", at + 1);
    if (at == std::string_view::npos) return text.size();
    if (text[at] == '"') return at + 1;
    ++at;  // Whatever is escaped is no end.
  }
}

JsonWalk::JsonWalk(std::string_view container) noexcept : text_(container) {
  skip_space();
  if (at_ < text_.size() && text_[at_] == '{') close_ = '}';
  if (at_ < text_.size() && text_[at_] == '[') close_ = ']';
  ++at_;
}

void JsonWalk::skip_space() noexcept {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

std::string_view JsonWalk::take_value() noexcept {
  skip_space();
  const size_t begin = std::min(at_, text_.size());
  size_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      at_ = string_end(text_, at_);
      if (depth == 0) break;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) break;  // The container's own end.
      if (--depth == 0) {
        ++at_;
        break;
      }
    }
    if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) break;
    ++at_;
  }
  return text_.substr(begin, std::min(at_, text_.size()) - begin);
}

bool JsonWalk::next() noexcept {
  skip_space();
  if (close_ != 0 && at_ < text_.size() && text_[at_] == ',') ++at_;
  skip_space();
  if (close_ == 0 || at_ >= text_.size() || text_[at_] == close_) {
    close_ = 0;
    return false;
  }
  name_ = {};
  if (close_ == '}') {
    if (text_[at_] != '"') return close_ = 0, false;
    const size_t end = string_end(text_, at_);
    name_ = string_body(text_.substr(at_, end - at_));
    at_ = end;
    skip_space();
    if (at_ < text_.size() && text_[at_] == ':') ++at_;
  }
  const size_t before = at_;
  value_ = take_value();
  if (at_ == before) close_ = 0;  // Broken: nothing was taken.
  return !value_.empty();
}

std::string_view find_member(std::string_view object, std::string_view name) noexcept {
  JsonWalk walk(object);
  while (walk.next()) {
    if (walk.name() == name) return walk.value();
  }
  return {};
}

std::string_view string_body(std::string_view value) noexcept {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return {};
  return value.substr(1, value.size() - 2);
}

}  // namespace sluice::sim
