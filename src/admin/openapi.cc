// The OpenAPI 3.1 document, made of the table of routes, so that the two cannot disagree.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <sluice/json/writer.h>

#include "router.h"
#include "rows.h"

namespace sluice::admin {
namespace {

constexpr std::array<Field, 4> kErrorFields = {{
    {.name = "message", .purpose = "Cause and remedy.", .is_needed = true},
    {.name = "type", .is_needed = true},
    {.name = "param", .purpose = "The field that is wrong."},
    {.name = "code"},
}};

std::string_view type_of(FieldKind kind) noexcept {
  switch (kind) {
    case FieldKind::kInteger: return "integer";
    case FieldKind::kNumber: return "number";
    case FieldKind::kBoolean: return "boolean";
    case FieldKind::kTexts:
    case FieldKind::kRecords: return "array";
    case FieldKind::kObject:
    case FieldKind::kRecord: return "object";
    default: return "string";
  }
}

void write_members(json::Writer& writer, std::span<const Field> fields);

void write_schema(json::Writer& writer, const Field& field) {
  writer.begin_object().key("type");
  if (field.is_needed) {
    writer.string(type_of(field.kind));
  } else {
    writer.begin_array().string(type_of(field.kind)).string("null").end_array();
  }
  if (!field.purpose.empty()) writer.key("description").string(field.purpose);
  if (field.kind == FieldKind::kTime) writer.key("format").string("date-time");
  if (field.kind == FieldKind::kInteger) writer.key("minimum").integer(0);
  if (!field.choices.empty()) {
    writer.key("enum").begin_array();
    for (const std::string_view choice : field.choices) writer.string(choice);
    if (!field.is_needed) writer.null();
    writer.end_array();
  }
  if (field.kind == FieldKind::kTexts) {
    writer.key("items").begin_object().key("type").string("string").end_object();
  }
  if (field.kind == FieldKind::kRecords) {
    writer.key("items").begin_object().key("type").string("object");
    write_members(writer, field.fields);
    writer.end_object();
  }
  if (field.kind == FieldKind::kRecord) write_members(writer, field.fields);
  writer.end_object();
}

void write_members(json::Writer& writer, std::span<const Field> fields) {
  writer.key("properties").begin_object();
  for (const Field& field : fields) {
    writer.key(field.name);
    write_schema(writer, field);
  }
  writer.end_object().key("required").begin_array();
  for (const Field& field : fields) {
    if (field.is_needed) writer.string(field.name);
  }
  writer.end_array().key("additionalProperties").boolean(false);
}

void write_content(json::Writer& writer, std::span<const Field> fields) {
  writer.key("content").begin_object().key("application/json").begin_object();
  writer.key("schema").begin_object().key("type").string("object");
  write_members(writer, fields);
  writer.end_object().end_object().end_object();
}

void write_parameter(json::Writer& writer, std::string_view place, const Field& field) {
  writer.begin_object().key("name").string(field.name).key("in").string(place);
  writer.key("required").boolean(place == "path");
  writer.key("schema");
  Field plain = field;
  plain.is_needed = true;  // What stands in a path or query is never null.
  write_schema(writer, plain);
  writer.end_object();
}

// Without the dots of a long {name...}, which OpenAPI does not know.
std::string plain_path(std::string_view path) {
  std::string plain(path);
  const size_t dots = plain.find("...");
  if (dots != std::string::npos) plain.erase(dots, 3);
  return plain;
}

void write_parameters(json::Writer& writer, const Route& route) {
  writer.key("parameters").begin_array();
  const std::string path = plain_path(route.path);
  for (size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1)) {
    write_parameter(writer, "path",
                    {.name = std::string_view(path).substr(at + 1, path.find('}', at) - at - 1)});
  }
  for (const Field& field : route.query) write_parameter(writer, "query", field);
  if (route.is_remembered) write_parameter(writer, "header", {.name = "Idempotency-Key"});
  writer.end_array();
}

std::string operation_id(const Route& route) {
  std::string id(http::to_string(route.method));
  for (const char c : route.path) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_letter || c == '-') {
      id += c == '-' ? '_' : c;
    } else if (!id.ends_with('_')) {
      id += '_';
    }
  }
  while (id.ends_with('_')) id.pop_back();
  std::ranges::transform(id, id.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return id;
}

void write_operation(json::Writer& writer, const Route& route) {
  std::string method(http::to_string(route.method));
  std::ranges::transform(method, method.begin(),
                         [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  writer.key(method).begin_object();
  writer.key("operationId").string(operation_id(route)).key("summary").string(route.purpose);
  writer.key("x-rights").string(route.rights == Rights::kGateway ? "gateway" : "scoped");
  write_parameters(writer, route);
  if (!route.body.empty()) {
    const bool is_needed = std::ranges::any_of(route.body, &Field::is_needed);
    writer.key("requestBody").begin_object().key("required").boolean(is_needed);
    write_content(writer, route.body);
    writer.end_object();
  }
  writer.key("responses").begin_object().key(std::to_string(route.status)).begin_object();
  writer.key("description").string("Done.");
  write_content(writer, route.answer);
  writer.end_object().key("default").begin_object();
  writer.key("$ref").string("#/components/responses/Error").end_object().end_object();
  writer.end_object();
}

void write_components(json::Writer& writer) {
  const std::array<Field, 1> error = {
      {{.name = "error", .kind = FieldKind::kRecord, .is_needed = true, .fields = kErrorFields}}};
  writer.key("components").begin_object().key("responses").begin_object();
  writer.key("Error").begin_object().key("description").string("Nothing was done.");
  write_content(writer, error);
  writer.end_object().end_object().key("securitySchemes").begin_object();
  writer.key("bearer").begin_object().key("type").string("http").key("scheme").string("bearer");
  writer.end_object().end_object().end_object();
}

Task<control::SmallAnswer> show_openapi(Call& call) {
  control::SmallAnswer answer;
  json::Writer writer(answer.body);
  writer.begin_object().key("openapi").string("3.1.0").key("info").begin_object();
  writer.key("title").string("Sluice admin").key("version").string(call.parts.version);
  writer.end_object().key("security").begin_array().begin_object();
  writer.key("bearer").begin_array().end_array().end_object().end_array();
  writer.key("paths").begin_object();
  std::string_view path;
  for (const Route& route : routes()) {
    if (route.path != path) {
      if (!path.empty()) writer.end_object();
      path = route.path;
      writer.key(plain_path(path)).begin_object();
    }
    write_operation(writer, route);
  }
  writer.end_object().end_object();
  write_components(writer);
  writer.end_object();
  co_return answer;
}

constexpr std::array<Route, 1> kRows = {{{.path = "/v1/openapi.json",
                                          .purpose = "This document.",
                                          .rights = Rights::kAnybody,
                                          .run = show_openapi}}};

}  // namespace

std::span<const Route> openapi_rows() { return kRows; }

}  // namespace sluice::admin
