#include "generation.h"

#include <algorithm>
#include <charconv>

#include <sluice/json/writer.h>

namespace sluice::sim {
namespace {

constexpr uint32_t kPieceBytes = 4;  // Of texts that are cut up, unless token-bytes says otherwise.
// Between the quotes of a JSON string.
constexpr std::string_view kJsonText =
    R"({\"answer\": \"water flows\", \"steps\": [1, 2, 3], \"is_final\": true})";
constexpr std::string_view kArguments = R"({\"location\": \"Amsterdam\", \"unit\": \"celsius\"})";

void append_hex(std::string& out, uint64_t value) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 16);
  out.append(24 - static_cast<size_t>(end - digits), '0').append(digits, end);
}

std::string make_id(std::string_view prefix, uint64_t number) {
  std::string id(prefix);
  append_hex(id, number);
  return id;
}

std::string_view id_prefix(Api api) noexcept {
  switch (api) {
    case Api::kChat: return "chatcmpl-";
    case Api::kCompletions: return "cmpl-";
    case Api::kResponses: return "resp_";
  }
  return {};
}

Text make_text(Api api, const BodyFields& fields, const Shape& shape, const Tape& tape,
               uint64_t limit) {
  const uint32_t piece = shape.token_bytes == 0 ? kPieceBytes : shape.token_bytes;
  if (api == Api::kChat && !fields.tool_name.empty()) {
    return Text::cut(std::string(kArguments), piece, UINT64_MAX);
  }
  if (fields.model.starts_with("sim-echo")) {
    return Text::cut(std::string(fields.last_content), piece, limit);
  }
  if (fields.wants_json) return Text::cut(std::string(kJsonText), piece, limit);
  return Text::generated(tape, std::min(shape.tokens, limit), shape.token_bytes);
}

void append_chat_message(std::string& out, const Generation& generation) {
  if (!generation.calls_tool()) {
    out += R"({"role":"assistant","content":")";
    generation.text.append_all(out);
    out += R"(","refusal":null,"annotations":[]})";
    return;
  }
  out += R"({"role":"assistant","content":null,"tool_calls":[{"id":")";
  out += generation.tool_call_id;
  out += R"(","type":"function","function":{"name":")";
  out += generation.tool_name;
  out += R"(","arguments":")";
  generation.text.append_all(out);
  out += R"("}}],"refusal":null,"annotations":[]})";
}

void append_choice(std::string& out, const Generation& generation, uint32_t index) {
  const bool is_chat = generation.api == Api::kChat;
  out += index == 0 ? R"({"index":)" : R"(,{"index":)";
  append_unsigned(out, index);
  if (is_chat) {
    out += R"(,"message":)";
    append_chat_message(out, generation);
  } else {
    out += R"(,"text":")";
    generation.text.append_all(out);
    out += '"';
  }
  out += R"(,"logprobs":null,"finish_reason":")";
  out += generation.finish_reason();
  out += "\"}";
}

}  // namespace

void append_unsigned(std::string& out, uint64_t value) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

Generation generate(Api api, const BodyFields& fields, const Shape& shape, const Tape& tape,
                    Birth birth) {
  const uint64_t limit = fields.tokens_max.value_or(UINT64_MAX);
  const uint64_t number = shape.fixed ? 1 : birth.number;
  Generation generation{
      .api = api,
      .id = make_id(id_prefix(api), number),
      .created = shape.fixed ? 1'700'000'000 : birth.unix_s,
      .model = json::quote(fields.model),
      .text = make_text(api, fields, shape, tape, limit),
      .choices = api == Api::kResponses ? 1 : fields.choices,
      .has_usage = !shape.faults.has(Fault::kNoUsage),
      .include_usage = fields.include_usage,
      .tokens_in = prompt_tokens(fields),
  };
  if (api == Api::kChat && !fields.tool_name.empty()) {
    generation.tool_name = fields.tool_name;
    generation.tool_call_id = make_id("call_", number);
  }
  generation.is_cut = generation.text.count() >= limit;
  return generation;
}

void append_usage(std::string& out, const Generation& generation) {
  const bool is_response = generation.api == Api::kResponses;
  out += is_response ? R"({"input_tokens":)" : R"({"prompt_tokens":)";
  append_unsigned(out, generation.tokens_in);
  out += is_response ? R"(,"input_tokens_details":{"cached_tokens":0},"output_tokens":)"
                     : R"(,"completion_tokens":)";
  append_unsigned(out, generation.tokens_out());
  if (is_response) out += R"(,"output_tokens_details":{"reasoning_tokens":0})";
  out += R"(,"total_tokens":)";
  append_unsigned(out, generation.tokens_in + generation.tokens_out());
  if (!is_response) {
    out += R"(,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},)"
           R"("completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,)"
           R"("accepted_prediction_tokens":0,"rejected_prediction_tokens":0})";
  }
  out += '}';
}

void render_message(std::string& out, const Generation& generation, bool is_done) {
  out += R"({"id":"msg_)";
  out += std::string_view(generation.id).substr(5);
  out += R"(","type":"message","status":)";
  out += is_done ? R"("completed")" : R"("in_progress")";
  out += R"(,"role":"assistant","content":[)";
  if (is_done) {
    out += R"({"type":"output_text","text":")";
    generation.text.append_all(out);
    out += R"(","annotations":[],"logprobs":[]})";
  }
  out += "]}";
}

void render_response(std::string& out, const Generation& generation, bool is_done) {
  out += R"({"id":")";
  out += generation.id;
  out += R"(","object":"response","created_at":)";
  append_unsigned(out, static_cast<uint64_t>(generation.created));
  out += R"(,"status":)";
  out += !is_done ? R"("in_progress")" : generation.is_cut ? R"("incomplete")" : R"("completed")";
  out += R"(,"error":null,"incomplete_details":)";
  out += is_done && generation.is_cut ? R"({"reason":"max_output_tokens"})" : "null";
  out += R"(,"instructions":null,"max_output_tokens":null,"model":)";
  out += generation.model;
  out += R"(,"output":[)";
  if (is_done) render_message(out, generation, true);
  out += R"(],"parallel_tool_calls":true,"previous_response_id":null,)"
         R"("reasoning":{"effort":null,"summary":null},"store":false,"temperature":1.0,)"
         R"("text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,)"
         R"("truncation":"disabled","usage":)";
  if (is_done && generation.has_usage) {
    append_usage(out, generation);
  } else {
    out += "null";
  }
  out += R"(,"user":null,"metadata":{}})";
}

void render_answer(std::string& out, const Generation& generation) {
  if (generation.api == Api::kResponses) return render_response(out, generation, true);
  out += R"({"id":")";
  out += generation.id;
  out += generation.api == Api::kChat ? R"(","object":"chat.completion","created":)"
                                      : R"(","object":"text_completion","created":)";
  append_unsigned(out, static_cast<uint64_t>(generation.created));
  out += R"(,"model":)";
  out += generation.model;
  out += R"(,"choices":[)";
  for (uint32_t i = 0; i < generation.choices; ++i) append_choice(out, generation, i);
  out += ']';
  if (generation.has_usage) {
    out += R"(,"usage":)";
    append_usage(out, generation);
  }
  out += R"(,"system_fingerprint":"fp_sim"})";
}

}  // namespace sluice::sim
