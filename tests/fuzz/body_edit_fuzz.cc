// A body that asks to go on with a partial answer is the body, with that answer as its last message
// or at the end of its prompt, or it is refused.
#include <sluice/json/edit.h>
#include <sluice/json/value.h>
#include <sluice/json/writer.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using fuzz::expect;
using json::EnvelopeReader;

constexpr uint32_t kDepthMax = 16;
constexpr char kBetween = '\xff';  // Never in a body that is UTF-8.

std::unique_ptr<char[]> padded(std::string_view body) {
  std::unique_ptr<char[]> block(new char[body.size() + EnvelopeReader::kPadding]);
  body.copy(block.get(), body.size());
  std::memset(block.get() + body.size(), '"', EnvelopeReader::kPadding);
  return block;
}

bool is_true(const json::Value& object, std::string_view name, bool wanted) {
  const json::Value* member = object.find(name);
  return member != nullptr && member->as_boolean() != nullptr && *member->as_boolean() == wanted;
}

std::string text_of(const json::Value& value) {
  std::string text;
  value.write(text);
  return text;
}

void check_messages(const json::Value& before, const json::Value& after,
                    const std::string& partial) {
  const json::Value* old_list = before.find("messages");
  const json::Value* new_list = after.find("messages");
  expect(old_list != nullptr && old_list->as_array() != nullptr, "there were messages");
  expect(new_list != nullptr && new_list->as_array() != nullptr, "and there are");
  const json::Array& was = *old_list->as_array();
  const json::Array& is = *new_list->as_array();
  expect(is.size() == was.size() + 1, "one message is added");
  for (size_t i = 0; i < was.size(); ++i) {
    expect(text_of(was[i]) == text_of(is[i]), "the others stay");
  }
  const json::Value* content = is.back().find("content");
  const json::Value* role = is.back().find("role");
  expect(role != nullptr && role->as_string() != nullptr && *role->as_string() == "assistant",
         "the last one is the assistant's");
  expect(content != nullptr && content->as_string() != nullptr && *content->as_string() == partial,
         "and says what the client has");
  expect(is_true(after, "continue_final_message", true), "the server is to go on with it");
  expect(is_true(after, "add_generation_prompt", false), "and not to begin another");
}

void check_prompt(const json::Value& before, const json::Value& after, const std::string& partial) {
  const json::Value* was = before.find("prompt");
  const json::Value* is = after.find("prompt");
  expect(was != nullptr && was->as_string() != nullptr, "there was a prompt");
  expect(is != nullptr && is->as_string() != nullptr, "and there is");
  expect(*is->as_string() == *was->as_string() + partial, "the answer stands at its end");
}

void check(std::string_view body, std::string_view raw_partial, json::PromptKind kind, bool edits) {
  const auto block = padded(body);
  const std::string_view text(block.get(), body.size());
  EnvelopeReader reader;
  const auto envelope = reader.read(text, kDepthMax);
  if (!envelope) return;
  const json::BodyEdit edit = {.model = edits ? "\"other\"" : "", .include_usage = edits};
  const auto plan = json::plan_continued_body(text, *envelope, edit, raw_partial, kind);
  if (!plan) return;
  std::string edited;
  for (const std::string_view piece : plan->pieces()) edited += piece;
  expect(edited.size() == plan->total_length(), "its length is told");
  // Members of any name may repeat in a body; a tree has each once.
  const auto before = json::parse_value(body, {.depth_max = kDepthMax + 2});
  const auto after = json::parse_value(edited, {.depth_max = kDepthMax + 4});
  if (!before) return;
  expect(after.has_value(), "an edited body is JSON, and says nothing twice");
  const auto partial = json::parse_value('"' + std::string(raw_partial) + '"');
  expect(partial && partial->as_string() != nullptr, "the partial answer is a string");
  if (kind == json::PromptKind::kMessages) check_messages(*before, *after, *partial->as_string());
  if (kind == json::PromptKind::kPrompt) check_prompt(*before, *after, *partial->as_string());
  const json::Value* model = after->find("model");
  expect(model != nullptr && model->as_string() != nullptr, "it names a model");
  expect(!edits || *model->as_string() == "other", "the one that was asked for");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t mark = std::min(input.find(kBetween), input.size());
  const std::string_view body = input.substr(0, mark);
  const std::string quoted = json::quote(input.substr(std::min(mark + 1, input.size())));
  const std::string partial = quoted.substr(1, quoted.size() - 2);
  const auto kind = (bytes[0] & 1) != 0 ? json::PromptKind::kPrompt : json::PromptKind::kMessages;
  check(body, partial, kind, (bytes[0] & 2) != 0);
  return 0;
}
