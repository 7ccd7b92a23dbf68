#include <sluice/http/headers.h>

#include <cstring>

#include "byte_scan.h"
#include "known_names.h"

namespace sluice::http {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

struct KnownName {
  HeaderName id;
  std::string_view text;
};

// In the order of HeaderName, less kOther.
constexpr std::array<KnownName, kHeaderNameCount - 1> kKnownNames = {{
    {HeaderName::kAccept, "accept"},
    {HeaderName::kAcceptEncoding, "accept-encoding"},
    {HeaderName::kApiKey, "api-key"},
    {HeaderName::kAuthorization, "authorization"},
    {HeaderName::kCacheControl, "cache-control"},
    {HeaderName::kConnection, "connection"},
    {HeaderName::kContentEncoding, "content-encoding"},
    {HeaderName::kContentLength, "content-length"},
    {HeaderName::kContentType, "content-type"},
    {HeaderName::kCookie, "cookie"},
    {HeaderName::kDate, "date"},
    {HeaderName::kExpect, "expect"},
    {HeaderName::kForwarded, "forwarded"},
    {HeaderName::kHost, "host"},
    {HeaderName::kIdempotencyKey, "idempotency-key"},
    {HeaderName::kKeepAlive, "keep-alive"},
    {HeaderName::kLocation, "location"},
    {HeaderName::kProxyAuthenticate, "proxy-authenticate"},
    {HeaderName::kProxyAuthenticationInfo, "proxy-authentication-info"},
    {HeaderName::kProxyAuthorization, "proxy-authorization"},
    {HeaderName::kProxyConnection, "proxy-connection"},
    {HeaderName::kRetryAfter, "retry-after"},
    {HeaderName::kServer, "server"},
    {HeaderName::kSetCookie, "set-cookie"},
    {HeaderName::kTe, "te"},
    {HeaderName::kTraceparent, "traceparent"},
    {HeaderName::kTracestate, "tracestate"},
    {HeaderName::kTrailer, "trailer"},
    {HeaderName::kTransferEncoding, "transfer-encoding"},
    {HeaderName::kUpgrade, "upgrade"},
    {HeaderName::kUserAgent, "user-agent"},
    {HeaderName::kVia, "via"},
    {HeaderName::kXApiKey, "x-api-key"},
    {HeaderName::kXForwardedFor, "x-forwarded-for"},
    {HeaderName::kXRealIp, "x-real-ip"},
    {HeaderName::kXRequestId, "x-request-id"},
    {HeaderName::kXSluicePriority, "x-sluice-priority"},
    {HeaderName::kXTraceId, "x-trace-id"},
}};

constexpr bool names_are_in_order() {
  for (size_t i = 0; i < kKnownNames.size(); ++i) {
    if (static_cast<size_t>(kKnownNames[i].id) != i + 1) return false;
  }
  return true;
}
static_assert(names_are_in_order());

constexpr size_t kNameBytesMax = 25;

// The known names by length: those of length n are `order[first[n]]` up to `order[first[n + 1]]`.
struct LengthIndex {
  std::array<uint8_t, kNameBytesMax + 2> first{};
  std::array<uint8_t, kKnownNames.size()> order{};
};

constexpr LengthIndex make_length_index() {
  LengthIndex index;
  uint8_t next = 0;
  for (size_t length = 0; length <= kNameBytesMax; ++length) {
    index.first[length] = next;
    for (size_t i = 0; i < kKnownNames.size(); ++i) {
      if (kKnownNames[i].text.size() == length) index.order[next++] = static_cast<uint8_t>(i);
    }
  }
  index.first[kNameBytesMax + 1] = next;
  return index;
}
constexpr LengthIndex kLengthIndex = make_length_index();
static_assert(kLengthIndex.first[kNameBytesMax + 1] == kKnownNames.size());

uint64_t load64(const char* from) noexcept {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

uint32_t load32(const char* from) noexcept {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

constexpr uint64_t kCaseBits64 = 0x2020202020202020u;
constexpr uint32_t kCaseBits32 = 0x20202020u;

// Compares a token of `known.size()` bytes with a known name. Setting the case bit is exact here:
// known names hold only letters and '-', which no other token character becomes.
bool is_known(const char* token, std::string_view known) noexcept {
  const size_t size = known.size();
  if (size < 4) {
    for (size_t i = 0; i < size; ++i) {
      if ((token[i] | 0x20) != known[i]) return false;
    }
    return true;
  }
  if (size < 8) {
    const size_t last = size - 4;
    return ((load32(token) | kCaseBits32) == load32(known.data())) &&
           ((load32(token + last) | kCaseBits32) == load32(known.data() + last));
  }
  size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    if ((load64(token + at) | kCaseBits64) != load64(known.data() + at)) return false;
  }
  const size_t last = size - 8;
  return (load64(token + last) | kCaseBits64) == load64(known.data() + last);
}

}  // namespace

HeaderName known_name_of_token(std::string_view token) noexcept {
  const size_t size = token.size();
  if (size == 0 || size > kNameBytesMax) return HeaderName::kOther;
  const char first = static_cast<char>(token[0] | 0x20);
  for (uint8_t i = kLengthIndex.first[size]; i != kLengthIndex.first[size + 1]; ++i) {
    const KnownName& known = kKnownNames[kLengthIndex.order[i]];
    if (known.text[0] == first && is_known(token.data(), known.text)) return known.id;
  }
  return HeaderName::kOther;
}

HeaderName header_name(std::string_view text) noexcept {
  return is_token(text) ? known_name_of_token(text) : HeaderName::kOther;
}

std::string_view to_string(HeaderName name) noexcept {
  return name == HeaderName::kOther ? std::string_view()
                                    : kKnownNames[static_cast<size_t>(name) - 1].text;
}

std::string_view HeaderList::find(HeaderName id) const noexcept {
  if (!has(id)) return {};
  for (size_t i = 0; i < count_; ++i) {
    if (entries_[i].id == id) return (*this)[i].value;
  }
  return {};
}

std::string_view HeaderList::find(std::string_view name) const noexcept {
  for (size_t i = 0; i < count_; ++i) {
    const HeaderField field = (*this)[i];
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

size_t HeaderList::count(HeaderName id) const noexcept {
  size_t count = 0;
  if (has(id)) {
    for (size_t i = 0; i < count_; ++i) count += entries_[i].id == id;
  }
  return count;
}

ConnectionOptions::ConnectionOptions(const HeaderList& headers) noexcept : headers_(headers) {
  if (!headers.has(HeaderName::kConnection)) return;
  for (const HeaderField field : headers) {
    if (field.id != HeaderName::kConnection) continue;
    ListItems items(field.value);
    for (std::string_view item = items.next(); !item.empty(); item = items.next()) {
      if (equals_ignoring_case(item, "close")) {
        close_ = true;
      } else if (equals_ignoring_case(item, "keep-alive")) {
        keep_alive_ = true;
      } else {
        names_fields_ = true;
      }
    }
  }
}

bool ConnectionOptions::names(std::string_view field_name) const noexcept {
  if (!names_fields_) return false;
  for (const HeaderField field : headers_) {
    if (field.id == HeaderName::kConnection && list_contains(field.value, field_name)) return true;
  }
  return false;
}

bool is_hop_by_hop(const HeaderField& field, const ConnectionOptions& connection) noexcept {
  switch (field.id) {
    case HeaderName::kConnection:
    case HeaderName::kKeepAlive:
    case HeaderName::kProxyAuthenticate:
    case HeaderName::kProxyAuthenticationInfo:
    case HeaderName::kProxyAuthorization:
    case HeaderName::kProxyConnection:
    case HeaderName::kTe:
    case HeaderName::kTrailer:
    case HeaderName::kTransferEncoding:
    case HeaderName::kUpgrade: return true;
    default: return connection.names(field.name);
  }
}

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (lower(left[i]) != lower(right[i])) return false;
  }
  return true;
}

bool is_token(std::string_view text) noexcept {
  const char* end = text.data() + text.size();
  return !text.empty() && scan_token(text.data(), end) == end;
}

std::string_view ListItems::next() noexcept {
  while (!rest_.empty()) {
    const size_t comma = rest_.find(',');
    std::string_view item = rest_.substr(0, comma);
    rest_ = comma == std::string_view::npos ? std::string_view() : rest_.substr(comma + 1);
    while (!item.empty() && is_blank(item.front())) item.remove_prefix(1);
    while (!item.empty() && is_blank(item.back())) item.remove_suffix(1);
    if (!item.empty()) return item;
  }
  return {};
}

bool list_contains(std::string_view list, std::string_view item) noexcept {
  ListItems items(list);
  for (std::string_view next = items.next(); !next.empty(); next = items.next()) {
    if (equals_ignoring_case(next, item)) return true;
  }
  return false;
}

}  // namespace sluice::http
