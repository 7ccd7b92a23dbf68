#include "fields.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include <sluice/base/units.h>
#include <sluice/config/nearest.h>
#include <sluice/config/time_text.h>
#include <sluice/telemetry/time_text.h>

#include "router.h"

namespace sluice::admin {
namespace {

const std::string kNothing;

std::string join_place(const std::string& place, std::string_view name) {
  return place.empty() ? std::string(name) : fmt::format("{}.{}", place, name);
}

Refusal refuse(std::string param, std::string message) {
  return {.status = 400,
          .code = "invalid_request",
          .message = std::move(message),
          .param = std::move(param)};
}

Refusal refuse_unknown(std::span<const Field> fields, const std::string& param,
                       std::string_view name) {
  std::vector<std::string_view> known;
  known.reserve(fields.size());
  for (const Field& field : fields) known.push_back(field.name);
  const std::string_view near = config::nearest(name, known);
  std::string message = fmt::format("`{}` is not known here", param);
  message += near.empty() ? "; GET /v1/openapi.json lists what is" : "";
  if (!near.empty()) message += fmt::format("; did you mean `{}`?", near);
  return refuse(param, std::move(message));
}

bool is_whole(const json::Value& value) noexcept {
  int64_t whole = 0;
  return value.as_integer(whole) && whole >= 0;
}

bool is_texts(const json::Value& value) noexcept {
  const json::Array* array = value.as_array();
  return array != nullptr && std::ranges::all_of(*array, [](const json::Value& item) {
           return item.as_string() != nullptr;
         });
}

bool is_of_kind(FieldKind kind, const json::Value& value) noexcept {
  double number = 0;
  const std::string* text = value.as_string();
  switch (kind) {
    case FieldKind::kText: return text != nullptr;
    case FieldKind::kInteger: return is_whole(value);
    case FieldKind::kNumber: return value.as_number(number);
    case FieldKind::kBoolean: return value.as_boolean() != nullptr;
    case FieldKind::kTime: return text != nullptr && config::parse_rfc3339(*text).has_value();
    case FieldKind::kDuration: return text != nullptr && parse_duration(*text).has_value();
    case FieldKind::kTexts: return is_texts(value);
    case FieldKind::kRecords: return value.as_array() != nullptr;
    case FieldKind::kObject:
    case FieldKind::kRecord: return value.as_object() != nullptr;
  }
  return false;
}

std::optional<Refusal> check_inside(const Field& field, const json::Value& value,
                                    const std::string& place) {
  if (field.kind == FieldKind::kRecord) {
    return check_members(field.fields, *value.as_object(), place);
  }
  if (field.kind == FieldKind::kRecords) {
    const json::Array& items = *value.as_array();
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string item = fmt::format("{}[{}]", place, i);
      const json::Object* members = items[i].as_object();
      if (members == nullptr) return refuse(item, fmt::format("`{}` must be an object", item));
      if (auto refusal = check_members(field.fields, *members, item)) return refusal;
    }
  }
  return std::nullopt;
}

std::optional<Refusal> check_value(const Field& field, const json::Value& value,
                                   const std::string& place) {
  if (value.is_null() && !field.is_needed) return std::nullopt;
  if (!is_of_kind(field.kind, value)) {
    return refuse(place, fmt::format("`{}` must be {}", place, words_of(field.kind)));
  }
  if (!field.choices.empty() &&
      std::ranges::find(field.choices, *value.as_string()) == field.choices.end()) {
    return refuse(place,
                  fmt::format("`{}` must be one of: {}", place, fmt::join(field.choices, ", ")));
  }
  return check_inside(field, value, place);
}

// A parameter of a query as a value of the kind of its field.
std::optional<json::Value> convert(FieldKind kind, std::string text) {
  if (kind == FieldKind::kBoolean) {
    if (text == "true" || text == "1") return json::Value(true);
    if (text == "false" || text == "0") return json::Value(false);
    return std::nullopt;
  }
  if (kind == FieldKind::kInteger) {
    int64_t whole = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, whole);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return json::Value(whole);
  }
  return json::Value(std::move(text));
}

}  // namespace

