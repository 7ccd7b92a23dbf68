#include <sluice/http/request_parser.h>

#include <algorithm>

#include "byte_scan.h"
#include "framing.h"
#include "head_faults.h"
#include "target.h"

namespace sluice::http {
namespace {

constexpr size_t kMethodBytesMax = 32;
constexpr std::string_view kVersionShape = "HTTP/d.d";

Method method_of(std::string_view text) noexcept {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::kGet;
      if (text == "PUT") return Method::kPut;
      break;
    case 4:
      if (text == "POST") return Method::kPost;
      if (text == "HEAD") return Method::kHead;
      break;
    case 5:
      if (text == "PATCH") return Method::kPatch;
      break;
    case 6:
      if (text == "DELETE") return Method::kDelete;
      break;
    case 7:
      if (text == "OPTIONS") return Method::kOptions;
      break;
    default: break;
  }
  return Method::kOther;
}

const HeadFault* read_host(RequestHead& head, std::string_view target_authority) noexcept {
  if (head.headers.repeats(HeaderName::kHost)) return &fault::kRepeatedHost;
  if (!head.headers.has(HeaderName::kHost)) {
    head.authority = target_authority;
    return head.version == Version::kHttp11 ? &fault::kNoHost : nullptr;
  }
  head.authority = head.headers.find(HeaderName::kHost);
  if (!is_host(head.authority)) return &fault::kBadHost;
  if (!target_authority.empty() && !equals_ignoring_case(target_authority, head.authority)) {
    return &fault::kOtherHost;
  }
  return nullptr;
}

const HeadFault* read_expectation(RequestHead& head) noexcept {
  head.expect_continue = false;
  if (!head.headers.has(HeaderName::kExpect) || head.version == Version::kHttp10) return nullptr;
  for (const HeaderField field : head.headers) {
    if (field.id != HeaderName::kExpect) continue;
    if (!equals_ignoring_case(field.value, "100-continue")) return &fault::kExpectation;
  }
  head.expect_continue = head.body.kind == BodyKind::kChunked ||
                         (head.body.kind == BodyKind::kLength && head.body.length > 0);
  return nullptr;
}

}  // namespace

std::string_view to_string(Method method) noexcept {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kDelete: return "DELETE";
    case Method::kOptions: return "OPTIONS";
    case Method::kPatch: return "PATCH";
    case Method::kOther: break;
  }
  return {};
}

void RequestHead::rebase(const char* from, const char* to) noexcept {
  const auto turn = [&](std::string_view& view) {
    const bool within = view.data() >= from && view.data() <= from + head_bytes;
    if (within) view = {to + (view.data() - from), view.size()};
  };
  turn(method_text);
  turn(target);
  turn(path);
  turn(query);
  turn(authority);
  headers.rebase(to);
}

RequestParser::RequestParser(HeadLimits limits) noexcept : limits_(limits) {
  limits_.head_bytes_max =
      std::min(limits_.head_bytes_max, static_cast<uint32_t>(HeaderList::kOffsetMax));
  limits_.header_count_max =
      std::min(limits_.header_count_max, static_cast<uint32_t>(HeaderList::kCapacity));
}

void RequestParser::reset() noexcept {
  fields_ = FieldLines();
  head_.headers.clear();
  fault_ = nullptr;
  at_ = 0;
  stage_ = Stage::kStart;
}

Error RequestParser::error() const noexcept {
  SLUICE_ASSERT(fault_ != nullptr);
  ErrorCode code = ErrorCode::kMalformedRequest;
  if (fault_->status == 431) code = ErrorCode::kHeadTooLarge;
  if (fault_->status == 417) code = ErrorCode::kExpectationFailed;
  return {code, Side::kDownstream, Retry::kNever, fault_->detail};
}

ParseState RequestParser::fail(const HeadFault& fault) noexcept {
  fault_ = &fault;
  stage_ = Stage::kOver;
  return ParseState::kError;
}

ParseState RequestParser::parse(std::string_view bytes) noexcept {
  SLUICE_ASSERT(stage_ != Stage::kOver);
  // Bytes behind the limit are not looked at, so that the outcome does not depend on how the
  // bytes were cut.
  const bool at_limit = bytes.size() >= limits_.head_bytes_max;
  if (at_limit) bytes = bytes.substr(0, limits_.head_bytes_max);
  SLUICE_ASSERT(bytes.size() >= at_);
  ParseState state = ParseState::kNeedMore;
  while (state == ParseState::kNeedMore && at_ < bytes.size()) state = step(bytes);
  if (state == ParseState::kNeedMore && at_limit) return fail(fault::kHeadTooLarge);
  return state;
}

