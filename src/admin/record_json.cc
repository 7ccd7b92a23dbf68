#include "record_json.h"

#include <array>
#include <limits>

#include <fmt/format.h>

#include <sluice/config/address_text.h>
#include <sluice/config/limit_amounts.h>

#include "fields.h"

namespace sluice::admin {
namespace {

using Fields = std::vector<Field>;

constexpr std::string_view kStates[] = {"active",  "blocked",       "expired",
                                        "not_yet", "owner_blocked", "owner_expired"};

Refusal refuse(std::string param, std::string message) {
  return {.message = std::move(message), .param = std::move(param)};
}

// --- fields ------------------------------------------------------------------------------------

std::span<const Field> limit_fields() {
  static const Fields kFields = [] {
    Fields fields;
    for (const std::string_view word : config::limit_words()) {
      fields.push_back({.name = word, .kind = FieldKind::kNumber});
    }
    return fields;
  }();
  return kFields;
}

std::span<const Field> model_limit_fields() {
  static const Fields kFields = [] {
    Fields fields = {
        {.name = "models", .purpose = "Names, `*` for any letters.", .is_needed = true}};
    const std::span<const Field> limits = limit_fields();
    fields.insert(fields.end(), limits.begin(), limits.end());
    return fields;
  }();
  return kFields;
}

// What keys and owners have alike.
void add_shared_input(Fields& fields) {
  fields.push_back({.name = "blocked", .kind = FieldKind::kBoolean});
  fields.push_back({.name = "expires", .kind = FieldKind::kTime});
  fields.push_back({.name = "models",
                    .kind = FieldKind::kTexts,
                    .purpose = "Names that may be called, `*` for any letters; none is all."});
  fields.push_back({.name = "limits", .kind = FieldKind::kRecord, .fields = limit_fields()});
  fields.push_back({.name = "metadata", .kind = FieldKind::kObject});
}

Fields make_key_input() {
  Fields fields = {
      {.name = "name"},
      {.name = "type", .choices = auth::kKeyKindNames},
      {.name = "organisation", .purpose = "The id of what it belongs to, like the next two."},
      {.name = "team"},
      {.name = "user"},
      {.name = "not_before", .kind = FieldKind::kTime},
      {.name = "model_limits",
       .kind = FieldKind::kRecords,
       .purpose = "Limits on single models.",
       .fields = model_limit_fields()},
      {.name = "allowed_addresses",
       .kind = FieldKind::kTexts,
       .purpose = "Ranges such as 10.0.0.0/8; none is all."},
      {.name = "denied_addresses", .kind = FieldKind::kTexts},
      {.name = "weight", .kind = FieldKind::kInteger},
      {.name = "priority_max", .kind = FieldKind::kInteger},
      {.name = "tags", .kind = FieldKind::kTexts},
  };
  add_shared_input(fields);
  return fields;
}

Fields make_owner_input(auth::OwnerLevel level) {
  Fields fields = {{.name = "id", .purpose = "Made when it is not given; cannot be changed."},
                   {.name = "name"}};
  if (level != auth::OwnerLevel::kOrganisation) fields.push_back({.name = "organisation"});
  if (level == auth::OwnerLevel::kUser) fields.push_back({.name = "team"});
  add_shared_input(fields);
  return fields;
}

// Fields of an answer: what `nullable` names may be null, the rest is always there.
Fields as_shown(Fields fields, std::span<const std::string_view> nullable) {
  for (Field& field : fields) {
    field.is_needed = std::ranges::find(nullable, field.name) == nullable.end();
  }
  return fields;
}

Fields make_key_shown() {
  Fields fields = {{.name = "id"},
                   {.name = "prefix", .purpose = "The first letters of the secret."}};
  const std::span<const Field> input = key_input_fields();
  fields.insert(fields.end(), input.begin(), input.end());
  fields.push_back({.name = "status", .choices = kStates});
  fields.push_back({.name = "former_until",
                    .kind = FieldKind::kTime,
                    .purpose = "Until then the secret before the last rotation is good, too."});
  fields.push_back({.name = "created", .kind = FieldKind::kTime});
  fields.push_back({.name = "updated", .kind = FieldKind::kTime});
  constexpr std::array<std::string_view, 6> kNullable = {"organisation", "team",    "user",
                                                         "not_before",   "expires", "former_until"};
  return as_shown(std::move(fields), kNullable);
}

Fields make_owner_shown() {
  Fields fields = make_owner_input(auth::OwnerLevel::kUser);
  fields.push_back({.name = "level", .choices = auth::kOwnerLevelNames});
  fields.push_back({.name = "created", .kind = FieldKind::kTime});
  fields.push_back({.name = "updated", .kind = FieldKind::kTime});
  constexpr std::array<std::string_view, 3> kNullable = {"organisation", "team", "expires"};
  return as_shown(std::move(fields), kNullable);
}

// --- reading -----------------------------------------------------------------------------------

std::optional<Refusal> add_limits(const json::Object& members, config::LimitScope scope,
                                  const std::string& place, std::vector<config::LimitRule>& rules) {
  for (const json::Member& member : members) {
    double most = 0;
    if (member.name == "models" || !member.value.as_number(most)) continue;
    const auto added = config::add_limit(rules, scope, "key", member.name, most);
    if (!added) return refuse(fmt::format("{}.{}", place, member.name), added.error());
  }
  return std::nullopt;
}

std::optional<Refusal> read_limits(const json::Value& body, config::LimitScope scope,
                                   const std::string& place,
                                   std::vector<config::LimitRule>& rules) {
  const json::Value* limits = body.find("limits");
  if (limits == nullptr) return std::nullopt;
  rules.clear();
  if (limits->is_null()) return std::nullopt;
  return add_limits(*limits->as_object(), scope, place + "limits", rules);
}

std::optional<Refusal> read_model_limits(const json::Value& body, const std::string& place,
                                         std::vector<auth::ModelRule>& rules) {
  const json::Value* items = body.find("model_limits");
  if (items == nullptr) return std::nullopt;
  rules.clear();
  if (items->is_null()) return std::nullopt;
  size_t index = 0;
  for (const json::Value& item : *items->as_array()) {
    const std::string at = fmt::format("{}model_limits[{}]", place, index++);
    std::vector<config::LimitRule> made;
    if (auto refusal = add_limits(*item.as_object(), config::LimitScope::kKeyModel, at, made)) {
      return refusal;
    }
    for (config::LimitRule& rule : made) {
      rules.push_back({.models = text_of(item, "models"), .rule = std::move(rule)});
    }
  }
  return std::nullopt;
}

std::optional<Refusal> read_ranges(const json::Value& body, std::string_view name,
                                   const std::string& place,
                                   std::vector<config::AddressRange>& ranges) {
  if (body.find(name) == nullptr) return std::nullopt;
  ranges.clear();
  for (const std::string& text : texts_of(body, name)) {
    const auto range = config::read_address_range(text);
    if (!range) {
      const std::string param = fmt::format("{}{}", place, name);
      return refuse(param, fmt::format("`{}`: an address {}", param, range.error()));
    }
    ranges.push_back(*range);
  }
  return std::nullopt;
}

// A number beyond what fits becomes the largest one, which the check of the record refuses.
void read_number(const json::Value& body, std::string_view name, uint32_t none, uint32_t& number) {
  if (body.find(name) == nullptr) return;
  const int64_t whole = integer_of(body, name).value_or(none);
  number = static_cast<uint32_t>(std::min<int64_t>(whole, std::numeric_limits<uint32_t>::max()));
}

void read_text(const json::Value& body, std::string_view name, std::string& text) {
  if (body.find(name) != nullptr) text = text_of(body, name);
}

void read_time(const json::Value& body, std::string_view name, std::optional<WallTime>& time) {
  if (body.find(name) != nullptr) time = time_of(body, name);
}

// What keys and owners have alike; `Record` is one of them.
template <class Record>
void read_shared(const json::Value& body, Record& record) {
  read_text(body, "name", record.name);
  read_text(body, "organisation", record.organisation);
  read_text(body, "team", record.team);
  if (body.find("blocked") != nullptr) {
    record.is_blocked = boolean_of(body, "blocked").value_or(false);
  }
  read_time(body, "expires", record.expires);
  if (body.find("models") != nullptr) record.models = texts_of(body, "models");
  if (body.find("metadata") != nullptr) {
    record.metadata.clear();
    if (const json::Value* value = member_of(body, "metadata")) value->write(record.metadata);
  }
}

std::optional<Refusal> refuse_fault(const std::expected<void, auth::FieldFault>& checked,
                                    const std::string& place) {
  if (checked) return std::nullopt;
  const auth::FieldFault& fault = checked.error();
  return refuse(place + (fault.field == "kind" ? "type" : fault.field), place + fault.text);
}

// --- writing -----------------------------------------------------------------------------------

void write_limit(json::Writer& writer, const config::LimitRule& rule) {
  writer.key(config::limit_word_of(rule)).number(config::limit_amount_of(rule));
}

void write_limits(json::Writer& writer, std::span<const config::LimitRule> rules) {
  writer.begin_object();
  for (const config::LimitRule& rule : rules) write_limit(writer, rule);
  writer.end_object();
}

void write_texts(json::Writer& writer, std::span<const std::string> texts) {
  writer.begin_array();
  for (const std::string& text : texts) writer.string(text);
  writer.end_array();
}

void write_ranges(json::Writer& writer, std::span<const config::AddressRange> ranges) {
  writer.begin_array();
  for (const config::AddressRange& range : ranges) {
    writer.string(config::address_range_text(range));
  }
  writer.end_array();
}

// Rules of one name stand together in one item.
void write_model_limits(json::Writer& writer, std::span<const auth::ModelRule> rules) {
  writer.begin_array();
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto begin = rules.begin();
    const auto is_same = [&](const auth::ModelRule& rule) {
      return rule.models == rules[i].models;
    };
    if (std::any_of(begin, begin + static_cast<std::ptrdiff_t>(i), is_same)) continue;
    writer.begin_object().key("models").string(rules[i].models);
    for (const auth::ModelRule& rule : rules) {
      if (is_same(rule)) write_limit(writer, rule.rule);
    }
    writer.end_object();
  }
  writer.end_array();
}

template <class Record>
void write_shared(json::Writer& writer, const Record& record) {
  writer.key("organisation");
  write_text_or_null(writer, record.organisation);
  writer.key("team");
  write_text_or_null(writer, record.team);
  writer.key("blocked").boolean(record.is_blocked).key("expires");
  write_time_or_null(writer, record.expires);
  writer.key("models");
  write_texts(writer, record.models);
  writer.key("limits");
  write_limits(writer, record.limits);
  writer.key("metadata").raw(record.metadata.empty() ? "{}" : record.metadata);
  writer.key("created").string(time_text(record.created));
  writer.key("updated").string(time_text(record.updated));
}

}  // namespace

