// Bodies, queries and paths of admin calls. What a row takes has only members that it knows, of
// their kinds; a key or owner that is taken keeps its bounds and reads back from its answer; and no
// limit that was asked for is dropped in silence.
#include <sluice/auth/key_store.h>
#include <sluice/base/clock.h>
#include <sluice/config/limit_amounts.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "fields.h"  // tidy: allow(private-header) the calls have no other way in for bytes
#include "fuzz_pieces.h"
#include "litellm.h"      // tidy: allow(private-header) the same
#include "record_json.h"  // tidy: allow(private-header) the same
#include "router.h"       // tidy: allow(private-header) the same

namespace {

using namespace sluice;
using namespace sluice::admin;
using fuzz::expect;

constexpr WallTime kNow{1'800'000'000'000'000};

void check_refusal(const Refusal& refusal) {
  expect(refusal.status == 400 && !refusal.message.empty(), "a refusal is a sentence");
}

// What the rows promise of what they were given.
void expect_members(std::span<const Field> fields, const json::Object& members);

void expect_value(const Field& field, const json::Value& value) {
  if (value.is_null()) return expect(!field.is_needed, "what is needed is there");
  int64_t whole = 0;
  double number = 0;
  switch (field.kind) {
    case FieldKind::kText:
    case FieldKind::kTime:
    case FieldKind::kDuration: expect(value.as_string() != nullptr, "a text is one"); break;
    case FieldKind::kInteger:
      expect(value.as_integer(whole) && whole >= 0, "a whole number is one");
      break;
    case FieldKind::kNumber: expect(value.as_number(number), "a number is one"); break;
    case FieldKind::kBoolean: expect(value.as_boolean() != nullptr, "a boolean is one"); break;
    case FieldKind::kTexts:
    case FieldKind::kRecords:
      expect(value.as_array() != nullptr, "a list is one");
      for (const json::Value& item : *value.as_array()) {
        if (field.kind == FieldKind::kTexts) expect(item.as_string() != nullptr, "of texts");
        if (field.kind == FieldKind::kRecords) expect_members(field.fields, *item.as_object());
      }
      break;
    case FieldKind::kObject:
    case FieldKind::kRecord:
      expect(value.as_object() != nullptr, "an object is one");
      if (field.kind == FieldKind::kRecord) expect_members(field.fields, *value.as_object());
  }
  if (field.choices.empty()) return;
  expect(std::ranges::find(field.choices, *value.as_string()) != field.choices.end(),
         "a choice is one of those");
}

void expect_members(std::span<const Field> fields, const json::Object& members) {
  for (const json::Member& member : members) {
    const auto field = std::ranges::find(fields, member.name, &Field::name);
    expect(field != fields.end(), "only what is known is taken");
    expect_value(*field, member.value);
  }
  for (const Field& field : fields) {
    const bool is_there =
        std::ranges::find(members, field.name, &json::Member::name) != members.end();
    expect(is_there || !field.is_needed, "nothing that is needed is missing");
  }
}

std::optional<json::Value> body_of(std::span<const Field> fields, std::string_view text) {
  auto body = read_body(fields, text);
  if (!body) {
    check_refusal(body.error());
    return std::nullopt;
  }
  expect_members(fields, *body->as_object());
  std::string written;
  body->write(written);
  const auto again = read_body(fields, written);
  std::string twice;
  if (again) again->write(twice);
  expect(again && twice == written, "a body reads back");
  return *std::move(body);
}

auth::KeyStore& store() {
  static SystemClock clock;
  static const std::unique_ptr<auth::KeyStore> store = [] {
    std::string folder = std::filesystem::temp_directory_path() / "sluice-fuzz-XXXXXX";
    expect(::mkdtemp(folder.data()) != nullptr, "a folder for the store");
    auto opened = auth::KeyStore::open(folder + "/keys.db", clock);
    expect(opened.has_value(), "a store");
    // Its descriptors are enough; nothing is left behind.
    std::filesystem::remove_all(folder);
    return *std::move(opened);
  }();
  return *store;
}

void check_key_bounds(const auth::KeyRecord& key) {
  expect(key.name.size() <= auth::kNameBytesMax && key.models.size() <= auth::kGlobsMax,
         "names and models are bounded");
  expect(key.limits.size() <= auth::kRecordLimitsMax, "limits are bounded");
  expect(key.model_limits.size() <= auth::kModelRulesMax, "limits of models are bounded");
  expect(key.tags.size() <= auth::kTagsMax, "tags are bounded");
  expect(key.allowed_addresses.size() <= auth::kRangesMax, "ranges are bounded");
  expect(key.metadata.size() <= auth::kMetadataBytesMax, "metadata is bounded");
  expect(key.weight >= 1 && key.weight <= auth::kWeightMax, "weights are bounded");
  expect(key.priority_max <= auth::kPriorityMax, "priorities are bounded");
  for (const config::LimitRule& rule : key.limits) {
    expect(rule.most >= 1 && rule.most <= config::LimitRule::kMostMax, "amounts are bounded");
  }
}

// The members of an answer that a body may have.
std::string as_input(std::string_view answer, std::span<const Field> fields) {
  const auto value = json::parse_value(answer);
  expect(value && value->as_object() != nullptr, "an answer is an object, with each name once");
  json::Object input;
  for (const json::Member& member : *value->as_object()) {
    if (std::ranges::find(fields, member.name, &Field::name) == fields.end()) continue;
    input.push_back({member.name, json::Value(member.value.content())});
  }
  std::string text;
  json::Value(std::move(input)).write(text);
  return text;
}

std::string answer_of(const auth::KeyRecord& key) {
  // Blocked, it needs no look at its owners.
  auth::KeyRecord shown = key;
  shown.is_blocked = true;
  KeyStates states(store(), kNow);
  std::string text;
  json::Writer writer(text);
  write_key(writer, shown, states);
  return text;
}

void check_key(const json::Value& body) {
  auth::KeyRecord key;
  if (const auto refusal = read_key(body, key)) return check_refusal(*refusal);
  check_key_bounds(key);
  const std::string answer = answer_of(key);
  const auto again_body = read_body(key_input_fields(), as_input(answer, key_input_fields()));
  expect(again_body.has_value(), "what is shown could be sent");
  auth::KeyRecord again;
  expect(!read_key(*again_body, again).has_value(), "and is a key");
  expect(answer_of(again) == answer, "the same key");
  expect(again.limits == key.limits, "with its limits");
  expect(again.expires == key.expires && again.not_before == key.not_before, "and its times");
  // A body without members changes nothing.
  auth::KeyRecord untouched = key;
  expect(!read_key(json::Value(json::Object{}), untouched) && untouched == key, "nothing changes");
}

void check_owner(const json::Value& body, auth::OwnerLevel level) {
  auth::Owner owner{.level = level};
  if (const auto refusal = read_owner(body, owner)) return check_refusal(*refusal);
  std::string answer;
  json::Writer writer(answer);
  write_owner(writer, owner);
  const auto fields = owner_input_fields(level);
  const auto again_body = read_body(fields, as_input(answer, fields));
  expect(again_body.has_value(), "what is shown could be sent");
  auth::Owner again{.level = level};
  expect(!read_owner(*again_body, again).has_value(), "and is an owner");
  if (owner.metadata.empty()) owner.metadata = "{}";
  expect(again == owner, "the same one");
}

// Members that are not null.
size_t size_of(const json::Value& body, std::string_view name) {
  const json::Value* value = body.find(name);
  if (value == nullptr || value->as_object() == nullptr) return 0;
  return static_cast<size_t>(std::ranges::count_if(
      *value->as_object(), [](const json::Member& member) { return !member.value.is_null(); }));
}

void check_litellm(const json::Value& body, bool is_key) {
  std::vector<config::LimitRule> present;
  expect(config::add_limit(present, config::LimitScope::kKey, "key", "concurrency", 3).has_value(),
         "a limit to begin with");
  const auto ours = litellm::translate(body, present, kNow);
  if (!ours) return check_refusal(ours.error());
  if (!is_key) return;
  auth::KeyRecord key;
  if (const auto refusal = read_key(*ours, key)) return check_refusal(*refusal);
  check_key_bounds(key);
  const size_t asked = size_of(body, "model_rpm_limit") + size_of(body, "model_tpm_limit");
  expect(key.model_limits.size() == asked, "no limit of a model is dropped");
  const json::Value* budget = body.find("max_budget");
  const bool has_budget = std::ranges::any_of(key.limits, [](const config::LimitRule& rule) {
    return rule.measure == config::LimitMeasure::kMicroDollars;
  });
  expect(has_budget == (budget != nullptr && !budget->is_null()), "no budget is dropped");
}

void check_query(std::string_view text, const Route& route) {
  const auto query = read_query(route.query, text);
  if (!query) return check_refusal(query.error());
  expect_members(route.query, *query->as_object());
}

void check_path(std::string_view text) {
  const Match match = find_route(text, http::Method::kGet);
  const Match other = find_route(text, http::Method::kDelete);
  expect(match.allow == other.allow, "a path has one list of methods");
  for (const std::string& place : match.places) {
    expect(!place.empty(), "each place stands for something");
    expect(std::ranges::none_of(place,
                                [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }),
           "and holds no control character");
  }
  if (match.route != nullptr) expect(!match.allow.empty(), "a row has its method");
}

// Those that new keys and teams of LiteLLM's form may have.
std::span<const Field> litellm_fields(std::string_view path) {
  for (const Route& route : routes()) {
    if (route.path == path && route.method == http::Method::kPost) return route.body;
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::vector<char> copy(bytes + 1, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  constexpr uint8_t kRowsFrom = 8;
  std::optional<json::Value> body;
  switch (bytes[0]) {
    case 0: body = body_of(key_input_fields(), text); break;
    case 1:
    case 2:
    case 3: body = body_of(owner_input_fields(auth::OwnerLevel(bytes[0] - 1)), text); break;
    case 4: body = body_of(litellm_fields("/key/generate"), text); break;
    case 5: body = body_of(litellm_fields("/team/new"), text); break;
    case 6: check_path('/' + std::string(text)); return 0;
    case 7: check_path("/v1/" + std::string(text)); return 0;
    default: {
      const Route& route = routes()[(bytes[0] - kRowsFrom) % routes().size()];
      (void)body_of(route.body, text);
      check_query(text, route);
      return 0;
    }
  }
  if (!body) return 0;
  if (bytes[0] == 0) check_key(*body);
  if (bytes[0] >= 1 && bytes[0] <= 3) check_owner(*body, auth::OwnerLevel(bytes[0] - 1));
  if (bytes[0] >= 4) check_litellm(*body, bytes[0] == 4);
  return 0;
}
