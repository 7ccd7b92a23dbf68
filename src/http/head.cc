#include <sluice/http/head.h>

#include <algorithm>

#include "byte_scan.h"
#include "head_faults.h"
#include "known_names.h"

namespace sluice::http {

ParseState FieldLines::advance(std::string_view bytes, size_t& at, HeaderList* list,
                               uint32_t count_max) noexcept {
  ParseState state = ParseState::kNeedMore;
  while (at < bytes.size() && state == ParseState::kNeedMore) {
    switch (stage_) {
      case Stage::kLineStart:
        state = read_name_start(bytes[at], at);
        ++at;
        break;
      case Stage::kName: state = read_name(bytes, at); break;
      case Stage::kValueStart:
        while (at < bytes.size() && (bytes[at] == ' ' || bytes[at] == '\t')) ++at;
        if (at == bytes.size()) break;
        value_at_ = static_cast<uint32_t>(at);
        stage_ = Stage::kValue;
        [[fallthrough]];
      case Stage::kValue: state = read_value(bytes, at); break;
      case Stage::kLineEnd:
        if (bytes[at] != '\n') return fail(fault::kBareCr);
        if (list != nullptr && !keep(bytes, at - 1, *list, count_max)) {
          return fail(fault::kTooManyFields);
        }
        ++at;
        stage_ = Stage::kLineStart;
        is_first_line_ = false;
        break;
      case Stage::kLastLineEnd:
        if (bytes[at] != '\n') return fail(fault::kBareCr);
        ++at;
        return ParseState::kDone;
    }
  }
  return state;
}

ParseState FieldLines::read_name_start(char first, size_t at) noexcept {
  if (is_in(kTokenChar, first)) {
    name_at_ = static_cast<uint32_t>(at);
    stage_ = Stage::kName;
    return ParseState::kNeedMore;
  }
  switch (first) {
    case '\r': stage_ = Stage::kLastLineEnd; return ParseState::kNeedMore;
    case '\n': return fail(fault::kBareLf);
    case ':': return fail(fault::kEmptyName);
    case ' ':
    case '\t': return fail(is_first_line_ ? fault::kLeadingSpace : fault::kFoldedLine);
    default: return fail(fault::kBadNameByte);
  }
}

ParseState FieldLines::read_name(std::string_view bytes, size_t& at) noexcept {
  const char* end = bytes.data() + bytes.size();
  at = static_cast<size_t>(byte_scan().token(bytes.data() + at, end) - bytes.data());
  if (at == bytes.size()) return ParseState::kNeedMore;
  switch (bytes[at]) {
    case ':':
      colon_at_ = static_cast<uint32_t>(at++);
      stage_ = Stage::kValueStart;
      return ParseState::kNeedMore;
    case ' ':
    case '\t': return fail(fault::kSpaceBeforeColon);
    case '\r':
    case '\n': return fail(fault::kNoColon);
    default: return fail(fault::kBadNameByte);
  }
}

ParseState FieldLines::read_value(std::string_view bytes, size_t& at) noexcept {
  const char* end = bytes.data() + bytes.size();
  at = static_cast<size_t>(byte_scan().value(bytes.data() + at, end) - bytes.data());
  if (at == bytes.size()) return ParseState::kNeedMore;
  if (bytes[at] == '\r') {
    ++at;
    stage_ = Stage::kLineEnd;
    return ParseState::kNeedMore;
  }
  return fail(bytes[at] == '\n' ? fault::kBareLf : fault::kControlByte);
}

bool FieldLines::keep(std::string_view bytes, size_t value_end, HeaderList& list,
                      uint32_t count_max) noexcept {
  if (list.size() >= count_max) return false;
  while (value_end > value_at_ &&
         (bytes[value_end - 1] == ' ' || bytes[value_end - 1] == '\t')) {
    --value_end;
  }
  const std::string_view name = bytes.substr(name_at_, colon_at_ - name_at_);
  return list.append(name_at_, name.size(), value_at_, value_end - value_at_,
                     known_name_of_token(name));
}

}  // namespace sluice::http
