// One answer of a simulated model, and how it reads in one piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "body_fields.h"
#include "shape.h"
#include "text.h"

namespace sluice::sim {

enum class Api : uint8_t { kChat, kCompletions, kResponses };

// Ids and times of one answer.
struct Birth {
  uint64_t number = 0;  // Unique among the answers of one process.
  int64_t unix_s = 0;
};

struct Generation {
  Api api;
  std::string id;         // "chatcmpl-...", "cmpl-..." or "resp_..."
  int64_t created = 0;    // Seconds since the Unix epoch.
  std::string model;      // As JSON, with its quotes.
  Text text;              // The content, or a tool call's arguments.
  std::string tool_name;  // Raw; empty unless a tool is called.
  std::string tool_call_id;
  uint32_t choices = 1;
  bool is_cut = false;  // max_tokens ended it.
  bool has_usage = true;
  bool include_usage = false;  // Of the stream options.
  uint64_t tokens_in = 0;
  [[nodiscard]] uint64_t tokens_out() const noexcept { return text.count() * choices; }
  [[nodiscard]] bool calls_tool() const noexcept { return !tool_name.empty(); }
  [[nodiscard]] std::string_view finish_reason() const noexcept {
    return calls_tool() ? "tool_calls" : is_cut ? "length" : "stop";
  }
};

[[nodiscard]] Generation generate(Api api, const BodyFields& fields, const Shape& shape,
                                  const Tape& tape, Birth birth);

void append_unsigned(std::string& out, uint64_t value);
// {"prompt_tokens":...} or, for responses, {"input_tokens":...}.
void append_usage(std::string& out, const Generation& generation);

// The whole answer as one JSON text.
void render_answer(std::string& out, const Generation& generation);

// The response object of /v1/responses; `is_done` says whether it has its output and usage.
void render_response(std::string& out, const Generation& generation, bool is_done);
// Its one item of output: a message.
void render_message(std::string& out, const Generation& generation, bool is_done);

}  // namespace sluice::sim
