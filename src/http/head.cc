#include <sluice/http/head.h>

#include "byte_scan.h"
#include "head_faults.h"
#include "known_names.h"

namespace sluice::http {
namespace {

// Where the parts of one field line stand in the head.
struct LinePlaces {
  size_t name;
  size_t colon;
  size_t value;
  size_t value_end;  // White space behind the value still counts here.
};

// False when there are too many fields.
bool keep(const char* head, LinePlaces line, HeaderList& list, uint32_t count_max) noexcept {
  if (list.size() >= count_max) return false;
  size_t value_end = line.value_end;
  while (value_end > line.value && (head[value_end - 1] == ' ' || head[value_end - 1] == '\t')) {
    --value_end;
  }
  const size_t name_bytes = line.colon - line.name;
  return list.append(line.name, name_bytes, line.value, value_end - line.value,
                     known_name_of_token({head + line.name, name_bytes}));
}

}  // namespace

ParseState FieldLines::advance(std::string_view bytes, size_t& at, HeaderList* list,
                               uint32_t count_max) noexcept {
  ParseState state = ParseState::kNeedMore;
  while (at < bytes.size() && state == ParseState::kNeedMore) {
    switch (stage_) {
      case Stage::kLineStart:
        if (list != nullptr) read_good_lines(bytes, at, *list, count_max);
        if (at == bytes.size()) break;
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
        if (list != nullptr &&
            !keep(bytes.data(), {name_at_, colon_at_, value_at_, at - 1}, *list, count_max)) {
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

// Nearly every line arrives whole and is good. Reading such lines in one loop, with their places in
// registers, spares a fifth of the cost of a head (bench parse_request_head); all others are left
// to the stages, so a byte is looked at twice at most.
void FieldLines::read_good_lines(std::string_view bytes, size_t& at, HeaderList& list,
                                 uint32_t count_max) noexcept {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* line = begin + at;
  const auto place = [begin](const char* of) { return static_cast<size_t>(of - begin); };
  while (line != end && *line != '\r') {
    const char* colon = scan_token(line, end);
    if (colon == line || colon == end || *colon != ':') break;
    const char* value = colon + 1;
    while (value != end && (*value == ' ' || *value == '\t')) ++value;
    const char* value_end = scan_value(value, end);
    if (end - value_end < 2 || value_end[0] != '\r' || value_end[1] != '\n') break;
    const LinePlaces places = {place(line), place(colon), place(value), place(value_end)};
    if (!keep(begin, places, list, count_max)) break;
    line = value_end + 2;
    is_first_line_ = false;
  }
  at = place(line);
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
  at = static_cast<size_t>(scan_token(bytes.data() + at, end) - bytes.data());
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
  at = static_cast<size_t>(scan_value(bytes.data() + at, end) - bytes.data());
  if (at == bytes.size()) return ParseState::kNeedMore;
  if (bytes[at] == '\r') {
    ++at;
    stage_ = Stage::kLineEnd;
    return ParseState::kNeedMore;
  }
  return fail(bytes[at] == '\n' ? fault::kBareLf : fault::kControlByte);
}

}  // namespace sluice::http