// Reads at least one byte of the current stage.
ParseState RequestParser::step(std::string_view bytes) noexcept {
  switch (stage_) {
    case Stage::kStart: return read_start(bytes);
    case Stage::kSkipLf:
      if (bytes[at_] != '\n') return fail(fault::kBareCr);
      method_at_ = ++at_;
      stage_ = Stage::kMethod;
      return ParseState::kNeedMore;
    case Stage::kMethod: return read_method(bytes);
    case Stage::kTarget: return read_target(bytes);
    case Stage::kVersion: return read_version(bytes);
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

// RFC 9112 2.2: one empty line before the request line is forgiven.
ParseState RequestParser::read_start(std::string_view bytes) noexcept {
  if (bytes[0] == '\r') {
    ++at_;
    stage_ = Stage::kSkipLf;
  } else {
    method_at_ = 0;
    stage_ = Stage::kMethod;
  }
  return ParseState::kNeedMore;
}

ParseState RequestParser::read_method(std::string_view bytes) noexcept {
  const char* begin = bytes.data();
  at_ = static_cast<uint32_t>(scan_token(begin + at_, begin + bytes.size()) - begin);
  const size_t size = at_ - method_at_;
  if (size > kMethodBytesMax) return fail(fault::kMethodTooLong);
  if (at_ == bytes.size()) return ParseState::kNeedMore;
  if (size == 0 || bytes[at_] != ' ') return fail(fault::kBadMethod);
  target_at_ = ++at_;
  stage_ = Stage::kTarget;
  return ParseState::kNeedMore;
}

ParseState RequestParser::read_target(std::string_view bytes) noexcept {
  const char* begin = bytes.data();
  at_ = static_cast<uint32_t>(scan_target(begin + at_, begin + bytes.size()) - begin);
  if (at_ == bytes.size()) return ParseState::kNeedMore;
  if (at_ == target_at_ || bytes[at_] != ' ') return fail(fault::kBadTarget);
  target_end_ = at_;
  version_at_ = ++at_;
  stage_ = Stage::kVersion;
  return ParseState::kNeedMore;
}

ParseState RequestParser::read_version(std::string_view bytes) noexcept {
  constexpr std::string_view kUsual = "HTTP/1.1\r\n";
  if (at_ == version_at_ && bytes.substr(at_, kUsual.size()) == kUsual) {
    at_ += static_cast<uint32_t>(kUsual.size());
    head_.version = Version::kHttp11;
    stage_ = Stage::kFields;
    return ParseState::kNeedMore;
  }
  for (; at_ < bytes.size(); ++at_) {
    const size_t index = at_ - version_at_;
    const char c = bytes[at_];
    if (index == kVersionShape.size()) {
      if (c != '\r') return fail(fault::kBadVersion);
      ++at_;
      stage_ = Stage::kLineEnd;
      return ParseState::kNeedMore;
    }
    const char wanted = kVersionShape[index];
    if (wanted == 'd' ? (c < '0' || c > '9') : c != wanted) return fail(fault::kBadVersion);
    if (index == 5 && c != '1') return fail(fault::kOtherVersion);
    if (index != 7) continue;
    if (c > '1') return fail(fault::kOtherVersion);
    head_.version = c == '1' ? Version::kHttp11 : Version::kHttp10;
  }
  return ParseState::kNeedMore;
}

// Everything that needs the whole head. Views are made only here, since the bytes may have moved
// in between.
const HeadFault* RequestParser::finish(std::string_view bytes) noexcept {
  head_.headers.rebase(bytes.data());
  head_.head_bytes = at_;
  head_.method_text = bytes.substr(method_at_, target_at_ - 1 - method_at_);
  head_.method = method_of(head_.method_text);
  head_.target = bytes.substr(target_at_, target_end_ - target_at_);
  if (head_.method_text == "CONNECT") return &fault::kConnect;
  std::string_view target_authority;
  if (const auto* fault = read_target_form(head_, target_authority)) return fault;
  if (const auto* fault = read_host(head_, target_authority)) return fault;
  if (const auto* fault = read_framing(head_.headers, head_.version, head_.body)) return fault;
  if (const auto* fault = read_expectation(head_)) return fault;
  const ConnectionOptions connection(head_.headers);
  head_.keep_alive =
      !connection.close() && (head_.version == Version::kHttp11 || connection.keep_alive());
  return nullptr;
}

}  // namespace sluice::http