std::optional<Refusal> check_members(std::span<const Field> fields, const json::Object& members,
                                     const std::string& place) {
  for (const json::Member& member : members) {
    const auto field = std::ranges::find(fields, member.name, &Field::name);
    const std::string at = join_place(place, member.name);
    if (field == fields.end()) return refuse_unknown(fields, at, member.name);
    if (auto refusal = check_value(*field, member.value, at)) return refusal;
  }
  for (const Field& field : fields) {
    if (!field.is_needed) continue;
    if (std::ranges::find(members, field.name, &json::Member::name) != members.end()) continue;
    const std::string at = join_place(place, field.name);
    return refuse(at, fmt::format("`{}` is missing; it must be {}", at, words_of(field.kind)));
  }
  return std::nullopt;
}

std::expected<json::Value, Refusal> read_query(std::span<const Field> fields,
                                               std::string_view query) {
  json::Object members;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto name = decode_percent(pair.substr(0, equals), true);
    auto text = decode_percent(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !text) {
      return std::unexpected(refuse("",
                                    "the query is malformed; write a=b&c=d, with %XX for "
                                    "characters that are not letters or digits"));
    }
    const auto field = std::ranges::find(fields, *name, &Field::name);
    if (field == fields.end()) return std::unexpected(refuse_unknown(fields, *name, *name));
    if (std::ranges::find(members, *name, &json::Member::name) != members.end()) {
      return std::unexpected(refuse(*name, fmt::format("`{}` stands twice in the query", *name)));
    }
    if (text->empty()) continue;  // "?type=&blocked=" asks for all, as without them.
    auto value = convert(field->kind, std::move(*text));
    if (!value) {
      return std::unexpected(
          refuse(*name, fmt::format("`{}` must be {}", *name, words_of(field->kind))));
    }
    members.push_back({std::move(*name), std::move(*value)});
  }
  if (auto refusal = check_members(fields, members)) return std::unexpected(std::move(*refusal));
  return json::Value(std::move(members));
}

std::expected<json::Value, Refusal> read_body(std::span<const Field> fields,
                                              std::string_view body) {
  json::Value value{json::Object{}};
  if (!body.empty()) {
    auto parsed = json::parse_value(body);
    if (!parsed) {
      return std::unexpected(refuse("", fmt::format("the body is not JSON: {}", parsed.error())));
    }
    value = std::move(*parsed);
  }
  const json::Object* members = value.as_object();
  if (members == nullptr) return std::unexpected(refuse("", "the body must be an object"));
  if (auto refusal = check_members(fields, *members)) return std::unexpected(std::move(*refusal));
  return value;
}

std::string_view words_of(FieldKind kind) noexcept {
  switch (kind) {
    case FieldKind::kText: return "a string";
    case FieldKind::kInteger: return "a whole number, 0 or more";
    case FieldKind::kNumber: return "a number";
    case FieldKind::kBoolean: return "true or false";
    case FieldKind::kTime: return "a time such as \"2026-12-31T00:00:00Z\"";
    case FieldKind::kDuration: return "a duration such as \"24h\"";
    case FieldKind::kTexts: return "an array of strings";
    case FieldKind::kRecords: return "an array of objects";
    case FieldKind::kObject:
    case FieldKind::kRecord: return "an object";
  }
  return "";
}

const json::Value* member_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* value = object.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const std::string& text_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* value = member_of(object, name);
  return value == nullptr || value->as_string() == nullptr ? kNothing : *value->as_string();
}

std::optional<bool> boolean_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* value = member_of(object, name);
  if (value == nullptr || value->as_boolean() == nullptr) return std::nullopt;
  return *value->as_boolean();
}

std::optional<int64_t> integer_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* value = member_of(object, name);
  int64_t whole = 0;
  if (value == nullptr || !value->as_integer(whole)) return std::nullopt;
  return whole;
}

std::optional<WallTime> time_of(const json::Value& object, std::string_view name) noexcept {
  return config::parse_rfc3339(text_of(object, name));
}

std::vector<std::string> texts_of(const json::Value& object, std::string_view name) {
  std::vector<std::string> texts;
  const json::Value* value = member_of(object, name);
  if (value == nullptr || value->as_array() == nullptr) return texts;
  for (const json::Value& item : *value->as_array()) {
    if (const std::string* text = item.as_string()) texts.push_back(*text);
  }
  return texts;
}

std::string time_text(WallTime time) {
  std::array<char, telemetry::kTimeTextBytes> text;
  return {text.data(), telemetry::write_time(text.data(), time)};
}

}  // namespace sluice::admin
