#include "plan/body_template.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include <sluice/json/writer.h>

#include "plan/schedule.h"

namespace sluice::load {
namespace {

constexpr std::array<std::string_view, 16> kWords = {
    "river ", "stone ", "under ", "light ", "seven ", "amber ", "north ",  "cloud ",
    "quiet ", "maple ", "delta ", "ocean ", "field ", "ember ", "valley ", "wind "};

// Words to copy from, so that a prompt costs a copy and not a choice for each word.
const std::string& word_store() {
  static const std::string store = [] {
    std::string out;
    for (uint64_t i = 0; out.size() < 128 * 1024; ++i) out += kWords[mix_bits(i) % kWords.size()];
    return out;
  }();
  return store;
}

std::string in_json(std::string_view text) {
  std::string quoted = json::quote(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

BodyTemplate::BodyTemplate(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, Hole>, 3> kHoles = {
      {{"{{model}}", Hole::kModel},
       {"{{prompt}}", Hole::kPrompt},
       {"{{max_tokens}}", Hole::kMaxTokens}}};
  size_t begin = 0;
  for (size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at + 1)) {
    for (const auto& [name, hole] : kHoles) {
      if (!text.substr(at).starts_with(name)) continue;
      pieces_.push_back({std::string(text.substr(begin, at - begin)), hole});
      has_prompt_ |= hole == Hole::kPrompt;
      begin = at + name.size();
      at = begin - 1;
      break;
    }
  }
  pieces_.push_back({std::string(text.substr(begin)), Hole::kNone});
}

BodyTemplate BodyTemplate::chat(bool streams, bool has_max_tokens) {
  std::string text = R"({"model":"{{model}}")";
  // Asked for by the client itself, so that a gateway has no reason to change the events.
  if (streams) text += R"(,"stream":true,"stream_options":{"include_usage":true})";
  if (has_max_tokens) text += R"(,"max_tokens":{{max_tokens}})";
  text += R"(,"messages":[{"role":"user","content":"{{prompt}}"}]})";
  return BodyTemplate(text);
}

size_t BodyTemplate::bare_bytes(std::string_view model, uint64_t max_tokens) const {
  std::string out;
  append(out, model, {}, max_tokens);
  return out.size();
}

void BodyTemplate::append(std::string& out, std::string_view model, std::string_view prompt,
                          uint64_t max_tokens) const {
  for (const Piece& piece : pieces_) {
    out += piece.text;
    switch (piece.hole) {
      case Hole::kNone: break;
      case Hole::kModel: out += in_json(model); break;
      case Hole::kPrompt: out += prompt; break;
      case Hole::kMaxTokens: fmt::format_to(std::back_inserter(out), "{}", max_tokens); break;
    }
  }
}

void append_words(std::string& out, uint64_t id, size_t bytes) {
  const size_t end = out.size() + bytes;
  fmt::format_to(std::back_inserter(out), "{} ", id);
  const std::string& store = word_store();
  for (uint64_t part = 0; out.size() < end; ++part) {
    const size_t from = mix_bits(id * 31 + part) % (store.size() / 2);
    out.append(store, from, std::min(end - out.size(), store.size() / 2));
  }
  out.resize(end);
}

}  // namespace sluice::load
