#include <algorithm>
#include <charconv>

#include "phases.h"

namespace sluice::exchange {
namespace {

// Bodies above this size do not keep the parser's memory for the next ones.
constexpr size_t kUsualBodyMax = 1024 * 1024;

// The client's wish, capped by what its key may ask for; 0 is the lowest.
uint32_t read_priority(const http::RequestHead& head, const auth::Principal& principal) noexcept {
  const std::string_view text = head.headers.find(http::HeaderName::kXSluicePriority);
  uint32_t priority = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), priority);
  if (error != std::errc{} || end != text.data() + text.size()) return 0;
  return principal.is_anonymous() ? priority : std::min(priority, principal.priority_max);
}

Outcome<json::Envelope> read_envelope(Services& services, const config::Snapshot& config,
                                      std::string_view body) noexcept {
  // The parser's memory counts like the body's own while it grows.
  BudgetShare share(services.budget);
  const size_t needed = json::EnvelopeReader::memory_needed(body.size());
  const size_t held = services.envelope_reader.memory_bytes();
  if (needed > held && !share.try_resize(needed - held)) {
    return std::unexpected(
        Refusal{{ErrorCode::kOverloaded, Side::kSelf, Retry::kNever, "byte budget is spent"}, {}});
  }
  const auto envelope = services.envelope_reader.read(body, config.limits.json_depth_max);
  services.envelope_reader.release_above(json::EnvelopeReader::memory_needed(kUsualBodyMax));
  if (!envelope) {
    return std::unexpected(Refusal{envelope.error().error, {.param = envelope.error().param}});
  }
  return *envelope;
}

}  // namespace

Task<Outcome<Admission>> admit(Services& services, Generation& generation,
                               const http::RequestHead& head, http::RequestBody& body,
                               const auth::Principal& principal, Settlement& settlement) {
  const config::Snapshot& config = generation.config;
  if (services.is_draining) {
    co_return std::unexpected(
        Refusal{{ErrorCode::kDraining, Side::kSelf, Retry::kNever, "draining"}, {}});
  }
  if (head.body.kind == http::BodyKind::kNone) {
    co_return std::unexpected(
        Refusal{{ErrorCode::kLengthRequired, Side::kDownstream, Retry::kNever, "no body"}, {}});
  }
  const uint64_t bytes_max = config.limits.body_bytes_max;
  std::optional<Result<std::string_view>> read = body.take_at_hand(bytes_max);
  if (!read) read = co_await body.read(bytes_max);
  const Result<std::string_view>& bytes = *read;
  if (!bytes) co_return std::unexpected(Refusal{bytes.error(), {.limit = bytes_max}});
  settlement.note_body();
  const Outcome<json::Envelope> envelope = read_envelope(services, config, *bytes);
  if (!envelope) co_return std::unexpected(envelope.error());

  Admission admission{.body = *bytes, .envelope = *envelope};
  admission.model = config.find_model(envelope->model);
  const ErrorDetails details{.param = "model", .model = envelope->model};
  if (!admission.model.is_valid()) {
    co_return std::unexpected(Refusal{
        {ErrorCode::kModelNotFound, Side::kDownstream, Retry::kNever, "unknown model"}, details});
  }
  settlement.note_model(admission.model, envelope->stream);
  if (principal.key.is_valid() && !config.key(principal.key).allows(admission.model)) {
    co_return std::unexpected(
        Refusal{{ErrorCode::kModelNotAllowed, Side::kDownstream, Retry::kNever, "key lacks model"},
                details});
  }
  admission.priority = read_priority(head, principal);
  settlement.note_priority(admission.priority);
  co_return admission;
}

}  // namespace sluice::exchange
