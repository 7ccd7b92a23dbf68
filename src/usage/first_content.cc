#include <sluice/usage/first_content.h>

#include "content.h"

namespace sluice::usage {

void FirstContent::look_at(std::string_view span) noexcept {
  size_t begin = 0;
  while (begin < span.size() && !has_content_) {
    const size_t end = scanner_.next_end(span, begin);
    const bool is_cut = end == http::EventScanner::npos;
    const std::string_view part = span.substr(begin, is_cut ? end : end - begin);
    begin += part.size();
    if (!is_cut && !carry_.is_open()) {
      has_content_ = brings_content(part);
      continue;
    }
    carry_.append(part);
    if (is_cut) return;
    has_content_ = carry_.is_lost() || brings_content(carry_.text());
    carry_.clear();
  }
}

}  // namespace sluice::usage