std::span<const Field> key_input_fields() {
  static const Fields kFields = make_key_input();
  return kFields;
}

std::span<const Field> owner_input_fields(auth::OwnerLevel level) {
  static const std::array<Fields, 3> kFields = {make_owner_input(auth::OwnerLevel::kOrganisation),
                                                make_owner_input(auth::OwnerLevel::kTeam),
                                                make_owner_input(auth::OwnerLevel::kUser)};
  return kFields[static_cast<size_t>(level)];
}

std::span<const Field> key_fields() {
  static const Fields kFields = make_key_shown();
  return kFields;
}

std::span<const Field> owner_fields() {
  static const Fields kFields = make_owner_shown();
  return kFields;
}

std::optional<Refusal> read_key(const json::Value& body, auth::KeyRecord& key,
                                const std::string& place) {
  read_shared(body, key);
  read_text(body, "user", key.user);
  read_time(body, "not_before", key.not_before);
  if (body.find("type") != nullptr) {
    const auto kind = std::ranges::find(auth::kKeyKindNames, text_of(body, "type"));
    key.kind = kind == auth::kKeyKindNames.end()
                   ? auth::KeyKind::kInference
                   : static_cast<auth::KeyKind>(kind - auth::kKeyKindNames.begin());
  }
  read_number(body, "weight", 1, key.weight);
  read_number(body, "priority_max", 0, key.priority_max);
  if (body.find("tags") != nullptr) key.tags = texts_of(body, "tags");
  auto refusal = read_limits(body, config::LimitScope::kKey, place, key.limits);
  if (!refusal) refusal = read_model_limits(body, place, key.model_limits);
  if (!refusal) refusal = read_ranges(body, "allowed_addresses", place, key.allowed_addresses);
  if (!refusal) refusal = read_ranges(body, "denied_addresses", place, key.denied_addresses);
  return refusal ? refusal : refuse_fault(auth::check_record(key), place);
}

