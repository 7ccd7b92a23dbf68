#include <sluice/json/field_reader.h>

#include <cstring>

#include "escapes.h"
#include "members.h"
#include "structurals.h"
#include "token_cursor.h"

namespace sluice::json {

namespace {

constexpr size_t kPadding = 64;

bool take_count(TokenCursor& cursor, std::optional<uint64_t>& out) noexcept {
  std::string_view token;
  if (!cursor.take_value(token)) return false;
  out = unsigned_value(token);
  return true;
}

// Takes the counts named `name` out of the object that begins here.
bool take_detail(TokenCursor& cursor, std::string_view name,
                 std::optional<uint64_t>& out) noexcept {
  if (cursor.peek() != '{') return cursor.skip_value();
  return for_each_member(cursor, [&](std::string_view key) {
    return key == name ? take_count(cursor, out) : cursor.skip_value();
  });
}

bool take_usage(TokenCursor& cursor, UsageFields& usage) noexcept {
  return for_each_member(cursor, [&](std::string_view key) {
    if (key == "prompt_tokens" || key == "input_tokens") return take_count(cursor, usage.input);
    if (key == "completion_tokens" || key == "output_tokens") {
      return take_count(cursor, usage.output);
    }
    if (key == "prompt_tokens_details" || key == "input_tokens_details") {
      return take_detail(cursor, "cached_tokens", usage.cached);
    }
    if (key == "completion_tokens_details" || key == "output_tokens_details") {
      return take_detail(cursor, "reasoning_tokens", usage.reasoning);
    }
    return cursor.skip_value();
  });
}

bool take_choice(TokenCursor& cursor, EventFields& event) noexcept {
  if (cursor.peek() != '{') return cursor.skip_value();
  return for_each_member(cursor, [&](std::string_view key) {
    if (key == "finish_reason" && cursor.peek() == '"') event.has_finish_reason = true;
    return cursor.skip_value();
  });
}

bool take_choices(TokenCursor& cursor, EventFields& event) noexcept {
  if (cursor.peek() != '[') return cursor.skip_value();
  if (!cursor.enter_array()) return false;
  event.has_choices = true;
  event.choices_empty = cursor.peek() == ']';
  bool is_first = true;
  while (true) {
    const TokenCursor::Step step = cursor.next_element(is_first);
    if (step == TokenCursor::Step::kFault) return false;
    if (step == TokenCursor::Step::kEnd) return true;
    if (!take_choice(cursor, event)) return false;
  }
}

// What may stand at the top level and within `response` alike.
bool take_outcome(TokenCursor& cursor, std::string_view key, EventFields& event) noexcept {
  if (key == "usage" && cursor.peek() == '{') {
    event.has_usage = true;
    return take_usage(cursor, event.usage);
  }
  if (key == "error") event.has_error = cursor.peek() != 'n';
  return cursor.skip_value();
}

bool take_event(TokenCursor& cursor, EventFields& event) noexcept {
  return for_each_member(cursor, [&](std::string_view key) {
    if (key == "choices") return take_choices(cursor, event);
    if (key == "response" && cursor.peek() == '{') {
      return for_each_member(
          cursor, [&](std::string_view inner) { return take_outcome(cursor, inner, event); });
    }
    return take_outcome(cursor, key, event);
  });
}

}  // namespace

FieldReader::FieldReader()
    : structurals_(std::make_unique<Structurals>()),
      scratch_(std::make_unique<char[]>(kTextBytesMax + kPadding)) {
  // Has the memory for the longest text allocated here and not on the first answer.
  (void)structurals_->index("{}");
}

FieldReader::~FieldReader() = default;

std::optional<std::string_view> FieldReader::index(std::string_view text) noexcept {
  if (text.empty() || text.size() > kTextBytesMax) return std::nullopt;
  std::memcpy(scratch_.get(), text.data(), text.size());
  const std::string_view copy(scratch_.get(), text.size());
  if (structurals_->index(copy) != Structurals::Fault::kNone) return std::nullopt;
  if (find_bad_escape(copy) != std::string_view::npos) return std::nullopt;
  return copy;
}

std::optional<UsageFields> FieldReader::read_usage(std::string_view text) noexcept {
  const auto copy = index(text);
  if (!copy) return std::nullopt;
  TokenCursor cursor(*copy, *structurals_, kBodyDepthMax);
  UsageFields usage;
  if (!take_usage(cursor, usage) || !cursor.at_end()) return std::nullopt;
  return usage;
}

std::optional<EventFields> FieldReader::read_event(std::string_view text) noexcept {
  const auto copy = index(text);
  if (!copy) return std::nullopt;
  TokenCursor cursor(*copy, *structurals_, kBodyDepthMax);
  EventFields event;
  if (!take_event(cursor, event) || !cursor.at_end()) return std::nullopt;
  return event;
}

}  // namespace sluice::json
