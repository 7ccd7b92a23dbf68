// A key that is read from whatever JSON keeps its bounds, is read alike each time, and is blocked
// once it says so.
#include <algorithm>

#include <sluice/auth/record_fields.h>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;

std::expected<auth::KeyRecord, std::string> read(const json::Value& object, bool is_blocked) {
  auth::RecordFields fields("fuzz", {});
  if (const auto outcome = fields.set_all(object); !outcome) {
    expect(!outcome.error().empty(), "a fault says nothing");
    return std::unexpected(outcome.error());
  }
  if (is_blocked) expect(fields.set("blocked", "true").has_value(), "`blocked` is not read");
  return fields.finish();
}

void check(const auth::KeyRecord& record) {
  expect(record.id.starts_with("fuzz:") && record.id.size() <= auth::kIdBytesMax,
         "the id breaks its bounds");
  expect(record.name.size() <= auth::kNameBytesMax, "the name is too long");
  expect(std::ranges::all_of(record.name, [](char c) { return c >= ' ' && c <= 'z'; }),
         "the name has strange characters");
  expect(record.organisation.size() <= auth::kIdBytesMax, "the organisation is too long");
  expect(record.team.size() <= auth::kIdBytesMax && record.user.size() <= auth::kIdBytesMax,
         "team or user is too long");
  expect(record.models.size() <= auth::kGlobsMax && record.tags.size() <= auth::kTagsMax,
         "too many models or tags");
  expect(record.limits.size() <= auth::kRecordLimitsMax, "too many limits");
  expect(record.model_limits.size() <= auth::kModelRulesMax, "too many limits of models");
  expect(record.allowed_addresses.size() <= auth::kRangesMax, "too many allowed ranges");
  expect(record.denied_addresses.size() <= auth::kRangesMax, "too many denied ranges");
  expect(record.metadata.size() <= auth::kMetadataBytesMax, "the metadata is too long");
  expect(record.weight >= 1 && record.weight <= 1000 && record.priority_max <= 255,
         "weight or priority breaks its bounds");
  for (const config::LimitRule& rule : record.limits) {
    expect(rule.most >= 1 && rule.most <= config::LimitRule::kMostMax, "a limit breaks its bounds");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto object = json::parse_value(text);
  if (!object) {
    // A hash or a table has text: each line is a field's name, then what it holds.
    auth::RecordFields fields("fuzz", {});
    const size_t mark = std::min(text.find('='), text.size());
    (void)fields.set(text.substr(0, mark), text.substr(std::min(mark + 1, text.size())));
    const auto record = fields.finish();
    if (record) check(*record);
    return 0;
  }
  const auto record = read(*object, false);
  expect(read(*object, false) == record, "it is read otherwise the second time");
  if (!record) return 0;
  check(*record);
  const auto blocked = read(*object, true);
  expect(blocked && blocked->is_blocked, "a blocked key is not blocked");
  return 0;
}