std::optional<Refusal> read_owner(const json::Value& body, auth::Owner& owner) {
  read_shared(body, owner);
  if (auto refusal = read_limits(body, config::LimitScope::kTenant, "", owner.limits)) {
    return refusal;
  }
  return refuse_fault(auth::check_owner(owner), "");
}

std::string_view KeyStates::state_of(const auth::KeyRecord& key) {
  if (key.is_blocked) return "blocked";
  if (key.expires && *key.expires <= now_) return "expired";
  if (key.not_before && now_ < *key.not_before) return "not_yet";
  bool is_blocked = false;
  bool is_expired = false;
  for (const std::string* id : {&key.organisation, &key.team, &key.user}) {
    if (id->empty()) continue;
    const OwnerState state = owner_state(*id);
    is_blocked |= state.is_blocked;
    is_expired |= state.is_expired;
  }
  if (is_blocked) return "owner_blocked";
  return is_expired ? "owner_expired" : "active";
}

KeyStates::OwnerState KeyStates::owner_state(const std::string& id) {
  const auto known = owners_.find(id);
  if (known != owners_.end()) return known->second;
  // Asked for the gateway: a key's state depends on owners that its caller may not see.
  const auto owner = store_.find_owner(auth::Actor{}, id);
  OwnerState state;
  if (owner) {
    state = {.is_blocked = owner->is_blocked,
             .is_expired = owner->expires && *owner->expires <= now_};
  }
  return owners_.emplace(id, state).first->second;
}

