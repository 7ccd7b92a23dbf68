#include <sluice/http/response_parser.h>

#include <algorithm>

#include "byte_scan.h"
#include "framing.h"
#include "head_faults.h"

namespace sluice::http {
namespace {

// 'd' stands for a digit.
constexpr std::string_view kStatusLineShape = "HTTP/d.d ddd";

}  // namespace

ResponseParser::ResponseParser(HeadLimits limits, AnswerTo request) noexcept
    : limits_(limits), request_(request) {
  limits_.head_bytes_max =
      std::min(limits_.head_bytes_max, static_cast<uint32_t>(HeaderList::kOffsetMax));
  limits_.header_count_max =
      std::min(limits_.header_count_max, static_cast<uint32_t>(HeaderList::kCapacity));
}

void ResponseParser::reset(AnswerTo request) noexcept {
  fields_ = FieldLines();
  head_.headers.clear();
  fault_ = nullptr;
  at_ = 0;
  request_ = request;
  stage_ = Stage::kStatusLine;
}

Error ResponseParser::error() const noexcept {
  SLUICE_ASSERT(fault_ != nullptr);
  return {ErrorCode::kUpstreamProtocol, Side::kUpstream, Retry::kYes, fault_->detail};
}

ParseState ResponseParser::fail(const HeadFault& fault) noexcept {
  fault_ = &fault;
  stage_ = Stage::kOver;
  return ParseState::kError;
}

ParseState ResponseParser::parse(std::string_view bytes) noexcept {
  SLUICE_ASSERT(stage_ != Stage::kOver);
  const bool at_limit = bytes.size() >= limits_.head_bytes_max;
  if (at_limit) bytes = bytes.substr(0, limits_.head_bytes_max);
  SLUICE_ASSERT(bytes.size() >= at_);
  ParseState state = ParseState::kNeedMore;
  while (state == ParseState::kNeedMore && at_ < bytes.size()) state = step(bytes);
  if (state == ParseState::kNeedMore && at_limit) return fail(fault::kHeadTooLarge);
  return state;
}

// Reads at least one byte of the current stage.
ParseState ResponseParser::step(std::string_view bytes) noexcept {
  switch (stage_) {
    case Stage::kStatusLine: return read_status_line(bytes);
    case Stage::kReason: {
      const char* begin = bytes.data();
      at_ = static_cast<uint32_t>(scan_value(begin + at_, begin + bytes.size()) - begin);
      if (at_ == bytes.size()) return ParseState::kNeedMore;
      if (bytes[at_] != '\r') return fail(fault::kBadStatus);
      ++at_;
      stage_ = Stage::kLineEnd;
      return ParseState::kNeedMore;
    }
    case Stage::kLineEnd:
      if (bytes[at_] != '\n') return fail(fault::kBareCr);
      ++at_;
      stage_ = Stage::kFields;
      return ParseState::kNeedMore;
    case Stage::kFields: {
      size_t at = at_;
      const ParseState state = fields_.advance(bytes, at, &head_.headers, limits_.header_count_max);
      at_ = static_cast<uint32_t>(at);
      if (state == ParseState::kNeedMore) return state;
      const HeadFault* fault = state == ParseState::kError ? fields_.fault() : finish(bytes);
      if (fault != nullptr) return fail(*fault);
      stage_ = Stage::kOver;
      return ParseState::kDone;
    }
    case Stage::kOver: break;
  }
  return ParseState::kError;
}

// The line as nearly all answers begin; false when it is another one, or not here as a whole.
bool ResponseParser::read_usual_status_line(std::string_view bytes) noexcept {
  constexpr std::string_view kUsual = "HTTP/1.1 ";
  constexpr size_t kEnd = kStatusLineShape.size();
  if (at_ != 0 || bytes.size() <= kEnd || !bytes.starts_with(kUsual) || bytes[kEnd] != ' ') {
    return false;
  }
  unsigned status = 0;
  for (const char c : bytes.substr(kUsual.size(), 3)) {
    if (c < '0' || c > '9') return false;
    status = status * 10 + static_cast<unsigned>(c - '0');
  }
  if (status < 100 || status > 599) return false;
  head_.version = Version::kHttp11;
  head_.status = static_cast<uint16_t>(status);
  at_ = kEnd + 1;
  stage_ = Stage::kReason;
  return true;
}

ParseState ResponseParser::read_status_line(std::string_view bytes) noexcept {
  if (read_usual_status_line(bytes)) return ParseState::kNeedMore;
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (at_ == kStatusLineShape.size()) {
      // Some servers leave out the space before an empty reason; nothing hangs on it.
      if (c != ' ' && c != '\r') return fail(fault::kBadStatus);
      stage_ = c == ' ' ? Stage::kReason : Stage::kLineEnd;
      ++at_;
      return ParseState::kNeedMore;
    }
    const char wanted = kStatusLineShape[at_];
    if (wanted == 'd' ? (c < '0' || c > '9') : c != wanted) return fail(fault::kBadStatus);
    if (at_ == 5 && c != '1') return fail(fault::kOtherVersion);
    if (at_ == 7) {
      if (c > '1') return fail(fault::kOtherVersion);
      head_.version = c == '1' ? Version::kHttp11 : Version::kHttp10;
      head_.status = 0;
    }
    if (at_ > 8) head_.status = static_cast<uint16_t>(head_.status * 10 + (c - '0'));
    if (at_ == 11 && (head_.status < 100 || head_.status > 599)) return fail(fault::kBadStatus);
  }
  return ParseState::kNeedMore;
}

const HeadFault* ResponseParser::finish(std::string_view bytes) noexcept {
  head_.headers.rebase(bytes.data());
  head_.head_bytes = at_;
  if (head_.status == 101) return &fault::kSwitching;
  if (const auto* fault = read_framing(head_.headers, head_.version, head_.body)) return fault;
  if (const auto* fault = decide_body()) return fault;
  const ConnectionOptions connection(head_.headers);
  head_.keep_alive = head_.body.kind != BodyKind::kUntilClose && !connection.close() &&
                     (head_.version == Version::kHttp11 || connection.keep_alive());
  return nullptr;
}

// RFC 9112 6.3. Framing on a status that can have no body is refused, except a length of zero,
// which is sent in practice and harms nobody.
const HeadFault* ResponseParser::decide_body() noexcept {
  BodyFraming& body = head_.body;
  const bool is_bodiless = head_.is_interim() || head_.status == 204;
  if (is_bodiless) {
    const bool announces =
        body.kind == BodyKind::kChunked || (body.kind == BodyKind::kLength && body.length > 0);
    if (announces) return &fault::kUnexpectedBody;
  }
  if (is_bodiless || head_.status == 304 || request_ == AnswerTo::kHead) {
    body = {};
  } else if (body.kind == BodyKind::kNone) {
    body.kind = BodyKind::kUntilClose;
  }
  return nullptr;
}

}  // namespace sluice::http
