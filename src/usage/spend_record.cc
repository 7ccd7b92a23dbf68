#include <sluice/usage/spend_record.h>

#include <array>

#include <sluice/base/byte_fields.h>

namespace sluice::usage {
namespace {

constexpr uint8_t kPartialFlag = 0x80;

// The optional numbers, in the order of their flags.
constexpr std::array kNumbers = {&SpendRecord::input_tokens, &SpendRecord::output_tokens,
                                 &SpendRecord::cached_tokens, &SpendRecord::reasoning_tokens,
                                 &SpendRecord::cost_micro_dollars};

}  // namespace

void append_spend(std::string& out, const SpendRecord& record) {
  uint8_t flags = record.is_partial ? kPartialFlag : 0;
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    if ((record.*kNumbers[i]).has_value()) flags = static_cast<uint8_t>(flags | 1u << i);
  }
  append_number(out, static_cast<uint8_t>(record.kind));
  append_number(out, static_cast<uint8_t>(record.source));
  append_number(out, flags);
  append_number(out, record.exchange);
  append_number(out, static_cast<uint64_t>(record.at.unix_us));
  append_short_text(out, record.key.view());
  append_short_text(out, record.tenant.view());
  append_short_text(out, record.model.view());
  for (const auto number : kNumbers) {
    if ((record.*number).has_value()) append_number(out, *(record.*number));
  }
}

std::optional<SpendRecord> read_spend(std::string_view bytes) noexcept {
  ByteFields fields(bytes);
  SpendRecord record;
  const auto kind = fields.number<uint8_t>();
  const auto source = fields.number<uint8_t>();
  const auto flags = fields.number<uint8_t>();
  constexpr unsigned kKnownFlags = kPartialFlag | ((1u << kNumbers.size()) - 1);
  if (kind < 1 || kind > 2 || source > 2 || (flags & ~kKnownFlags) != 0) return std::nullopt;
  record.kind = static_cast<SpendKind>(kind);
  record.source = static_cast<SpendSource>(source);
  record.is_partial = (flags & kPartialFlag) != 0;
  record.exchange = fields.number<uint64_t>();
  record.at.unix_us = static_cast<int64_t>(fields.number<uint64_t>());
  for (auto* name : {&record.key, &record.tenant, &record.model}) {
    const std::string_view text = fields.short_text();
    if (text.size() > 64) return std::nullopt;
    name->assign(text);
  }
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    if ((flags >> i & 1) != 0) record.*kNumbers[i] = fields.number<uint64_t>();
  }
  if (!fields.is_good() || !fields.is_at_end()) return std::nullopt;
  return record;
}

}  // namespace sluice::usage
