#include <sluice/relay/answer_start.h>

#include <sluice/base/assert.h>

namespace sluice::relay {

void AnswerStart::take(io::Buffer bytes) noexcept {
  SLUICE_ASSERT(!is_decided());
  if (bytes.is_empty()) return;
  show(bytes.bytes());
  buffers_[count_++] = std::move(bytes);
}

void AnswerStart::show(std::string_view bytes) noexcept {
  if (framing_.kind != http::BodyKind::kChunked) {
    tap_->on_span(bytes);
    payload_bytes_ += bytes.size();
    is_over_ = framing_.kind != http::BodyKind::kUntilClose && payload_bytes_ >= framing_.length;
    return;
  }
  for (size_t at = 0; at < bytes.size() && !decoder_.finished();) {
    const Result<std::string_view> span = decoder_.next(bytes, at);
    if (!span) {
      is_over_ = true;
      return;
    }
    if (!span->empty()) tap_->on_span(*span);
  }
  is_over_ = decoder_.finished();
}

}  // namespace sluice::relay
