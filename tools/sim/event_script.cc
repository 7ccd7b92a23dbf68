#include "event_script.h"

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr std::string_view kComment = ": sluice-sim is still here\n\n";
constexpr std::string_view kErrorJson =
    R"({"error":{"message":"the simulated model broke","type":"server_error","param":null,)"
    R"("code":"sim_error_event"}})";

}  // namespace

EventScript::EventScript(const Generation& generation, const Shape& shape)
    : generation_(generation), shape_(shape) {
  if (generation.api == Api::kResponses) {
    plan_response();
  } else {
    plan_chunks();
  }
  if (shape.faults.has(Fault::kErrorEvent)) {
    plan_error_event(shape.faults.number(Fault::kErrorEvent));
  }
}

void EventScript::plan_chunks() {
  const uint64_t choices = generation_.choices;
  const bool has_usage = generation_.include_usage && generation_.has_usage;
  const bool usage_is_first = shape_.faults.has(Fault::kUsageFirst);
  if (generation_.api == Api::kChat) add(Kind::kRole, choices);
  if (has_usage && usage_is_first) add(Kind::kUsage);
  if (shape_.faults.has(Fault::kBigEvent)) add(Kind::kBig);
  add(Kind::kPiece, generation_.text.count() * choices);
  add(Kind::kFinish, choices);
  if (has_usage && !usage_is_first) add(Kind::kUsage);
  add(Kind::kDone);
}

void EventScript::plan_response() {
  for (const Kind kind : {Kind::kCreated, Kind::kInProgress, Kind::kItemAdded, Kind::kPartAdded}) {
    add(kind);
  }
  if (shape_.faults.has(Fault::kBigEvent)) add(Kind::kBig);
  add(Kind::kDelta, generation_.text.count());
  for (const Kind kind : {Kind::kTextDone, Kind::kPartDone, Kind::kItemDone, Kind::kCompleted}) {
    add(kind);
  }
}

void EventScript::plan_error_event(uint64_t after) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (after >= parts_[i].count) {
      after -= parts_[i].count;
      continue;
    }
    parts_[i].count = after;
    parts_.resize(after == 0 ? i : i + 1);
    break;
  }
  add(Kind::kError);
}

uint64_t EventScript::token() const noexcept {
  const uint64_t last = std::max<uint64_t>(generation_.text.count(), 1) - 1;
  switch (parts_[part_].kind) {
    case Kind::kPiece:
    case Kind::kDelta: return in_part_ / generation_.choices;
    case Kind::kRole:
    case Kind::kBig:
    case Kind::kCreated:
    case Kind::kInProgress:
    case Kind::kItemAdded:
    case Kind::kPartAdded: return 0;
    case Kind::kUsage: return shape_.faults.has(Fault::kUsageFirst) ? 0 : last;
    case Kind::kError: {
      if (part_ == 0) return 0;
      const Part& before = parts_[part_ - 1];
      const bool is_text = before.kind == Kind::kPiece || before.kind == Kind::kDelta;
      return is_text ? std::min(before.count / generation_.choices, last)
             : before.kind >= Kind::kFinish && before.kind <= Kind::kDone ? last
                                                                          : 0;
    }
    default: return last;
  }
}

void EventScript::render_next(std::string& out, std::optional<uint64_t> t_ns) {
  const Part part = parts_[part_];
  const uint64_t at = in_part_;
  if (++in_part_ == part.count) {
    ++part_;
    in_part_ = 0;
  }
  if (shape_.faults.has(Fault::kComments)) out += kComment;
  append_event(out, part.kind, at, t_ns);
  ++position_;
}

void EventScript::append_event(std::string& out, Kind kind, uint64_t at,
                               std::optional<uint64_t> t_ns) {
  if (kind == Kind::kDone) {
    out += "data: [DONE]\n\n";
    return;
  }
  if (kind == Kind::kError) {
    out += "data: ";
    out += kErrorJson;
  } else if (generation_.api == Api::kResponses) {
    append_response_event(out, kind, at);
  } else {
    append_chunk(out, kind, at);
  }
  if (t_ns) {
    out.back() = ',';
    out += R"("t_ns":)";
    append_unsigned(out, *t_ns);
    out += '}';
  }
  out += "\n\n";
}

