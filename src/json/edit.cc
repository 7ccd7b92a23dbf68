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
  return Splice{{envelope.stream_options_token.offset + 1, 0},
                envelope.stream_options_empty ? R"("include_usage":true)"
                                              : R"("include_usage":true,)"};
}

}  // namespace

void BodyPlan::add(std::string_view piece) noexcept {
  if (piece.empty()) return;
  SLUICE_ASSERT(count_ < kPiecesMax);
  pieces_[count_++] = piece;
  total_length_ += piece.size();
}

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

}  // namespace sluice::json
