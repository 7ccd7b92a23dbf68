// A few fields of the small JSON texts that upstreams send: usage objects and stream events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace sluice::json {

class Structurals;
struct ChoicesEvent;

// Token counts by either dialect's names. Absent is not zero.
struct UsageFields {
  std::optional<uint64_t> input;      // prompt_tokens or input_tokens
  std::optional<uint64_t> output;     // completion_tokens or output_tokens
  std::optional<uint64_t> cached;     // {prompt,input}_tokens_details.cached_tokens
  std::optional<uint64_t> reasoning;  // {completion,output}_tokens_details.reasoning_tokens

  [[nodiscard]] bool is_empty() const noexcept { return !input && !output; }
};

// One event's payload, or one JSON answer.
struct EventFields {
  bool has_choices = false;        // `choices` is an array ...
  bool choices_empty = false;      // ... of no element.
  bool has_usage = false;          // `usage`, also within `response`, is an object.
  bool has_error = false;          // `error`, also within `response`, is there and not null.
  bool has_finish_reason = false;  // One choice at least has a finish_reason that is a string.
  UsageFields usage;
};

// Reads them from a copy of its own, so the text needs no padding. Allocates only on construction.
// One per shard.
class FieldReader {
 public:
  static constexpr size_t kTextBytesMax = 64 * 1024;

  FieldReader();
  ~FieldReader();
  FieldReader(const FieldReader&) = delete;
  FieldReader& operator=(const FieldReader&) = delete;

  // Empty when `text` is not a JSON object, or longer than kTextBytesMax.
  [[nodiscard]] std::optional<UsageFields> read_usage(std::string_view text) noexcept;
  [[nodiscard]] std::optional<EventFields> read_event(std::string_view text) noexcept;
  // Empty also for more choices than it holds, and for a choice that is none.
  [[nodiscard]] std::optional<ChoicesEvent> read_choices(std::string_view text) noexcept;

 private:
  // The copy of `text` when its tokens were found.
  [[nodiscard]] std::optional<std::string_view> index(std::string_view text) noexcept;

  std::unique_ptr<Structurals> structurals_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace sluice::json
