#include <sluice/json/edit.h>

#include <optional>
#include <utility>

#include <sluice/base/assert.h>

namespace sluice::json {

namespace {

// Replaces `range` by `text`; an empty range inserts.
struct Splice {
  ByteRange range;
  std::string_view text;
};

std::optional<Splice> usage_splice(const Envelope& envelope) noexcept {
  switch (envelope.stream_options) {
    case StreamOptions::kAbsent:
      return Splice{{envelope.members_begin, 0}, R"("stream_options":{"include_usage":true},)"};
    case StreamOptions::kNull:
      return Splice{envelope.stream_options_token, R"({"include_usage":true})"};
    case StreamOptions::kObject: break;
  }
  switch (envelope.include_usage) {
    case IncludeUsage::kOn: return std::nullopt;
    case IncludeUsage::kOff: return Splice{envelope.include_usage_token, "true"};
    case IncludeUsage::kAbsent: break;
  }
  return Splice{
      {envelope.stream_options_token.offset + 1, 0},
      envelope.stream_options_empty ? R"("include_usage":true)" : R"("include_usage":true,)"};
}

// Splices in the order of their places, those of one place as they were added.
class SpliceList {
 public:
  static constexpr size_t kMost = 6;

  void add(Splice splice) noexcept {
    SLUICE_ASSERT(count_ < kMost);
    size_t at = count_++;
    for (; at > 0 && splices_[at - 1].range.offset > splice.range.offset; --at) {
      splices_[at] = splices_[at - 1];
    }
    splices_[at] = splice;
  }
  [[nodiscard]] std::span<const Splice> splices() const noexcept {
    return {splices_.data(), count_};
  }

 private:
  std::array<Splice, kMost> splices_;
  size_t count_ = 0;
};

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view without_space_behind(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Whether the value at `offset` is that of the member `quoted_key`.
bool has_key(std::string_view body, size_t offset, std::string_view quoted_key) noexcept {
  std::string_view before = without_space_behind(body.substr(0, offset));
  if (!before.ends_with(':')) return false;
  before.remove_suffix(1);
  return without_space_behind(before).ends_with(quoted_key);
}

bool add_message(std::string_view body, const Envelope& envelope, std::string_view partial,
                 SpliceList& list) noexcept {
  const std::string_view messages =
      without_space_behind(body.substr(envelope.prompt.offset, envelope.prompt.length));
  if (!messages.starts_with('[') || !has_key(body, envelope.prompt.offset, "\"messages\"")) {
    return false;
  }
  for (const std::string_view member : {"continue_final_message", "add_generation_prompt"}) {
    if (body.find(member) != std::string_view::npos) return false;
  }
  const std::string_view inside = without_space_behind(messages.substr(1, messages.size() - 2));
  if (inside.find_first_not_of(" \t\r\n") == std::string_view::npos) return false;
  const size_t end = envelope.prompt.offset + messages.size() - 1;
  list.add({{end, 0}, R"(,{"role":"assistant","content":")"});
  list.add({{end, 0}, partial});
  list.add({{end, 0}, "\"}"});
  // Behind all others, because of a member that is given twice the last one counts as a rule.
  list.add(
      {{body.rfind('}'), 0}, R"(,"continue_final_message":true,"add_generation_prompt":false)"});
  return true;
}

bool add_to_prompt(std::string_view body, const Envelope& envelope, std::string_view partial,
                   SpliceList& list) noexcept {
  const std::string_view prompt =
      without_space_behind(body.substr(envelope.prompt.offset, envelope.prompt.length));
  if (!prompt.starts_with('"') || !has_key(body, envelope.prompt.offset, "\"prompt\"")) {
    return false;
  }
  list.add({{envelope.prompt.offset + prompt.size() - 1, 0}, partial});
  return true;
}

}  // namespace

BodyPlan plan_body(std::string_view body, const Envelope& envelope, const BodyEdit& edit) noexcept {
  std::optional<Splice> first;
  std::optional<Splice> second;
  if (!edit.model.empty()) first = Splice{envelope.model_token, edit.model};
  if (edit.include_usage) second = usage_splice(envelope);
  if (first && second && second->range.offset < first->range.offset) std::swap(first, second);
  BodyPlan plan;
  size_t sent = 0;
  for (const std::optional<Splice>& splice : {first, second}) {
    if (!splice) continue;
    plan.add(body.substr(sent, splice->range.offset - sent));
    plan.add(splice->text);
    sent = splice->range.offset + splice->range.length;
  }
  plan.add(body.substr(sent));
  return plan;
}

std::optional<ContinuedPlan> plan_continued_body(std::string_view body, const Envelope& envelope,
                                                 const BodyEdit& edit, std::string_view partial,
                                                 PromptKind kind) noexcept {
  if (envelope.prompt_repeats || envelope.n.value_or(1) != 1) return std::nullopt;
  SpliceList list;
  if (!edit.model.empty()) list.add({envelope.model_token, edit.model});
  if (edit.include_usage) {
    if (const std::optional<Splice> splice = usage_splice(envelope)) list.add(*splice);
  }
  const bool is_possible = kind == PromptKind::kMessages
                               ? add_message(body, envelope, partial, list)
                               : add_to_prompt(body, envelope, partial, list);
  if (!is_possible) return std::nullopt;
  ContinuedPlan plan;
  size_t sent = 0;
  for (const Splice& splice : list.splices()) {
    plan.add(body.substr(sent, splice.range.offset - sent));
    plan.add(splice.text);
    sent = splice.range.offset + splice.range.length;
  }
  plan.add(body.substr(sent));
  return plan;
}

}  // namespace sluice::json