void EventScript::append_chunk(std::string& out, Kind kind, uint64_t at) {
  out += R"(data: {"id":")";
  out += generation_.id;
  out += generation_.api == Api::kChat ? R"(","object":"chat.completion.chunk","created":)"
                                       : R"(","object":"text_completion","created":)";
  append_unsigned(out, static_cast<uint64_t>(generation_.created));
  out += R"(,"model":)";
  out += generation_.model;
  out += R"(,"system_fingerprint":"fp_sim","choices":[)";
  if (kind != Kind::kUsage) {
    out += R"({"index":)";
    append_unsigned(out, at % generation_.choices);
    append_choice(out, kind, at / generation_.choices);
    out += '}';
  }
  out += ']';
  if (kind == Kind::kUsage) {
    out += R"(,"usage":)";
    append_usage(out, generation_);
  } else if (generation_.include_usage) {
    out += R"(,"usage":null)";
  }
  out += '}';
}

void EventScript::append_choice(std::string& out, Kind kind, uint64_t token) {
  if (generation_.api == Api::kChat) {
    out += R"(,"delta":{)";
    append_delta(out, kind, token);
    out += '}';
  } else {
    out += R"(,"text":")";
    if (kind == Kind::kPiece) out += generation_.text.piece(token);
    if (kind == Kind::kBig) out.append(shape_.faults.number(Fault::kBigEvent), 'x');
    out += '"';
  }
  out += R"(,"logprobs":null,"finish_reason":)";
  if (kind == Kind::kFinish) {
    out += '"';
    out += generation_.finish_reason();
    out += '"';
  } else {
    out += "null";
  }
}

void EventScript::append_delta(std::string& out, Kind kind, uint64_t token) {
  const bool calls_tool = generation_.calls_tool();
  if (kind == Kind::kRole && calls_tool) {
    out += R"("role":"assistant","content":null,"tool_calls":[{"index":0,"id":")";
    out += generation_.tool_call_id;
    out += R"(","type":"function","function":{"name":")";
    out += generation_.tool_name;
    out += R"(","arguments":""}}],"refusal":null)";
  } else if (kind == Kind::kRole) {
    out += R"("role":"assistant","content":"","refusal":null)";
  } else if (kind == Kind::kPiece && calls_tool) {
    out += R"("tool_calls":[{"index":0,"function":{"arguments":")";
    out += generation_.text.piece(token);
    out += R"("}}])";
  } else if (kind == Kind::kPiece) {
    out += R"("content":")";
    out += generation_.text.piece(token);
    out += '"';
  } else if (kind == Kind::kBig) {
    out += R"("content":")";
    out.append(shape_.faults.number(Fault::kBigEvent), 'x');
    out += '"';
  }
}

void EventScript::append_response_event(std::string& out, Kind kind, uint64_t at) {
  std::string_view name;
  switch (kind) {
    case Kind::kCreated: name = "response.created"; break;
    case Kind::kInProgress: name = "response.in_progress"; break;
    case Kind::kItemAdded: name = "response.output_item.added"; break;
    case Kind::kPartAdded: name = "response.content_part.added"; break;
    case Kind::kTextDone: name = "response.output_text.done"; break;
    case Kind::kPartDone: name = "response.content_part.done"; break;
    case Kind::kItemDone: name = "response.output_item.done"; break;
    case Kind::kCompleted:
      name = generation_.is_cut ? "response.incomplete" : "response.completed";
      break;
    default: name = "response.output_text.delta"; break;
  }
  out += "event: ";
  out += name;
  out += "\ndata: {\"type\":\"";
  out += name;
  out += R"(","sequence_number":)";
  append_unsigned(out, position_);
  if (kind == Kind::kCreated || kind == Kind::kInProgress || kind == Kind::kCompleted) {
    out += R"(,"response":)";
    render_response(out, generation_, kind == Kind::kCompleted);
    out += '}';
    return;
  }
  out += R"(,"output_index":0)";
  if (kind == Kind::kItemAdded || kind == Kind::kItemDone) {
    out += R"(,"item":)";
    render_message(out, generation_, kind == Kind::kItemDone);
    out += '}';
    return;
  }
  out += R"(,"item_id":"msg_)";
  out += std::string_view(generation_.id).substr(5);
  out += R"(","content_index":0,)";
  const bool is_part = kind == Kind::kPartAdded || kind == Kind::kPartDone;
  out += is_part ? R"("part":{"type":"output_text","annotations":[],"logprobs":[],"text":")"
         : kind == Kind::kTextDone ? R"("logprobs":[],"text":")"
                                   : R"("logprobs":[],"delta":")";
  if (kind == Kind::kDelta) out += generation_.text.piece(at);
  if (kind == Kind::kBig) out.append(shape_.faults.number(Fault::kBigEvent), 'x');
  if (kind == Kind::kTextDone || kind == Kind::kPartDone) generation_.text.append_all(out);
  out += is_part ? "\"}}" : "\"}";
}

std::string with_crlf(std::string_view events) {
  std::string out;
  out.reserve(events.size() + 16);
  for (const char c : events) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace sluice::sim
