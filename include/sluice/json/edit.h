// What to send instead of a body: pieces of it, byte for byte, with a few literals between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <sluice/base/assert.h>
#include <sluice/json/envelope_reader.h>

namespace sluice::json {

struct BodyEdit {
  std::string_view model;      // A JSON string with its quotes; empty keeps the client's.
  bool include_usage = false;  // Make stream_options ask for the usage.
};

// An edited body as slices, in order. Points into the body and what is put into it, which must live
// as long; everything else is static.
template <size_t kMost>
class Plan {
 public:
  static constexpr size_t kPiecesMax = kMost;

  [[nodiscard]] std::span<const std::string_view> pieces() const noexcept {
    return {pieces_.data(), count_};
  }
  [[nodiscard]] size_t total_length() const noexcept { return total_length_; }

  // Appends a piece unless it is empty.
  void add(std::string_view piece) noexcept {
    if (piece.empty()) return;
    SLUICE_ASSERT(count_ < kPiecesMax);
    pieces_[count_++] = piece;
    total_length_ += piece.size();
  }

 private:
  std::array<std::string_view, kPiecesMax> pieces_;
  size_t count_ = 0;
  size_t total_length_ = 0;
};
using BodyPlan = Plan<5>;        // Two edits and what lies around them.
using ContinuedPlan = Plan<13>;  // Six insertions and what lies around them.

// `envelope` must be what was read from `body`. Without an edit the plan is the body itself.
[[nodiscard]] BodyPlan plan_body(std::string_view body, const Envelope& envelope,
                                 const BodyEdit& edit) noexcept;

enum class PromptKind : uint8_t { kMessages, kPrompt };  // Of /chat/completions, of /completions.

// The edited body once more, now asking to go on behind `partial`, which is the raw inside of a
// JSON string. A text prompt gets it at its end. Messages get it as the last one, the assistant's,
// with `continue_final_message` and without a generation prompt, as vLLM and SGLang want it;
// llama.cpp goes on with such a message anyway. Servers that know no such thing refuse the members.
//
// Empty where it cannot be told that the answer goes on: several choices or prompts, no list of
// messages, a body that speaks of these members itself. The limits on output stay the client's.
[[nodiscard]] std::optional<ContinuedPlan> plan_continued_body(std::string_view body,
                                                               const Envelope& envelope,
                                                               const BodyEdit& edit,
                                                               std::string_view partial,
                                                               PromptKind kind) noexcept;

}  // namespace sluice::json
