#include <sluice/usage/spend_record.h>

#include <algorithm>
#include <array>

#include <sluice/base/byte_fields.h>

namespace sluice::usage {
namespace {

// The first byte of a record. Those of the first version began with their kind, 1 or 2.
constexpr uint8_t kVersioned = 5;
constexpr uint8_t kVersion = 2;

constexpr unsigned kPartialFlag = 0x80;
constexpr unsigned kStreamFlag = 0x100;

// The optional numbers, in the order of their flags. The first version has the first five.
using Number = std::optional<uint64_t> SpendRecord::*;
constexpr std::array<Number, 7> kNumbers = {
    &SpendRecord::input_tokens,     &SpendRecord::output_tokens,      &SpendRecord::cached_tokens,
    &SpendRecord::reasoning_tokens, &SpendRecord::cost_micro_dollars, &SpendRecord::duration_us,
    &SpendRecord::ttft_us};
constexpr size_t kFirstNumbers = 5;

// The names, in their order. The first version has the first three.
using Name = BoundedText<64> SpendRecord::*;
constexpr std::array<Name, 8> kNames = {&SpendRecord::key,          &SpendRecord::tenant,
                                        &SpendRecord::model,        &SpendRecord::organisation,
                                        &SpendRecord::team,         &SpendRecord::user,
                                        &SpendRecord::served_model, &SpendRecord::upstream};
constexpr size_t kFirstNames = 3;

template <size_t kMax>
bool read_text(ByteFields& fields, BoundedText<kMax>& text) noexcept {
  const std::string_view bytes = fields.short_text();
  text.assign(bytes);
  return bytes.size() <= kMax;
}

metrics::Endpoint endpoint_of(std::string_view name) noexcept {
  const auto found = std::ranges::find(metrics::kEndpointNames, name);
  if (found == metrics::kEndpointNames.end()) return metrics::Endpoint::kOther;
  return static_cast<metrics::Endpoint>(found - metrics::kEndpointNames.begin());
}

std::optional<ErrorCode> error_of(std::string_view name) noexcept {
  if (name.empty()) return std::nullopt;
  for (auto code = static_cast<int>(ErrorCode::kConfig); code >= 0; --code) {
    if (to_string(static_cast<ErrorCode>(code)) == name) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

unsigned flags_of(const SpendRecord& record) noexcept {
  unsigned flags = record.is_partial ? kPartialFlag : 0;
  if (record.is_stream) flags |= kStreamFlag;
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    if ((record.*kNumbers[i]).has_value()) flags |= 1u << i;
  }
  return flags;
}

// Of a payload whose first byte is its kind: without a run, and with fewer names and numbers.
bool read_first_version(ByteFields& fields, uint8_t kind, SpendRecord& record) noexcept {
  record.kind = static_cast<SpendKind>(kind);
  const auto source = fields.number<uint8_t>();
  const auto flags = fields.number<uint8_t>();
  constexpr unsigned kKnownFlags = kPartialFlag | ((1u << kFirstNumbers) - 1);
  if (kind < 1 || kind > 2 || source > 2 || (flags & ~kKnownFlags) != 0) return false;
  record.source = static_cast<SpendSource>(source);
  record.is_partial = (flags & kPartialFlag) != 0;
  record.exchange = fields.number<uint64_t>();
  record.at.unix_us = static_cast<int64_t>(fields.number<uint64_t>());
  record.began = record.at;
  for (size_t i = 0; i < kFirstNames; ++i) {
    if (!read_text(fields, record.*kNames[i])) return false;
  }
  for (size_t i = 0; i < kFirstNumbers; ++i) {
    if ((flags >> i & 1) != 0) record.*kNumbers[i] = fields.number<uint64_t>();
  }
  return true;
}

bool read_present_version(ByteFields& fields, SpendRecord& record) noexcept {
  const auto version = fields.number<uint8_t>();
  const auto kind = fields.number<uint8_t>();
  const auto source = fields.number<uint8_t>();
  const auto flags = fields.number<uint16_t>();
  constexpr unsigned kKnownFlags = kPartialFlag | kStreamFlag | ((1u << kNumbers.size()) - 1);
  if (version != kVersion || kind < 1 || kind > 2 || source > 3 || (flags & ~kKnownFlags) != 0) {
    return false;
  }
  record.kind = static_cast<SpendKind>(kind);
  record.source = static_cast<SpendSource>(source);
  record.is_partial = (flags & kPartialFlag) != 0;
  record.is_stream = (flags & kStreamFlag) != 0;
  record.exchange = fields.number<uint64_t>();
  record.run = fields.number<uint64_t>();
  record.at.unix_us = static_cast<int64_t>(fields.number<uint64_t>());
  record.began.unix_us = static_cast<int64_t>(fields.number<uint64_t>());
  record.status = fields.number<uint16_t>();
  record.endpoint = endpoint_of(fields.short_text());
  record.error = error_of(fields.short_text());
  if (!read_text(fields, record.request_id)) return false;
  for (const Name name : kNames) {
    if (!read_text(fields, record.*name)) return false;
  }
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    if ((flags >> i & 1) != 0) record.*kNumbers[i] = fields.number<uint64_t>();
  }
  return true;
}

}  // namespace

std::string_view to_string(SpendSource source) noexcept {
  constexpr std::array<std::string_view, 4> kWords = {"reported", "counted", "unknown",
                                                      "estimated"};
  return kWords[static_cast<size_t>(source)];
}

void append_spend(std::string& out, const SpendRecord& record) {
  append_number(out, kVersioned);
  append_number(out, kVersion);
  append_number(out, static_cast<uint8_t>(record.kind));
  append_number(out, static_cast<uint8_t>(record.source));
  append_number(out, static_cast<uint16_t>(flags_of(record)));
  append_number(out, record.exchange);
  append_number(out, record.run);
  append_number(out, static_cast<uint64_t>(record.at.unix_us));
  append_number(out, static_cast<uint64_t>(record.began.unix_us));
  append_number(out, record.status);
  append_short_text(out, to_string(record.endpoint));
  append_short_text(out, record.error ? to_string(*record.error) : std::string_view());
  append_short_text(out, record.request_id.view());
  for (const Name name : kNames) append_short_text(out, (record.*name).view());
  for (const Number number : kNumbers) {
    if ((record.*number).has_value()) append_number(out, *(record.*number));
  }
}

std::optional<SpendRecord> read_spend(std::string_view bytes) noexcept {
  ByteFields fields(bytes);
  SpendRecord record;
  const auto first = fields.number<uint8_t>();
  const bool is_read = first == kVersioned ? read_present_version(fields, record)
                                           : read_first_version(fields, first, record);
  if (!is_read || !fields.is_good() || !fields.is_at_end()) return std::nullopt;
  return record;
}

}  // namespace sluice::usage
