#include "framing.h"

#include "head_faults.h"

namespace sluice::http {
namespace {

// Digits only: a sign, a list ("5, 5") and an empty value are refused with everything else.
const HeadFault* read_length(std::string_view value, uint64_t& length) noexcept {
  constexpr uint64_t kLengthMax = INT64_MAX;
  if (value.empty()) return &fault::kBadLength;
  constexpr size_t kSafeDigits = 18;  // So many are never above kLengthMax.
  uint64_t sum = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return &fault::kBadLength;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value.size() > kSafeDigits && sum > (kLengthMax - digit) / 10) return &fault::kBadLength;
    sum = sum * 10 + digit;
  }
  length = sum;
  return nullptr;
}

// Tells a coding that we lack (501) from a list that frames nothing (400).
const HeadFault* judge_codings(std::string_view value) noexcept {
  ListItems items(value);
  size_t chunked = 0;
  size_t others = 0;
  bool chunked_is_last = false;
  for (std::string_view item = items.next(); !item.empty(); item = items.next()) {
    if (!is_token(item)) return &fault::kBadCoding;
    chunked_is_last = equals_ignoring_case(item, "chunked");
    ++(chunked_is_last ? chunked : others);
  }
  if (others == 0 || chunked > 1) return &fault::kBadCoding;
  if (chunked == 1 && !chunked_is_last) return &fault::kBadCoding;
  return &fault::kOtherCoding;
}

}  // namespace

const HeadFault* read_framing(const HeaderList& headers, Version version,
                              BodyFraming& framing) noexcept {
  framing = {};
  const bool has_length = headers.has(HeaderName::kContentLength);
  if (headers.has(HeaderName::kTransferEncoding)) {
    if (has_length) return &fault::kBothFramings;
    if (version == Version::kHttp10) return &fault::kCodingInHttp10;
    if (headers.repeats(HeaderName::kTransferEncoding)) return &fault::kBadCoding;
    const std::string_view value = headers.find(HeaderName::kTransferEncoding);
    if (!equals_ignoring_case(value, "chunked")) return judge_codings(value);
    framing.kind = BodyKind::kChunked;
    return nullptr;
  }
  if (!has_length) return nullptr;
  if (headers.repeats(HeaderName::kContentLength)) return &fault::kRepeatedLength;
  framing.kind = BodyKind::kLength;
  return read_length(headers.find(HeaderName::kContentLength), framing.length);
}

}  // namespace sluice::http
