#include <sluice/http/headers.h>

#include <algorithm>
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
    {HeaderName::kXSluiceTags, "x-sluice-tags"},
    {HeaderName::kXSluiceTimeout, "x-sluice-timeout"},
    {HeaderName::kXTraceId, "x-trace-id"},
}};

constexpr bool names_are_in_order() {
  for (size_t i = 0; i < kKnownNames.size(); ++i) {
    if (static_cast<size_t>(kKnownNames[i].id) != i + 1) return false;
  }
  return true;
}
static_assert(names_are_in_order());

// A place for each name in a table that is searched in one look: length and ends tell all known
// names apart, and the factors below give no two of them the same place.
constexpr size_t kSlotCount = 128;
struct SlotFactors {
  uint32_t first;
  uint32_t last;
};

constexpr size_t slot_of(size_t size, char first, char last, SlotFactors factors) {
  return (size + static_cast<uint8_t>(first | 0x20) * factors.first +
          static_cast<uint8_t>(last | 0x20) * factors.last) %
         kSlotCount;
}

constexpr size_t slot_of(std::string_view name, SlotFactors factors) {
  return slot_of(name.size(), name.front(), name.back(), factors);
}

constexpr bool spreads_all(SlotFactors factors) {
  std::array<bool, kSlotCount> is_taken{};
  for (const KnownName& known : kKnownNames) {
    bool& slot = is_taken[slot_of(known.text, factors)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

constexpr SlotFactors find_factors() {
  for (uint32_t first = 1; first < kSlotCount; ++first) {
    for (uint32_t last = 1; last < kSlotCount; ++last) {
      if (spreads_all({first, last})) return {first, last};
    }
  }
  return {};
}
constexpr SlotFactors kFactors = find_factors();
static_assert(spreads_all(kFactors), "a larger table is needed");

// Positions in kKnownNames plus one; zero where no name is.
constexpr std::array<uint8_t, kSlotCount> make_slots() {
  std::array<uint8_t, kSlotCount> slots{};
  for (size_t i = 0; i < kKnownNames.size(); ++i) {
    slots[slot_of(kKnownNames[i].text, kFactors)] = static_cast<uint8_t>(i + 1);
  }
  return slots;
}
constexpr std::array<uint8_t, kSlotCount> kSlots = make_slots();

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
  if (token.empty()) return HeaderName::kOther;
  const size_t slot = kSlots[slot_of(token, kFactors)];
  if (slot == 0) return HeaderName::kOther;
  const KnownName& known = kKnownNames[slot - 1];
  if (known.text.size() != token.size()) return HeaderName::kOther;
  return is_known(token.data(), known.text) ? known.id : HeaderName::kOther;
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
  const size_t kept = std::min(count_, kPlaces);
  for (size_t i = 0; i < kept; ++i) {
    if (places_[i].id == id) return placed(i).value;
  }
  return find_in_rest(id);
}

std::string_view HeaderList::find_in_rest(HeaderName id) const noexcept {
  for (Iterator at = begin_of_rest(); at != end(); ++at) {
    if (const HeaderField field = *at; field.id == id) return field.value;
  }
  return {};
}

std::string_view HeaderList::find(std::string_view name) const noexcept {
  const size_t kept = std::min(count_, kPlaces);
  for (size_t i = 0; i < kept; ++i) {
    if (places_[i].name_bytes != name.size()) continue;
    const HeaderField field = placed(i);
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  for (Iterator at = begin_of_rest(); at != end(); ++at) {
    if (const HeaderField field = *at; equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

size_t HeaderList::count(HeaderName id) const noexcept {
  size_t count = 0;
  if (has(id)) {
    for (const HeaderField field : *this) count += field.id == id;
  }
  return count;
}

HeaderList::Iterator HeaderList::begin_of_rest() const noexcept {
  if (count_ <= kPlaces) return end();
  Iterator at(this, kPlaces);
  at.line_ = line_behind_places();
  return at;
}

const char* HeaderList::line_behind_places() const noexcept {
  const Place& last = places_.back();
  return next_line(base_ + last.value_at + last.value_bytes);
}

const char* HeaderList::next_line(const char* within) noexcept {
  return static_cast<const char*>(rawmemchr(within, '\n')) + 1;
}

HeaderField HeaderList::read_line(const char* line) noexcept {
  const auto* const colon = static_cast<const char*>(rawmemchr(line, ':'));
  const char* value = colon + 1;
  while (is_blank(*value)) ++value;
  const char* end = next_line(value) - 2;  // The line ends with CR and LF.
  while (end > value && is_blank(end[-1])) --end;
  const std::string_view name(line, static_cast<size_t>(colon - line));
  return {name, {value, static_cast<size_t>(end - value)}, known_name_of_token(name)};
}

ConnectionOptions::ConnectionOptions(const HeaderList& headers) noexcept : headers_(headers) {
  if (!headers.has(HeaderName::kConnection)) return;
  if (!headers.repeats(HeaderName::kConnection)) {
    note(headers.find(HeaderName::kConnection));
    return;
  }
  for (const HeaderField field : headers) {
    if (field.id == HeaderName::kConnection) note(field.value);
  }
}

void ConnectionOptions::note(std::string_view value) noexcept {
  ListItems items(value);
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
  if (left == right) return true;
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