void write_key(json::Writer& writer, const auth::KeyRecord& key, KeyStates& states) {
  writer.begin_object().key("id").string(key.id).key("name").string(key.name);
  writer.key("prefix").string(key.prefix);
  writer.key("type").string(auth::kKeyKindNames[static_cast<size_t>(key.kind)]);
  writer.key("status").string(states.state_of(key)).key("user");
  write_text_or_null(writer, key.user);
  write_shared(writer, key);
  writer.key("not_before");
  write_time_or_null(writer, key.not_before);
  writer.key("model_limits");
  write_model_limits(writer, key.model_limits);
  writer.key("allowed_addresses");
  write_ranges(writer, key.allowed_addresses);
  writer.key("denied_addresses");
  write_ranges(writer, key.denied_addresses);
  writer.key("weight").unsigned_integer(key.weight);
  writer.key("priority_max").unsigned_integer(key.priority_max).key("tags");
  write_texts(writer, key.tags);
  writer.key("former_until");
  const bool has_former = key.former_until && states.now() < *key.former_until;
  write_time_or_null(writer, has_former ? key.former_until : std::nullopt);
  writer.end_object();
}

void write_owner(json::Writer& writer, const auth::Owner& owner) {
  writer.begin_object().key("id").string(owner.id).key("level");
  writer.string(auth::kOwnerLevelNames[static_cast<size_t>(owner.level)]);
  writer.key("name").string(owner.name);
  write_shared(writer, owner);
  writer.end_object();
}

void write_text_or_null(json::Writer& writer, std::string_view text) {
  text.empty() ? writer.null() : writer.string(text);
}

void write_time_or_null(json::Writer& writer, std::optional<WallTime> time) {
  time ? writer.string(time_text(*time)) : writer.null();
}

}  // namespace sluice::admin
