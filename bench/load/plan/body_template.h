// Request bodies with holes: {{model}}, {{prompt}}, {{max_tokens}}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/clock.h>

namespace sluice::load {

class BodyTemplate {
 public:
  explicit BodyTemplate(std::string_view text);
  // A chat completion; without `has_max_tokens` the field is left out.
  [[nodiscard]] static BodyTemplate chat(bool streams, bool has_max_tokens);

  [[nodiscard]] bool has_prompt() const noexcept { return has_prompt_; }
  // The body's length with a prompt of no bytes.
  [[nodiscard]] size_t bare_bytes(std::string_view model, uint64_t max_tokens) const;
  // `prompt` must be free of what JSON strings escape; `model` is escaped here.
  void append(std::string& out, std::string_view model, std::string_view prompt,
              uint64_t max_tokens) const;

 private:
  enum class Hole : uint8_t { kNone, kModel, kPrompt, kMaxTokens };
  struct Piece {
    std::string text;  // Before the hole.
    Hole hole = Hole::kNone;
  };
  std::vector<Piece> pieces_;
  bool has_prompt_ = false;
};

// Appends `bytes` of words: the same for the same `id`, and different from the first word on for
// different ones.
void append_words(std::string& out, uint64_t id, size_t bytes);

}  // namespace sluice::load
