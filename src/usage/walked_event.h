// What one pass over an event of a stream sees of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "event_marks.h"

namespace sluice::usage {

// Whether `word` stands in `text` at `at`. Of a constant length, so that it is compared in place.
template <size_t kSize>
[[nodiscard]] bool stands_at(std::string_view text, size_t at, const char (&word)[kSize]) noexcept {
  return text.size() >= at + (kSize - 1) && std::memcmp(text.data() + at, word, kSize - 1) == 0;
}

// Whether a delta's value, which begins at `at`, begins with a content that is not empty.
[[nodiscard]] inline bool is_content_at(std::string_view text, size_t at) noexcept {
  return stands_at(text, at, "{\"content\":\"") && !stands_at(text, at, "{\"content\":\"\"");
}

// One event whose lines end in LF, and where in its span the keys stand that matter.
class WalkedEvent {
 public:
  static constexpr size_t npos = std::string_view::npos;

  // Walks the event that begins at `begin`. `span` must live as long.
  WalkedEvent(std::string_view span, size_t begin) noexcept : span_(span), begin_(begin) {
    EventMarks marks(span, begin);
    size_t line = begin;
    for (size_t at; (at = marks.next()) != npos;) {
      switch (span[at]) {
        case '"': note_key(at); break;
        case '\n':
          if (at == line) {
            end_ = at + 1;
            return;
          }
          ++lines_;
          line = at + 1;
          break;
        case '\r': return;
        default: break;
      }
    }
  }

  [[nodiscard]] size_t begin() const noexcept { return begin_; }
  // The whole event; only when end() is not npos.
  [[nodiscard]] std::string_view text() const noexcept {
    return span_.substr(begin_, end_ - begin_);
  }
  // Behind its blank line; npos when it is cut or has a CR.
  [[nodiscard]] size_t end() const noexcept { return end_; }
  // Behind the first "delta"; npos when there is none.
  [[nodiscard]] size_t delta() const noexcept { return delta_; }
  // Where the first "usage" begins that is not null; npos when there is none.
  [[nodiscard]] size_t usage() const noexcept { return usage_; }

  // An event of one data line with content and no end, as nearly all are.
  [[nodiscard]] bool is_plain() const noexcept {
    return lines_ == 1 && delta_ != npos && !may_finish_ && stands_at(span_, begin_, "data:") &&
           stands_at(span_, delta_, ":") && is_content_at(span_, delta_ + 1);
  }
  // An event of one data line without a key by which it could be judged, as that is which brings
  // the usage.
  [[nodiscard]] bool says_nothing() const noexcept {
    return lines_ == 1 && delta_ == npos && !may_finish_ && !may_tell_else_ &&
           (stands_at(span_, begin_, "data: {") || stands_at(span_, begin_, "data:{"));
  }

 private:
  // Whether the member whose key ends before `at` is null, written as servers write it.
  [[nodiscard]] bool is_null_at(size_t at) const noexcept {
    return stands_at(span_, at, ":n") || stands_at(span_, at, ": n");
  }
  void note_key(size_t at) noexcept {
    constexpr size_t kDeltaBytes = 7;
    constexpr size_t kFinishBytes = 15;
    constexpr size_t kUsageBytes = 7;
    switch (span_[at + 1]) {
      case 'd':
        if (delta_ == npos && stands_at(span_, at, "\"delta\"")) delta_ = at + kDeltaBytes;
        break;
      case 'f':
        may_finish_ = may_finish_ ||
                      (stands_at(span_, at, "\"finish_reason\"") && !is_null_at(at + kFinishBytes));
        break;
      case 'u':
        if (usage_ == npos && stands_at(span_, at, "\"usage\"") && !is_null_at(at + kUsageBytes)) {
          usage_ = at;
        }
        break;
      case 'e': may_tell_else_ = may_tell_else_ || stands_at(span_, at, "\"error\""); break;
      case 't':
        may_tell_else_ =
            may_tell_else_ || stands_at(span_, at, "\"type\"") || stands_at(span_, at, "\"text\"");
        break;
      default: break;
    }
  }

  std::string_view span_;
  size_t begin_;
  size_t end_ = npos;
  size_t delta_ = npos;
  size_t usage_ = npos;
  uint32_t lines_ = 0;
  bool may_finish_ = false;
  bool may_tell_else_ = false;  // Has a key by which events of other kinds are judged.
};

}  // namespace sluice::usage
