#include "body_fields.h"

#include <algorithm>
#include <charconv>

#include "json_walk.h"

namespace sluice::sim {
namespace {

constexpr uint32_t kDepthMax = 512;
constexpr uint32_t kChoicesMax = 16;
constexpr uint32_t kDimensionsMax = 8192;

// The tools' part of a body; whether one is called is known once all of it has been seen.
struct ToolFields {
  std::string_view first;   // Name of the first tool.
  std::string_view chosen;  // Name in tool_choice.
  bool required = false;
};

// {"type":"function","function":{"name":...}} of chat, or {"type":"function","name":...}.
std::string_view tool_name(std::string_view tool) noexcept {
  const std::string_view function = find_member(tool, "function");
  return string_body(find_member(function.empty() ? tool : function, "name"));
}

std::string_view first_tool(std::string_view tools) noexcept {
  JsonWalk walk(tools);
  return walk.next() ? tool_name(walk.value()) : std::string_view();
}

// The text of a message's content: a string, or the first text of an array of parts.
std::string_view content_text(std::string_view content) noexcept {
  if (content.starts_with('"')) return string_body(content);
  JsonWalk parts(content);
  while (parts.next()) {
    const std::string_view text = string_body(find_member(parts.value(), "text"));
    if (!text.empty()) return text;
  }
  return {};
}

// `input` is a string, an array of strings, or an array of messages.
std::string_view last_content(std::string_view input) noexcept {
  if (input.starts_with('"')) return string_body(input);
  std::string_view last;
  JsonWalk walk(input);
  while (walk.next()) last = walk.value();
  return last.starts_with('"') ? string_body(last) : content_text(find_member(last, "content"));
}

bool is_json_format(std::string_view format) noexcept {
  return string_body(find_member(format, "type")).starts_with("json");
}

uint32_t small_number(std::string_view value, uint32_t most, uint32_t otherwise) noexcept {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) return otherwise;
  return std::clamp(number, 1u, most);
}

void read_member(std::string_view name, std::string_view value, BodyFields& fields,
                 ToolFields& tools) {
  if (name == "messages" || name == "prompt" || name == "input") {
    fields.input = value;
  } else if (name == "tools") {
    tools.first = first_tool(value);
  } else if (name == "tool_choice") {
    tools.chosen = tool_name(value);
    tools.required = value == "\"required\"";
  } else if (name == "response_format") {
    fields.wants_json = is_json_format(value);
  } else if (name == "text") {
    fields.wants_json = is_json_format(find_member(value, "format"));
  } else if (name == "encoding_format") {
    fields.wants_base64 = value == "\"base64\"";
  } else if (name == "dimensions") {
    fields.dimensions = small_number(value, kDimensionsMax, fields.dimensions);
  } else if (name == "n") {
    fields.choices = small_number(value, kChoicesMax, 1);
  }
}

BodyFault explain(const json::EnvelopeError& error) noexcept {
  switch (error.error.code) {
    case ErrorCode::kMissingParameter: return {"you must provide a model parameter", "model"};
    case ErrorCode::kUnsupportedValue: return {"a parameter has an unsupported value", error.param};
    default: return {"the request's body is not valid JSON", {}};
  }
}

}  // namespace

std::expected<BodyFields, BodyFault> read_body_fields(json::EnvelopeReader& reader,
                                                      std::string_view body) {
  const auto envelope = reader.read(body, kDepthMax);
  if (!envelope) return std::unexpected(explain(envelope.error()));
  BodyFields fields;
  fields.model = envelope->model;
  fields.stream = envelope->stream;
  fields.include_usage = envelope->include_usage == json::IncludeUsage::kOn;
  fields.tokens_max = envelope->output_tokens_max();
  ToolFields tools;
  JsonWalk walk(body);
  while (walk.next()) read_member(walk.name(), walk.value(), fields, tools);
  fields.last_content = last_content(fields.input);
  if (!tools.chosen.empty()) {
    fields.tool_name = tools.chosen;
  } else if (tools.required || fields.model.starts_with("sim-tools")) {
    fields.tool_name = tools.first;
  }
  return fields;
}

uint64_t prompt_tokens(const BodyFields& fields) noexcept { return fields.input.size() / 4 + 1; }

}  // namespace sluice::sim
